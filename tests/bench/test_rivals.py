"""How the rivals are told of a fault, and who takes part."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.rivals import Direct, Fault, Faultproxy, Haproxy, Running, Socat, Toxiproxy

LATENCY = Fault(("c2s", "s2c"), delay=0.05, jitter=0.01)
BANDWIDTH = Fault(("s2c",), rate=1e6)


def test_a_fault_in_the_words_of_our_command_line() -> None:
    assert BANDWIDTH.for_faultproxy() == "bandwidth rate=1000kB/s direction=s2c"
    assert LATENCY.for_faultproxy() == "latency delay=50ms jitter=10ms direction=both"
    assert Fault(("c2s",), delay=0.05).for_faultproxy() == "latency delay=50ms direction=c2s"


def test_a_fault_as_toxics() -> None:
    assert list(BANDWIDTH.for_toxiproxy()) == [
        {"name": "s2c", "type": "bandwidth", "stream": "downstream", "attributes": {"rate": 1000}},
    ]
    assert list(LATENCY.for_toxiproxy()) == [
        {"name": "c2s", "type": "latency", "stream": "upstream", "attributes": {"latency": 50, "jitter": 10}},
        {"name": "s2c", "type": "latency", "stream": "downstream", "attributes": {"latency": 50, "jitter": 10}},
    ]


def test_who_has_no_faults_takes_no_part() -> None:
    assert Direct().missing(LATENCY) is None
    assert Socat().missing(LATENCY) in ("it has no faults", "socat is not installed")
    assert Haproxy().missing(LATENCY) in ("it has no faults", "haproxy is not installed")
    assert Faultproxy("relay {listen_port} {upstream_port}").missing(LATENCY) == "its command has no {fault}"
    assert Faultproxy("relay {listen_port} {upstream_port}").missing(None) is None
    assert Toxiproxy().missing(LATENCY) in (None, "toxiproxy-server is not installed")


def test_direct_is_the_upstream_itself(tmp_path: Path) -> None:
    with Direct().run(4711, None, tmp_path) as running:
        assert running == Running(4711, None)


@pytest.mark.live
def test_faultproxy_by_another_command(tmp_path: Path) -> None:
    with Faultproxy("python3 -m http.server --bind 127.0.0.1 {listen_port}").run(4711, None, tmp_path) as running:
        assert running.pid is not None
