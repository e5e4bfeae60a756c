"""The cases of the packet plane: who takes part, and how their rounds are compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import packets, process
from bench.cases import Sample
from bench.packets import CASES, Counted, OnPort
from bench.process import BenchError
from bench.rivals import DEFAULT_COMMAND, Faultproxy, Rival, no_packets
from faultproxy.scenario import from_faults


def _measured() -> list[Faultproxy]:
    everybody = [rival for case in CASES if case.rivals is not None for rival in case.rivals(DEFAULT_COMMAND)]
    inner = [rival.rival if isinstance(rival, Counted) else rival for rival in everybody]
    return [rival for rival in inner if isinstance(rival, Faultproxy)]


@pytest.mark.parametrize("rival", _measured(), ids=lambda rival: rival.name)
def test_its_faults_are_ones_that_faultproxy_knows(rival: Faultproxy) -> None:
    assert len(from_faults(rival.segments, "127.0.0.1:0", "127.0.0.1:1").faults) == len(rival.segments)


def test_ten_rules_are_ten() -> None:
    assert {len(rival.segments) for rival in _measured() if rival.name == "ten"} == {10}


def test_what_a_packet_costs_beyond_the_relay() -> None:
    found: dict[str, Sample] = {
        "direct": {"packets": 0.0, "extra": 0.0},
        "relay": {"cpu": 50.0, "packets": 0.0, "extra": 0.0},
        "idle": {"cpu": 110.0, "packets": 4.0, "extra": 0.0},
    }
    packets._extra(found)
    assert {name: sample["extra"] for name, sample in found.items()} == {"direct": 0.0, "relay": 0.0, "idle": 15.0}


def test_without_the_relay_nothing_is_compared() -> None:
    found: dict[str, Sample] = {"idle": {"cpu": 110.0, "packets": 4.0, "extra": 0.0}}
    packets._extra(found)
    assert found["idle"]["extra"] == 0.0


def test_the_queue_of_a_process_is_found_among_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "nfnetlink_queue"
    table.write_text(
        "64000   4711     0 2   128     0     0      815  1\n64001   4712     0 2   128     0     0        7  1\n", encoding="ascii"
    )
    monkeypatch.setattr(process, "QUEUES", table)
    assert (process.queued(4711), process.queued(4712), process.queued(1)) == (815, 7, 0)


def test_who_may_not_count_takes_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "QUEUES", Path("/no/such/file"))
    why = "packets are counted in /no/such/file, which only the real root may read"
    assert Counted(Faultproxy()).missing(None) == why
    with pytest.raises(BenchError, match="/no/such/file cannot be read: No such file"):
        process.queued(1)


def _dropper(name: str) -> Rival:
    return next(rival for rival in packets._droppers(DEFAULT_COMMAND) if rival.name == name)


@pytest.mark.live
@pytest.mark.skipif(no_packets() is not None, reason="packets cannot be touched here")
@pytest.mark.parametrize("name", ["faultproxy", "scapy"])
def test_segments_of_a_port_are_judged(name: str, tmp_path: Path) -> None:
    rival = _dropper(name)
    if (missing := rival.missing(None)) is not None:
        pytest.skip(missing)
    port = process.free_port()
    with process.server(process.python("bench.load.echo", port), port, tmp_path / "echo.log"), rival.run(port, None, tmp_path) as running:
        assert running.pid is not None
        process.output(process.python("bench.load.many", port, 2, 64, 0.2), 10, tmp_path / "load.log")
        assert process.queued(running.pid) > 8


@pytest.mark.live
@pytest.mark.skipif(no_packets() is not None, reason="packets cannot be touched here")
def test_a_program_that_does_not_say_that_it_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "READY_WITHIN", 0.5)
    port = process.free_port()
    deaf = OnPort("deaf", ("bench.load.idle", "PORT", "1"), "never said")
    with (
        process.server(process.python("bench.load.echo", port), port, tmp_path / "echo.log"),
        pytest.raises(BenchError, match=r"deaf (has not begun after|ended|does not listen)"),
        deaf.run(port, None, tmp_path),
    ):
        pass
