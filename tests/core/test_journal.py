"""The journal of a small run, line by line."""

from __future__ import annotations

import json
from typing import Any

from faultproxy.core.events import Data, Eof, Hit
from faultproxy.core.journal import Header, Journal, snake
from faultproxy.core.plan import Dial, Peer, Sockets
from faultproxy.core.run import Run
from faultproxy.faults.stream.latency import Latency

SLOW = {"kind": "latency", "name": "slow", "direction": "c2s", "delay": "50ms", "on_match": "PING"}


def journal_of(start: float = 0.0, buffer: int = 64 * 1024) -> tuple[Run, Journal, list[str]]:
    written: list[str] = []
    journal = Journal(Header(7, [SLOW], "case", start=start, sockets=Sockets(client_rcvbuf=4096)), written.append, buffer=buffer)
    run = Run([Latency.model_validate(SLOW).plan()], 7, start, watch=journal)
    return run, journal, written


def entries(written: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in "".join(written).splitlines()]


def test_a_run_is_told_line_by_line_and_without_its_bytes() -> None:
    run, journal, written = journal_of(start=1000.0)
    run.open(1000.0)
    connection, _ = run.admit(Peer("127.0.0.1", 5000), 1000.5)
    assert connection is not None
    _, actions = connection.dial(Dial(), 1000.5)
    run.dial(connection, actions, 1000.5)
    run.handle(connection, Data("c2s", 0, b"PING secret", (Hit("slow", 4, "matched 'PING' in c2s"),)), 1001.0)
    run.handle(connection, Eof("c2s", 11), 1001.0)
    run.close(connection)
    journal.flush()

    assert "secret" not in "".join(written)
    assert entries(written) == [
        {
            "faultproxy.journal": 1,
            "seed": 7,
            "faults": [SLOW],
            "scenario": "case",
            "proxy": "",
            "program": "",
            "start": 1000.0,
            "sockets": {"client_rcvbuf": 4096, "client_sndbuf": None, "server_rcvbuf": None, "server_sndbuf": None},
        },
        {"time": 0.0, "connection": 0, "event": "open"},
        {"time": 0.5, "connection": 1, "event": "connect", "address": "127.0.0.1", "port": 5000},
        {"time": 0.5, "connection": 1, "event": "open"},
        {"time": 0.5, "connection": 1, "event": "dial"},
        {
            "time": 1.0,
            "connection": 1,
            "event": "data",
            "direction": "c2s",
            "offset": 0,
            "size": 11,
            "hits": [{"fault": "slow", "offset": 4, "why": "matched 'PING' in c2s"}],
            "actions": [{"do": "started", "fault": "slow", "why": "matched 'PING' in c2s", "offset": 4}],
        },
        {"time": 1.0, "connection": 1, "event": "eof", "direction": "c2s", "offset": 11},
        {"time": 1.0, "connection": 1, "event": "close"},
    ]


def test_a_connection_that_no_fault_concerns_is_told_when_it_knocks() -> None:
    run, journal, written = journal_of()
    connection, _ = run.admit(Peer("::1", 7, role="probe", name="healthy", number=1), 0.0)
    assert connection is None
    run.admit(Peer("::1", 8, role="probe", name="healthy", number=1), 1.0)
    journal.flush()
    knock = {"event": "connect", "address": "::1", "role": "probe", "name": "healthy", "number": 1}
    assert entries(written)[1:] == [
        {"time": 0.0, "connection": "healthy 1", "port": 7} | knock,
        {"time": 1.0, "connection": "healthy 1 (2)", "port": 8} | knock,
    ]


def test_a_question_that_changes_nothing_leaves_no_line() -> None:
    run, journal, written = journal_of()
    run.open(0.0)
    run.due(1.0)
    run.waiting(1.0)
    journal.flush()
    assert [entry["event"] for entry in entries(written)[1:]] == ["open"]


def test_the_header_waits_for_the_clock() -> None:
    written: list[str] = []
    start: list[float] = []
    journal = Journal(Header(1, []), written.append, clock=lambda: start[0])
    journal.flush()
    assert written == []
    start.append(1000.0)
    Run([], 1, 1000.0, watch=journal).open(1000.25)
    journal.flush()
    assert [entry.get("start", entry.get("time")) for entry in entries(written)] == [1000.0, 0.25]


def test_lines_are_kept_up_to_the_buffer_and_written_whole() -> None:
    run, _, written = journal_of(buffer=100)
    for port in range(20):
        run.admit(Peer("127.0.0.1", port), 0.1)
    assert 1 < len(written) < 40
    assert all(piece.endswith("}\n") for piece in written)


def test_each_line_names_its_proxy_where_there_are_several() -> None:
    written: list[str] = []
    journal = Journal(Header(1, [], proxy="db"), written.append, named=True)
    Run([], 1, 0.0, watch=journal).open(0.0)
    journal.flush()
    assert [entry["proxy"] for entry in entries(written)] == ["db", "db"]


def test_names_are_written_with_underscores() -> None:
    assert [snake(name) for name in ("Data", "PeerReset", "RunEnds")] == ["data", "peer_reset", "run_ends"]
