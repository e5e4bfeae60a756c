"""`faultproxy doctor`: right for whoever asks, and wherever."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from faultproxy.kernel import sandbox
from tests.live.users import USERS, environment, needs_sandbox, program, python

pytestmark = pytest.mark.live

G2 = (
    "tcp_rmem tcp_wmem tcp_mem tcp_max_syn_backlog tcp_fin_timeout tcp_tw_reuse tcp_retries1 tcp_retries2 tcp_syn_retries "
    "tcp_synack_retries tcp_orphan_retries tcp_keepalive_time tcp_keepalive_intvl tcp_keepalive_probes tcp_sack tcp_timestamps "
    "tcp_window_scaling tcp_syn_linear_timeouts tcp_rto_max_ms ip_local_port_range"
)
NAMES = {f"net.ipv4.{name}" for name in G2.split()} | {"net.core.somaxconn", "net.core.netdev_max_backlog", "open files"}
RIGHTS = ["right over this network", "packet queue", "packet rules", "raw sockets, IPv4", "raw sockets, IPv6", "marks on sockets"]


def ask(line: list[str]) -> str:
    asked = subprocess.run(line, capture_output=True, text=True, check=False, timeout=30, env=environment())
    assert (asked.returncode, asked.stderr) == (0, "")
    return asked.stdout


def found(line: list[str]) -> dict[str, Any]:
    findings: dict[str, Any] = json.loads(ask([*line, "--json"]))
    return findings


def worked(findings: dict[str, Any]) -> list[str]:
    return [each["name"] for each in findings["mechanisms"] if each["works"]]


def settings(findings: dict[str, Any]) -> dict[str, dict[str, str | None]]:
    return {each["name"]: each for each in findings["settings"]}


def test_root_has_every_right() -> None:
    if os.geteuid():
        pytest.skip("not root")
    findings = found(program("own", "doctor"))
    if "right over this network" not in worked(findings):
        pytest.skip("root without CAP_NET_ADMIN, as in a container")
    assert (findings["planes"]["packet"], findings["lacking"], findings["inside_sandbox"]) == ("here", "", False)
    assert set(RIGHTS) <= set(worked(findings))


def test_nobody_has_none_and_is_told_the_ways() -> None:
    findings = found(program("nobody", "doctor"))
    assert set(worked(findings)).isdisjoint(RIGHTS)
    assert {"socket diagnosis", "socket tables"} <= set(worked(findings))
    assert findings["planes"] == {
        "stream": "here",
        "connection": "here",
        "packet": "not" if findings["sandbox_lacks"] else "sandbox",
    }
    assert "There are three ways" in findings["lacking"]
    assert "There are three ways" in ask(program("nobody", "doctor"))


@pytest.mark.parametrize("user", USERS)
def test_in_a_sandbox_everybody_has_them(user: str) -> None:
    needs_sandbox()
    line = program(user, "sandbox", "--sysctl", "net.ipv4.tcp_keepalive_time=60", "--", python(user), "-m", "faultproxy", "doctor")
    findings = found(line)
    assert (findings["planes"]["packet"], findings["lacking"], findings["inside_sandbox"]) == ("here", "", True)
    assert set(RIGHTS) <= set(worked(findings))
    there = settings(findings)
    assert (
        there["net.ipv4.tcp_keepalive_time"]["means"] == "a dead peer is noticed after 12 min 15 s, if the program asked for SO_KEEPALIVE"
    )
    for name in ("net.ipv4.tcp_mem", "net.core.netdev_max_backlog"):
        assert (there[name]["value"], there[name]["settable"]) == (None, "the host's")
        assert there[name]["means"] == "belongs to the host, and is not shown in a sandbox"
    assert "What works, in this sandbox" in ask(line)


@pytest.mark.parametrize("user", USERS)
def test_every_tunable_is_there_with_what_it_means(user: str) -> None:
    there = settings(found(program(user, "doctor")))
    assert set(there) == NAMES
    for name, each in there.items():
        file = Path("/proc/sys", *name.split("."))
        if name != "open files" and sandbox.inside() is False:
            assert each["value"] == (" ".join(file.read_text().split()) if file.exists() else None)
        assert each["means"]
        owner = {"net.ipv4.tcp_mem": "the host's", "net.core.netdev_max_backlog": "the host's", "open files": "set by ulimit -n"}
        assert each["settable"] == owner.get(name, "yes")


def test_into_a_pipe_it_is_plain_text() -> None:
    said = ask(program("own", "doctor"))
    assert "\x1b" not in said
    for heading in ("What works", "What faults can be run", "What the kernel has been set to, and what that means here"):
        assert heading in said


def test_on_a_narrow_terminal_a_tunable_takes_two_lines() -> None:
    line = program("own", "doctor")
    asked = subprocess.run(line, capture_output=True, text=True, check=True, timeout=30, env=environment() | {"COLUMNS": "90"})
    lines = [each.rstrip() for each in asked.stdout.splitlines()]
    assert max(map(len, lines)) <= 90 or "There are three ways" in asked.stdout
    at = next(number for number, each in enumerate(lines) if each.startswith("  net.ipv4.tcp_fin_timeout  "))
    assert lines[at + 1].startswith("      a closed socket waits ")


@pytest.mark.parametrize("command", ["doctor", "sandbox"])
def test_there_is_help(command: str) -> None:
    assert ask(program("own", command, "--help")).startswith(f"Usage: faultproxy {command} ")
