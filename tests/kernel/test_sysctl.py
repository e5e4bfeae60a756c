"""Kernel settings: real ones, in a sandbox where they are changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from faultproxy.errors import CapabilityError
from faultproxy.kernel import sandbox, sysctl

RETRIES = "net.ipv4.tcp_retries2"


def in_a_sandbox(name: str, value: str) -> str:
    """What comes of setting it, in words."""

    def body() -> str:
        try:
            sysctl.write(name, value)
        except CapabilityError as error:
            return f"refused: {error}"
        return f"{sysctl.read(name)}"

    refused, answer = sandbox.rehearse(body)
    if refused:
        pytest.skip(refused)
    return answer


def test_a_setting_is_read_with_single_blanks() -> None:
    ports = sysctl.read("net.ipv4.ip_local_port_range")
    assert ports is not None
    assert [port.isdigit() for port in ports.split(" ")] == [True, True]


def test_what_there_is_not_is_none() -> None:
    assert sysctl.read("net.ipv4.tcp_no_such_thing") is None
    assert not sysctl.writable("net.ipv4.tcp_no_such_thing")


@pytest.mark.parametrize("name", ["", "net", "net..ipv4", "../../etc.passwd", "net/ipv4/tcp_sack", "net.ipv4.tcp_sack\n"])
def test_no_name_leads_elsewhere(name: str) -> None:
    with pytest.raises(ValueError, match="is no name of a kernel setting"):
        sysctl.read(name)


def test_a_setting_is_set_in_a_sandbox_and_not_here() -> None:
    before = sysctl.read(RETRIES)
    assert in_a_sandbox(RETRIES, "4") == "4"
    assert in_a_sandbox("net.ipv4.ip_local_port_range", "40000 40019") == "40000 40019"
    assert sysctl.read(RETRIES) == before


def test_asking_whether_it_can_be_set_changes_nothing() -> None:
    refused, answer = sandbox.rehearse(lambda: f"{sysctl.read(RETRIES)} {sysctl.writable(RETRIES)} {sysctl.read(RETRIES)}")
    if refused:
        pytest.skip(refused)
    before, writable, after = answer.split()
    assert (writable, after) == ("True", before)


def test_a_refusal_names_the_setting_and_the_value() -> None:
    assert in_a_sandbox(RETRIES, "many").startswith(f"refused: the kernel does not take 'many' for {RETRIES}, which is '")
    assert "has no setting net.ipv4.tcp_no_such_thing" in in_a_sandbox("net.ipv4.tcp_no_such_thing", "1")


def test_without_proc_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysctl, "ROOT", tmp_path / "none")
    assert sysctl.read(RETRIES) is None
    with pytest.raises(CapabilityError, match="it needs Linux with /proc mounted"):
        sysctl.write(RETRIES, "3")
