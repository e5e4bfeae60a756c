"""Whatever is done to the faults of open connections, those that keep bytes lose none, double none, and let none overtake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from faultproxy.core.actions import ResetLeg, Send, SendFin
from faultproxy.core.connection import Connection
from faultproxy.core.events import DIRECTIONS, Data, Dialled, Direction, Eof, Timer
from faultproxy.core.plan import Peer
from faultproxy.core.run import Outcome, Run
from faultproxy.faults.tables import fault

NAMES = ("a", "b", "c")
FIGURES: dict[str, tuple[dict[str, Any], ...]] = {
    "latency": ({"delay": "1s"}, {"delay": "2s", "jitter": "1s"}, {"delay": "10ms", "fin": False}, {"delay": "3s", "fin": False}),
    "bandwidth": ({"rate": "10B/s"}, {"rate": "7B/s", "burst": "5B"}, {"rate": "20B/s", "per": "proxy"}, {"rate": "5B/s", "per": "proxy"}),
    "slice": ({"size": "3B"}, {"size": "5B", "variation": "2B", "interval": "500ms"}, {"size": "2B", "interval": "1s"}),
    "coalesce": ({"size": "8B", "wait": "1s"}, {"size": "2B", "wait": "3s"}),
    "stall_reads": ({}, {"buffer": "4KiB"}),
    "hold_fin": ({}, {"hold": "1s"}, {"hold": "3s"}),
}
"""All kinds that keep every byte, in several forms each."""
WHEN: tuple[dict[str, Any], ...] = (
    *({},) * 10,
    {"manual": True},
    {"after_bytes": {"c2s": "20B"}},
    {"on_match": {"s2c": "x"}},
    {"at": "2s", "lasts": "1s", "every": "2s"},
    {"on_fin": "client", "direction": "s2c"},
    {"on_fault": "a"},
    {"on_heal": "b"},
)
WHOM: tuple[dict[str, Any], ...] = (*({},) * 6, {"connections": {"share": 0.5}}, {"connections": [1]})

kinds = st.sampled_from([(kind, figures) for kind, several in FIGURES.items() for figures in several])
tables = st.builds(
    lambda kind, when, whom, direction: {"kind": kind[0], "direction": direction} | kind[1] | when | whom,
    kinds,
    st.sampled_from(WHEN),
    st.sampled_from(WHOM),
    st.sampled_from(("both", "both", "c2s", "s2c")),
)
names = st.sampled_from(NAMES)
ways = st.tuples(st.integers(0, 1), st.sampled_from(DIRECTIONS))
steps = st.one_of(
    st.tuples(st.just("data"), ways, st.integers(1, 40)),
    st.tuples(st.just("data"), ways, st.integers(1, 40)),
    st.tuples(st.just("eof"), ways, st.just(0)),
    st.tuples(st.just("wait"), st.just(None), st.sampled_from((0.1, 0.5, 2.5))),
    st.tuples(st.just("add"), names, tables),
    st.tuples(st.just("figures"), names, st.integers(0, 3)),
    st.tuples(st.just("change"), names, tables),
    st.tuples(st.just("remove"), names, st.booleans()),
    st.tuples(st.just("order"), names, st.booleans()),
)


class Wire:
    """A run with two connections, and what has come out of each."""

    def __init__(self, plans: Sequence[dict[str, Any]]) -> None:
        self.tables = {str(table["name"]): table for table in plans}
        self.now = 0.0
        self.run = Run([fault(table).plan() for table in plans], 7, 0.0, tells_all=True)
        self.connections: list[Connection] = []
        self.sent: dict[tuple[int, Direction], bytes] = {}
        self.got: dict[tuple[int, Direction], bytes] = {}
        self.ended: set[tuple[int, Direction]] = set()
        self.finished: set[tuple[int, Direction]] = set()
        self.broken: list[object] = []
        self.take(self.run.open(0.0))
        for number in range(2):
            connection, outcome = self.run.admit(Peer(str(number)), 0.0)
            assert connection is not None
            self.connections.append(connection)
            for direction in DIRECTIONS:
                self.sent[number, direction] = self.got[number, direction] = b""
            self.take(outcome)
            self.take(self.run.handle(connection, Dialled("there"), 0.0))

    def take(self, outcome: Outcome) -> None:
        for connection, actions in outcome:
            number = self.connections.index(connection)
            for action in actions:
                if isinstance(action, Send):
                    assert (number, action.direction) not in self.finished
                    self.got[number, action.direction] += action.data
                elif isinstance(action, SendFin):
                    assert (number, action.direction) not in self.finished
                    self.finished.add((number, action.direction))
                elif isinstance(action, ResetLeg):
                    self.broken.append(action)

    def data(self, way: tuple[int, Direction], size: int) -> None:
        if way in self.ended:
            return
        number, direction = way
        connection, before = self.connections[number], len(self.sent[way])
        data = bytes(ord("a") + (before + index) % 26 for index in range(size))
        self.sent[way] += data
        hits = connection.scan(direction, before, data)
        self.take(self.run.handle(connection, Data(direction, before, data, hits), self.now))

    def eof(self, way: tuple[int, Direction], _: int) -> None:
        if way not in self.ended:
            self.ended.add(way)
            self.take(self.run.handle(self.connections[way[0]], Eof(way[1], len(self.sent[way])), self.now))

    def wait(self, _: None, seconds: float) -> None:
        until = self.now + seconds
        for _turn in range(5000):
            due = [(t, one) for one in self.connections if (t := one.deadline()) is not None and t <= until]
            if not due:
                break
            when, connection = min(due, key=lambda pair: pair[0])
            self.now = max(self.now, when)
            self.take(self.run.handle(connection, Timer(), self.now))
        else:
            raise AssertionError("it never rests")
        self.now = until

    def add(self, name: str, table: dict[str, Any]) -> None:
        if name not in self.tables:
            self.tables[name] = table | {"name": name}
            self.take(self.run.add(fault(self.tables[name]).plan(), {}, self.now))

    def figures(self, name: str, number: int) -> None:
        if name in self.tables:
            before = self.tables[name]
            several = FIGURES[before["kind"]]
            kept = {key: value for key, value in before.items() if not any(key in each for each in several)}
            self.change(name, kept | several[number % len(several)])

    def change(self, name: str, table: dict[str, Any]) -> None:
        if name in self.tables:
            try:
                self.take(self.run.change(fault(table | {"name": name}).plan(), {}, self.now))
            except ValueError:
                return
            self.tables[name] = table | {"name": name}

    def remove(self, name: str, drain: bool) -> None:
        if self.tables.pop(name, None) is not None:
            self.take(self.run.remove(name, "by hand", self.now, drain=drain))

    def order(self, name: str, heal: bool) -> None:
        if name in self.tables:
            self.take(self.run.order(name, heal, "by hand", self.now))


@settings(max_examples=150, deadline=None)
@given(st.lists(tables, min_size=1, max_size=3), st.lists(steps, min_size=5, max_size=30), st.sampled_from(("end", "drain", "heal")))
def test_nothing_is_lost_doubled_or_overtaken(first: list[dict[str, Any]], done: list[tuple[str, Any, Any]], last: str) -> None:
    wire = Wire([table | {"name": name} for name, table in zip(NAMES, first, strict=False)])
    for what, whom, figure in done:
        act: Callable[[Any, Any], None] = getattr(wire, what)
        act(whom, figure)
        for way, data in wire.got.items():
            assert wire.sent[way].startswith(data)
    if last == "end":
        wire.take(wire.run.end(wire.now))
    elif last == "heal":
        wire.take(wire.run.heal(wire.now))
    else:
        for name in list(wire.tables):
            wire.remove(name, drain=True)
        wire.wait(None, 1000.0)
    assert wire.got == wire.sent
    assert wire.finished == wire.ended
    assert wire.broken == []
    assert wire.run.budget.held == 0
