"""Where packet faults cannot be had: said before anything starts, with the way out. And what comes that is no proper segment."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from faultproxy.kernel import netlink, nftables, privileges
from faultproxy.kernel.nfqueue import NUMBERS, Queue
from tests.kernel.sandboxed import in_sandbox
from tests.live import seccomp
from tests.live.program import ECHO
from tests.live.users import PROGRAM, environment, needs_sandbox, program, python

pytestmark = pytest.mark.live

DROP = ("--fault", "drop direction=from_client", "--upstream", "127.0.0.1:9", "--for", "100ms")
ORDINARY = "own" if os.geteuid() else "nobody"
"""Somebody without privileges."""

FAULT = '[[fault]]\nkind = "drop"\ndirection = "from_client"\nmay_not_fire = true\n'


def asked(line: list[str]) -> subprocess.CompletedProcess[str]:
    answer = subprocess.run(line, capture_output=True, text=True, check=False, timeout=30, env=environment())
    assert "Traceback" not in answer.stderr
    return answer


def refused(line: list[str]) -> str:
    """What it says, where it must refuse before it has said or started anything."""
    answer = asked(line)
    assert (answer.returncode, answer.stdout) == (4, ""), answer.stderr
    assert answer.stderr.startswith("faultproxy: ")
    return answer.stderr


@pytest.fixture
def scenario() -> Iterator[Path]:
    # Not in one of pytest's folders: each pytest that starts closes those to everybody else, and nobody is to read this.
    with tempfile.TemporaryDirectory(prefix="faultproxy-") as name:
        Path(name).chmod(0o755)
        file = Path(name) / "drops.toml"
        # Its server is to be started by somebody who may not reach our own Python.
        file.write_text(ECHO.partition("[[fault]]")[0].replace(sys.executable, python(ORDINARY)) + FAULT)
        yield file


def privileged() -> bool:
    return ORDINARY == "own" and not privileges.lacking()


@pytest.mark.skipif(privileged(), reason="this user has the capabilities")
def test_without_the_right_the_capability_and_three_ways_are_named() -> None:
    said = refused(program(ORDINARY, "run", *DROP))
    assert "packet faults need CAP_NET_ADMIN and CAP_NET_RAW in this network" in said
    for way in (
        "\n  - run as root",
        "sudo setcap cap_net_admin,cap_net_raw+ep ",
        "faultproxy sandbox -- COMMAND, or [sandbox] in the file",
    ):
        assert way in said


@pytest.mark.skipif(privileged(), reason="this user has the capabilities")
def test_a_capture_needs_it_too(tmp_path: Path) -> None:
    said = refused(program(ORDINARY, "run", "--upstream", "127.0.0.1:9", "--pcap", tmp_path / "run.pcapng"))
    assert said.startswith("faultproxy: --pcap: packet faults need CAP_NET_ADMIN")


@pytest.mark.skipif(privileged(), reason="this user has the capabilities")
def test_who_brings_his_server_gets_a_sandbox_and_is_told_in_one_line(scenario: Path) -> None:
    needs_sandbox()
    answer = asked(program(ORDINARY, "run", scenario, "--for", "300ms"))
    assert (answer.returncode, answer.stderr) == (0, "")
    (line,) = [line for line in answer.stdout.splitlines() if "sandbox" in line]
    assert line.startswith("in a sandbox, because it acts on packets and may not do so here: nobody outside can connect; join it with: ")


@in_sandbox
def test_a_number_that_is_taken_is_passed_over() -> None:
    with closing(Queue(NUMBERS.start)):
        answer = asked([*PROGRAM, "run", *DROP])
    assert (answer.returncode, answer.stderr) == (0, "")


@in_sandbox
def test_when_all_numbers_are_taken_it_says_so() -> None:
    with ExitStack() as taken:
        for number in NUMBERS:
            taken.enter_context(closing(Queue(number)))
        said = refused([*PROGRAM, "run", *DROP])
    between = f"from {NUMBERS.start} to {NUMBERS.stop - 1}"
    assert said == (
        f"faultproxy: packet faults cannot run here: all packet queues {between} are taken by other programs: end some of them\n"
    )


@in_sandbox
def test_the_firewall_of_somebody_else_is_named_by_the_doctor_and_stays_as_it_is() -> None:
    with netlink.connect(netlink.NETFILTER, "adding a table") as sock:
        request = nftables._Request("", nftables._NEW_TABLE, netlink.CREATE, netlink.text(1, "firewalld"))
        nftables._transact(sock, [request])
    assert asked([*PROGRAM, "run", *DROP]).returncode == 0
    said = asked([*PROGRAM, "doctor"]).stdout
    assert "Other packet rules are in this network: inet firewalld.\n" in said
    assert nftables.others() == ["inet firewalld"]


def without_proc(line: list[str]) -> list[str]:
    """The same where /proc is empty; skips the test where that cannot be brought about."""
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    if os.geteuid() or shutil.which("unshare") is None or subprocess.run([*hidden, "true"], capture_output=True, check=False).returncode:
        pytest.skip("/proc cannot be hidden here: only root can, with unshare(1)")
    return [*hidden, *line]


def test_without_proc_root_goes_on_and_a_user_is_told_what_is_missing(scenario: Path) -> None:
    assert asked(without_proc([*program("own", "run", *DROP)])).returncode == 0
    assert asked(without_proc([*program("own", "doctor")])).returncode == 0
    missing = "no /proc is mounted here, through which a user namespace is set up; as root: mount -t proc proc /proc"
    assert missing in refused(without_proc(program("nobody", "run", *DROP)))
    assert refused(without_proc(program("nobody", "run", scenario))) == f"faultproxy: no sandbox can be had here: {missing}\n"
    assert missing in asked(without_proc([*program("nobody", "doctor")])).stdout


FILTERED = "a filter of system calls (seccomp) forbids namespaces, as containers have it; start the container with --cap-add "


def filtered(line: list[str]) -> list[str]:
    if platform.machine() not in seccomp.NUMBERS:
        pytest.skip(f"the numbers of system calls on {platform.machine()} are not known to this test")
    return [sys.executable, str(Path(seccomp.__file__)), *line]


def test_under_a_filter_of_system_calls_the_container_is_named_and_what_it_needs(scenario: Path) -> None:
    user = program(ORDINARY)
    if privileged():
        pytest.skip("this user has the capabilities")
    assert FILTERED in refused(filtered([*user, "run", *DROP]))
    assert refused(filtered([*user, "run", str(scenario)])).startswith(f"faultproxy: no sandbox can be had here: {FILTERED}")
    assert refused(filtered([*user, "sandbox", "--", "true"])).startswith(f"faultproxy: no sandbox can be had here: {FILTERED}")
    doctor = asked(filtered([*user, "doctor"]))
    assert (doctor.returncode, FILTERED in doctor.stdout) == (0, True)


def test_who_has_every_right_and_is_refused_all_the_same_learns_of_the_filter() -> None:
    if privileges.lacking():
        pytest.skip("this user has not the capabilities")
    assert refused(filtered([*PROGRAM, "run", *DROP])).endswith(" (a filter of system calls, seccomp, may be what refuses it)\n")
