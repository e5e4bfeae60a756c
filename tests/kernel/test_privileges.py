"""What can be had here: tried for real, once with every right and once with none of them."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from faultproxy.kernel import nftables, privileges, sandbox, sockfilter, syscalls
from faultproxy.kernel.privileges import Report

RIGHTS = ["right over this network", "packet queue", "packet rules", "raw sockets, IPv4", "raw sockets, IPv6", "marks on sockets"]


def in_a_sandbox(body: Callable[[], str]) -> str:
    """What `body` says where it has every right."""
    refused, answer = sandbox.rehearse(body)
    if refused:
        pytest.skip(refused)
    return answer


def without_rights(body: Callable[[], str]) -> str:
    """The same of a user who has none over the network that he is in, for it belongs to another user namespace."""

    def child() -> str:
        syscalls.unshare(syscalls.CLONE_NEWUSER)
        return body()

    refused, answer = sandbox.rehearse(child)
    if refused or not answer:
        pytest.skip(refused or "no user namespace can be had here")
    return answer


def works(report: Report) -> list[str]:
    return [each.name for each in report.mechanisms if each.works]


def timed_lacking() -> tuple[float, str]:
    """The best of three, for the machine may be busy."""
    best, said = 1.0, ""
    for _ in range(3):
        began = time.perf_counter()
        said = privileges.lacking()
        best = min(best, time.perf_counter() - began)
    return best, said


def test_in_a_sandbox_all_works_or_the_kernel_is_named() -> None:
    said = in_a_sandbox(privileges.lacking)
    if said:  # a kernel without packet queues: then no right would help, and none is asked for
        assert said.startswith("packet faults cannot run here: ")
        assert "There are three ways" not in said
        return
    assert set(RIGHTS) <= set(in_a_sandbox(lambda: "|".join(works(privileges.probe()))).split("|"))
    assert in_a_sandbox(lambda: str(sockfilter.permitted())) == "True"
    assert in_a_sandbox(lambda: privileges.probe().packets) == "here"


def test_without_rights_it_is_said_which_and_the_ways_to_get_them() -> None:
    said = without_rights(privileges.lacking)
    assert said.startswith("packet faults need CAP_NET_ADMIN and CAP_NET_RAW in this network, which this process does not have.")
    for way in ("root", "setcap cap_net_admin,cap_net_raw+ep /", "--cap-add NET_ADMIN --cap-add NET_RAW", "faultproxy sandbox -- "):
        assert way in said


def test_without_rights_each_mechanism_names_the_one_it_needs() -> None:
    said = without_rights(lambda: json.dumps([asdict(each) for each in privileges.probe().mechanisms]))
    for name, why_not, way_out in ((each["name"], each["why_not"], each["way_out"]) for each in json.loads(said)):
        if name in RIGHTS:
            assert why_not == f"needs {'CAP_NET_RAW' if 'raw' in name else 'CAP_NET_ADMIN'}"
            assert way_out == privileges.RIGHTS_WAY_OUT
        if name in ("socket diagnosis", "socket tables"):
            assert why_not == ""


def test_it_is_quick() -> None:
    seconds, _ = timed_lacking()
    assert seconds < 0.2  # some 25 ms on an idle machine, most of it the kernel's, for taking a table away


def test_nothing_is_left_behind() -> None:
    files, tables = len(os.listdir("/proc/self/fd")), nftables.others()
    queues = Path("/proc/self/net/netfilter/nfnetlink_queue")
    before = queues.read_text() if os.access(queues, os.R_OK) else ""
    privileges.probe()
    privileges.lacking()
    assert len(os.listdir("/proc/self/fd")) == files
    assert nftables.others() == tables
    assert (queues.read_text() if os.access(queues, os.R_OK) else "") == before


def test_a_sandbox_that_cannot_be_had_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    # No machine at hand refuses both; what a refusal says is tested with the sandbox.
    def refused() -> str:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(privileges, "_administer", refused)
    monkeypatch.setattr(privileges, "_queue_and_rules", refused)
    monkeypatch.setattr(sandbox, "why_not", lambda: "AppArmor is in the way")
    said = privileges.lacking()
    assert said.endswith("(not possible here yet: AppArmor is in the way)")


def test_where_the_packet_plane_can_run() -> None:
    assert Report((), here="", sandbox="refused").packets == "here"
    assert Report((), here="no right", sandbox="").packets == "sandbox"
    assert Report((), here="no right", sandbox="refused").packets == "not"


def test_filters_are_tried_on_a_socket_of_their_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sockfilter.permitted()
        with socket.create_connection(listener.getsockname(), timeout=5) as client:
            client.sendall(b"untouched")
