"""Replaying what was recorded: it agrees, and where a line was changed, that line is named."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultproxy.core.connection import Connection
from faultproxy.core.events import DIRECTIONS, Data, Dialled, Direction, Eof, Event, Hit, PeerReset, Timer, Waiting
from faultproxy.core.journal import Header, Journal
from faultproxy.core.plan import Dial, Peer
from faultproxy.core.replay import replay
from faultproxy.core.run import Run
from faultproxy.errors import JournalError
from faultproxy.faults import KINDS
from faultproxy.faults.base import STARTS, Fault
from faultproxy.faults.tables import plans

FAULTS: list[dict[str, Any]] = [
    {"kind": "latency", "name": "jitter", "delay": "30ms", "jitter": "20ms", "connections": {"share": "50%"}},
    {"kind": "latency", "name": "flapping", "delay": "40ms", "at": "100ms", "lasts": "50ms", "every": "200ms"},
    {"kind": "latency", "name": "late", "delay": "10ms", "after_bytes": "100B", "connections": [1, 2, 4]},
    {"kind": "latency", "name": "chained", "delay": "5ms", "on_fault": "late", "lasts": "30ms", "connections": [3, 4]},
    {"kind": "latency", "name": "match", "delay": "1ms", "on_match": "x", "times": 3, "lasts": "10ms"},
    {"kind": "latency", "name": "hand", "delay": "7ms", "manual": True, "times": 4},
]


class Recorded:
    """A run that is driven by a test, and its journal."""

    def __init__(self, seed: int = 1, start: float = 12345.678, faults: Sequence[dict[str, Any]] = FAULTS) -> None:
        self.written: list[str] = []
        self.now = start
        self.journal = Journal(Header(seed, faults, start=start), self.written.append)
        self.run = Run(plans(faults), seed, start, watch=self.journal)
        self.open: list[Connection] = []
        self.offsets: dict[tuple[Connection, Direction], int] = {}
        self.run.open(start)

    def connect(self, number: int) -> None:
        connection, _ = self.run.admit(Peer("127.0.0.1", 1000 + number), self.now)
        if connection is None:
            return
        self.open.append(connection)
        _, actions = connection.dial(Dial(), self.now)
        self.run.dial(connection, actions, self.now)

    def tell(self, connection: Connection, event: Event) -> None:
        self.run.handle(connection, event, self.now)

    def data(self, connection: Connection, direction: Direction, size: int) -> None:
        offset = self.offsets.get((connection, direction), 0)
        self.offsets[connection, direction] = offset + size
        payload = (b"payloax" * size)[:size]
        hits: tuple[Hit, ...] = connection.scan(direction, offset, payload)
        self.tell(connection, Data(direction, offset, payload, hits))

    def listen(self) -> None:
        """What the listener has to be told: its timer, and that somebody waits."""
        if (deadline := self.run.deadline()) is not None and deadline <= self.now:
            self.run.due(self.now)
        self.run.waiting(self.now)

    def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        while due := [(t, c) for c in self.open if (t := c.deadline()) is not None and t <= until]:
            self.now, connection = min(due, key=lambda pair: pair[0])
            self.tell(connection, Timer())
        self.now = until

    def close(self, connection: Connection) -> None:
        self.open.remove(connection)
        self.run.close(connection)

    def lines(self) -> list[str]:
        self.journal.flush()
        return "".join(self.written).splitlines(keepends=True)


def drive(recorded: Recorded, steps: Sequence[tuple[int, int, float]]) -> None:
    """Does what the numbers say: which act, on which connection, how long after."""
    for act, pick, pause in steps:
        recorded.listen()
        if act == 0 or not recorded.open:
            recorded.connect(pick)
        elif act == 1:
            recorded.run.order(recorded.run.plans[-1].name, bool(pick % 2), "by hand", recorded.now)
        else:
            disturb(recorded, recorded.open[pick % len(recorded.open)], DIRECTIONS[pick % 2], act, pick)
        recorded.sleep(pause)


def disturb(recorded: Recorded, connection: Connection, direction: Direction, act: int, size: int) -> None:
    match act:
        case 2:
            recorded.data(connection, direction, 1 + size * 7)
        case 3:
            recorded.tell(connection, Eof(direction, recorded.offsets.get((connection, direction), 0)))
        case 4:
            recorded.tell(connection, PeerReset("client", "ECONNRESET"))
        case 5:
            recorded.tell(connection, Waiting(direction))
        case 6:
            recorded.tell(connection, Dialled("127.0.0.1:1"))
        case _:
            recorded.close(connection)


steps = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 30), st.sampled_from([0.0, 0.001, 0.0123, 0.07])), max_size=40)


@settings(max_examples=150, deadline=None)
@given(steps, st.integers(0, 5), st.booleans())
def test_whatever_happened_replays_alike(steps: list[tuple[int, int, float]], seed: int, ends: bool) -> None:
    recorded = Recorded(seed)
    drive(recorded, steps)
    if ends:
        recorded.run.end(recorded.now)
    lines = recorded.lines()
    result = replay(lines, plans)
    assert (result.difference, result.truncated, result.lines) == (None, False, len(lines))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.plane != "packet"], ids=lambda kind: kind.__name__)
@settings(max_examples=25, deadline=None)
@given(steps=steps, seed=st.integers(0, 5), start=st.sampled_from([{}, {"manual": True, "times": 3}, {"after_bytes": "40B", "times": 3}]))
def test_every_kind_replays_alike(kind: type[Fault], steps: list[tuple[int, int, float]], seed: int, start: dict[str, Any]) -> None:
    table = tomllib.loads(kind.example)
    try:
        fault = kind.model_validate({key: value for key, value in table.items() if not start or key not in STARTS} | start)
    except ValueError:  # that cannot start it
        fault = kind.model_validate(table)
    recorded = Recorded(seed, faults=[fault.table()])
    drive(recorded, steps)
    recorded.run.end(recorded.now)
    result = replay(recorded.lines(), plans)
    assert (result.difference, result.truncated) == (None, False)


STORY = [(0, 1, 0.01), (6, 0, 0.0), (2, 20, 0.05), (2, 21, 0.1), (0, 2, 0.0), (1, 0, 0.01), (2, 5, 0.2), (1, 1, 0.0), (3, 0, 0.1)]


def story() -> list[str]:
    recorded = Recorded()
    drive(recorded, STORY)
    recorded.run.end(recorded.now)
    return recorded.lines()


def test_what_was_compared_is_told() -> None:
    result = replay(story(), plans)
    assert (result.connections, result.headers[0].seed, result.difference) == (2, 1, None)
    assert result.decisions > 10


def test_a_changed_decision_is_named() -> None:
    lines = story()
    number, entry = next(
        (n, e) for n, line in enumerate(lines, 1) if (e := json.loads(line)).get("actions", [{}])[0].get("do") == "started"
    )
    wanted = entry["actions"][0]["fault"]
    entry["actions"][0]["fault"] = "somebody else"
    lines[number - 1] = json.dumps(entry) + "\n"
    difference = replay(lines, plans).difference
    assert difference is not None
    assert (difference.line, difference.time, difference.connection) == (number, entry["time"], entry["connection"])
    assert "somebody else" in difference.wanted
    assert wanted in difference.got
    assert f"line {number}, at " in str(difference)


def test_another_seed_decides_otherwise() -> None:
    header, *rest = story()
    assert replay([header.replace('"seed": 1', '"seed": 2'), *rest], plans).difference is not None


def test_a_missing_decision_is_named() -> None:
    lines = story()
    number = next(n for n, line in enumerate(lines, 1) if '"event": "open"' in line and '"connection": 1' in line)
    del lines[number - 1]
    difference = replay(lines, plans).difference
    assert difference is not None
    assert (difference.line, '"event": "open"' in difference.got) == (number, True)


def test_a_decision_out_of_nothing_is_named() -> None:
    lines = story()
    lines.append('{"time": 9.0, "connection": 1, "event": "order", "fault": "hand", "heal": false, "why": "forged"}\n')
    difference = replay(lines, plans).difference
    assert difference is not None
    assert (difference.line, difference.got) == (len(lines), "")


@pytest.mark.parametrize("kept", [0, 1, 20])
def test_a_journal_cut_off_in_its_last_line_is_replayed_as_far_as_it_goes(kept: int) -> None:
    lines = story()
    cut = [*lines[:-1], lines[-1][:kept]] if kept else lines[:-1]
    result = replay(cut, plans)
    assert (result.difference, result.truncated, result.lines) == (None, True, len(lines) - 1)


def test_remarks_between_the_lines_are_passed_over() -> None:
    header, *rest = story()
    result = replay([header, '{"event": "listening", "address": "127.0.0.1:1"}\n', *rest, '{"event": "summary"}\n'], plans)
    assert (result.difference, result.truncated) == (None, False)


def test_several_proxies_in_one_journal_are_replayed_apart() -> None:
    written: list[str] = []
    runs = []
    for name, start in (("a", 0.0), ("b", 5.0)):
        journal = Journal(Header(1, FAULTS, proxy=name, start=start), written.append, named=True, buffer=0)
        runs.append(Run(plans(FAULTS), 1, start, watch=journal))
    for port in range(4):
        for run in runs:
            run.admit(Peer("127.0.0.1", port), 5.0 + port)
    result = replay("".join(written).splitlines(keepends=True), plans)
    assert (result.difference, result.connections, len(result.headers)) == (None, 8, 2)


HEADER = '{"faultproxy.journal": 1, "seed": 1, "faults": [], "start": 0.0, "sockets": {}}\n'
CONNECT = '{"time": 0.0, "connection": 1, "event": "connect", "address": "", "port": 0}\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty: a journal has at least its header line"),
        ("\n", "line 1: this is no journal of faultproxy: an empty line"),
        ("GET / HTTP/1.1\n", "line 1: this is no journal of faultproxy: not JSON (Expecting value: line 1 column 1 (char 0))"),
        ("[1]\n", "line 1: this is no journal of faultproxy: not a JSON object"),
        ('{"a": 1}\n', "line 1: this is no journal of faultproxy: no header: a journal of faultproxy begins with one"),
        (
            '{"faultproxy.journal": 99}\n',
            "line 1: this is no journal of faultproxy: it has version 99 of the format, and this faultproxy reads 1: "
            "replay it with the one that wrote it",
        ),
        ('{"faultproxy.journal": 1}\n', "line 1: this is no journal of faultproxy: `sockets` is missing"),
        (HEADER + "garbage\n", "line 2: the journal is damaged here: not JSON (Expecting value: line 1 column 1 (char 0))"),
        (HEADER + '{"time": NaN}\n', "line 2: the journal is damaged here: not JSON (NaN is no number)"),
        (HEADER + '{"connection": 0}\n', "line 2: the journal is damaged here: `time` is missing"),
        (HEADER + '{"connection": 0, "time": 0, "event": "party"}\n', "line 2: the journal is damaged here: unknown event 'party'"),
        (
            HEADER + CONNECT + '{"connection": 1, "time": 0, "event": "timer"}\n',
            "line 3: the journal is damaged here: connection 1 was never opened, or no fault has to do with it",
        ),
        (
            HEADER + '{"connection": 0, "time": 0, "event": "order", "fault": "x", "heal": true, "why": ""}\n',
            "line 2: the journal is damaged here: the header has no fault 'x'",
        ),
    ],
)
def test_what_is_no_journal_is_refused_with_the_line(content: str, message: str) -> None:
    with pytest.raises(JournalError) as caught:
        replay(content.splitlines(keepends=True), plans)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('"direction": "up", "offset": 0, "size": 1', "`direction` must be c2s or s2c"),
        ('"direction": "c2s", "offset": -1, "size": 1', "`offset` is below zero"),
        ('"direction": "c2s", "offset": 0, "size": true', "`size` is True"),
        ('"direction": "c2s", "offset": 0, "size": 99999999', "`size` is 99999999, but no more than 262144 bytes are read at once"),
        ('"direction": "c2s", "offset": 0, "size": 1, "hits": [{"fault": "nobody"}]', "the header has no fault 'nobody'"),
        ('"direction": "c2s", "offset": 0, "size": 1, "hits": [3]', "`fault` is missing"),
    ],
)
def test_a_damaged_event_is_refused_with_what_is_wrong(keys: str, message: str) -> None:
    recorded = Recorded()
    recorded.connect(1)
    lines = [*recorded.lines(), f'{{"time": 0.1, "connection": 1, "event": "data", {keys}}}\n']
    with pytest.raises(JournalError, match="the journal is damaged here") as caught:
        replay(lines, plans)
    assert str(caught.value).endswith(message)
