"""Packet faults that are added to connections that are open, changed, and taken out again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultproxy.core.actions import Action, Change, Filter, Healed, Inject, Lose, Pass, Started
from faultproxy.core.connection import Connection
from faultproxy.core.events import Data, Dialled, Event, Noted, PeerReset, Seen, Standing, Tap, Timer
from faultproxy.core.header import Packet
from faultproxy.core.journal import Header, Journal
from faultproxy.core.mechanism import choose, means
from faultproxy.core.plan import Peer
from faultproxy.core.replay import Replay, replay
from faultproxy.core.run import Run
from faultproxy.core.shape import SHAPES
from faultproxy.faults.tables import fault, plans
from tests.core.packet_playbook import ISN, PacketPlaybook, segment
from tests.core.playbook import fault as plan_of

DROP = {"kind": "drop", "name": "lost", "direction": "from_client", "segments": "data"}
LATE = {"kind": "delay", "name": "late", "direction": "from_client", "delay": "1s"}
FILTERED = DROP | {"name": "filtered", "on_match": {"c2s": "GO"}, "lasts": "10s"}
FORGED = {"kind": "forge", "name": "forged", "direction": "to_client", "send": "RST"}

Verdict = Pass | Change | Lose


class Book:
    """A run with its journal and one connection, opened and dialled at 100 s."""

    def __init__(self, *tables: dict[str, Any], seed: int = 7) -> None:
        chosen = choose(plans(tables), filters=True)
        self.written: list[str] = []
        names = [plan.name for plan in chosen if plan.filtered]
        self.journal = Journal(Header(seed, tables, start=100.0, tells_all=True, filtered=names), self.written.append)
        self.run = Run(chosen, seed, 100.0, watch=self.journal, tells_all=True)
        self.run.open(100.0)
        self.refs = 0
        self.connection = self.connect(100.0)

    def connect(self, now: float) -> Connection:
        connection, _ = self.run.admit(Peer("127.0.0.1", 40_000), now)
        assert connection is not None
        self.run.handle(connection, Dialled("there"), now)
        return connection

    def add(self, now: float, table: dict[str, Any]) -> list[Action]:
        return _all(self.run.add(means(fault(table).plan(), self.run.plans, filters=True), table, now))

    def change(self, now: float, table: dict[str, Any]) -> list[Action]:
        return _all(self.run.change(means(fault(table).plan(), self.run.plans, filters=True), table, now))

    def remove(self, now: float, name: str) -> list[Action]:
        return _all(self.run.remove(name, "by hand", now))

    def tell(self, now: float, event: Event) -> list[Action]:
        return _all(self.run.handle(self.connection, event, now))

    def met(self, now: float, tap: Tap, flags: str, *what: Any, **keys: Any) -> list[Action]:
        """A segment; the verdicts only."""
        self.refs += 1
        packet = Packet(segment(tap, flags, *what, **keys), ref=self.refs, outbound=tap.startswith("to_"))
        side = self.connection.packets
        assert side is not None
        found = side.scan(tap, packet)
        return [each for each in self.tell(now, Seen(tap, packet, found, self.refs)) if isinstance(each, Verdict | Inject)]

    def replayed(self) -> Replay:
        self.journal.flush()
        result = replay("".join(self.written).splitlines(keepends=True), plans)
        assert (result.difference, result.truncated) == (None, False), result.difference
        return result


def _all(outcome: Sequence[tuple[Connection, list[Action]]]) -> list[Action]:
    return [action for _, actions in outcome for action in actions]


def stands(tap: Tap = "to_client", seq: int = 501, ack: int = 301, unacked: int | None = None) -> Standing:
    """A leg of which 500 bytes have been sent and 300 received."""
    ours, theirs = (ISN["s2c"], ISN["c2s"]) if tap == "to_client" else (ISN["c2s"], ISN["s2c"])
    packet = Packet(segment(tap, ".", seq, ack, window=200), outbound=True)
    una = (ours + (seq if unacked is None else unacked)) % 2**32
    return Standing(tap, packet, ours, theirs, una, 300, 7, 8)


def test_added_it_acts_on_what_comes_and_removed_it_is_forgotten() -> None:
    book = Book()
    assert book.connection.packets is None
    book.tell(101.0, Data("c2s", 0, b"x" * 300))
    assert book.add(102.0, DROP) == [Started("lost", "added", by="queue")]
    assert book.connection.packets is not None
    assert book.connection.packets.watched == {"from_client"}
    assert book.met(103.0, "from_client", "P.", 301, 501, b"mid") == [Lose("from_client", 1)]
    assert book.met(103.0, "from_client", ".", 304, 501) == [Pass("from_client", 2)]
    assert book.remove(104.0, "lost") == [Healed("lost", "by hand")]
    assert book.connection.packets is None
    assert book.replayed().decisions


def test_what_is_held_goes_on_in_order_when_the_fault_is_removed() -> None:
    book = Book()
    book.add(101.0, LATE)
    for number in range(3):
        assert book.met(101.1 + number / 10, "from_client", "P.", 1 + number, 1, b"x") == []
    assert book.connection.deadline() == 102.1
    assert book.remove(101.5, "late") == [Healed("late", "by hand"), *(Pass("from_client", ref) for ref in (1, 2, 3))]
    assert book.connection.deadline() is None
    book.replayed()


def test_what_is_held_keeps_its_time_when_the_figures_change() -> None:
    book = Book(LATE)
    book.met(101.0, "from_client", "P.", 1, 1, b"a")
    assert book.change(101.2, LATE | {"delay": "100ms"}) == []
    book.met(101.3, "from_client", "P.", 2, 1, b"b")
    assert [each for each in book.tell(101.5, Timer()) if isinstance(each, Pass)] == [Pass("from_client", 2)]
    assert [each for each in book.tell(102.1, Timer()) if isinstance(each, Pass)] == [Pass("from_client", 1)]
    with pytest.raises(ValueError, match="only its figures"):
        book.change(103.0, LATE | {"direction": "to_client"})
    book.replayed()


def test_faults_before_and_behind_go_on() -> None:
    book = Book(LATE | {"name": "first"}, LATE | {"name": "second"})
    book.met(101.0, "from_client", "P.", 1, 1, b"a")
    book.add(101.5, DROP)
    assert book.remove(101.5, "first")[0] == Healed("first", "by hand")
    assert book.connection.deadline() == 102.5
    assert Lose("from_client", 1) in book.tell(102.5, Timer())
    book.replayed()


def test_a_filter_needs_no_tap() -> None:
    book = Book()
    book.add(101.0, FILTERED)
    assert [plan.filtered for plan in book.run.plans] == [True]
    side = book.connection.packets
    assert side is not None
    assert side.watched == frozenset()
    assert Filter("filtered", "client", (SHAPES["data"],)) in book.tell(102.0, Data("c2s", 0, b"GO", book.connection.scan("c2s", 0, b"GO")))
    (change,) = book.change(102.5, FILTERED | {"segments": "any"})
    assert change == Filter("filtered", "client", (SHAPES["any"],))
    assert book.remove(103.0, "filtered") == [Healed("filtered", "by hand"), Filter("filtered", "client", ())]
    book.replayed()


def test_a_filter_makes_way_for_the_queue_where_another_fault_joins_its_tap() -> None:
    book = Book(FILTERED)
    book.tell(101.0, Data("c2s", 0, b"GO", book.connection.scan("c2s", 0, b"GO")))
    assert "filtered" in book.connection.active
    actions = book.add(102.0, LATE)
    assert actions[0] == Filter("filtered", "client", ())
    assert [plan.filtered for plan in book.run.plans] == [False, False]
    assert book.met(102.5, "from_client", "P.", 3, 1, b"x") == [Lose("from_client", 1)], "in file order: lost before it is delayed"
    assert book.connection.active == ("filtered", "late")
    book.replayed()


def test_a_filter_that_can_do_it_no_more_goes_to_the_queue_and_stays_active() -> None:
    book = Book(FILTERED)
    book.tell(101.0, Data("c2s", 0, b"GO", book.connection.scan("c2s", 0, b"GO")))
    assert book.change(102.0, FILTERED | {"step": 2}) == [Filter("filtered", "client", ())]
    assert book.connection.active == ("filtered",)
    assert book.met(103.0, "from_client", "P.", 3, 1, b"x") == [Lose("from_client", 1)]
    assert book.met(103.0, "from_client", "P.", 4, 1, b"x") == [Pass("from_client", 2)]
    assert book.change(104.0, FILTERED) == [Filter("filtered", "client", (SHAPES["data"],))]
    side = book.connection.packets
    assert side is not None
    assert side.watched == frozenset()
    book.replayed()


def test_the_kernel_tells_what_only_the_opening_has_shown() -> None:
    book = Book()
    book.add(101.0, FORGED)
    assert not [each for each in book.tell(101.0, Timer()) if isinstance(each, Inject)], "nobody knows any number yet"
    forged = [each.data for each in book.tell(101.1, stands(unacked=401)) if isinstance(each, Inject)]
    assert forged == [segment("to_client", "R", 501, window=200), segment("to_client", "R", 401, window=200)], "one of the two is expected"
    side = book.connection.packets
    assert side is not None
    assert (side.begun("to_client"), side.begun("from_client"), side.carried("to_client")) == (ISN["s2c"], ISN["c2s"], 500)
    book.replayed()


def test_windows_are_scaled_as_the_kernel_tells() -> None:
    book = Book()
    book.add(101.0, {"kind": "window", "name": "small", "direction": "to_client", "size": "1KiB"})
    book.tell(101.0, stands())
    (changed,) = book.met(102.0, "to_client", ".", 501, 301, window=500)
    assert isinstance(changed, Change)
    assert Packet(changed.data).window == 1024 >> 7
    book.replayed()


def test_what_starts_a_fault_on_its_way_out_passes_on_a_connection_that_was_open() -> None:
    book = Book()
    book.tell(100.5, Data("s2c", 0, b"x" * 500))
    book.add(101.0, {"kind": "drop", "name": "out", "direction": "to_client", "segments": "data", "on_match": {"s2c": "GO"}})
    book.tell(101.0, stands())
    book.tell(102.0, Data("s2c", 500, b"GO", book.connection.scan("s2c", 500, b"GO")))
    assert book.met(102.1, "to_client", "P.", 501, 301, b"GO") == [Pass("to_client", 1)]
    assert book.met(102.1, "to_client", "P.", 503, 301, b"on") == [Lose("to_client", 2)]
    book.replayed()


def test_where_no_kernel_tells_it_is_learnt_from_segments() -> None:
    book = Book()
    book.add(101.0, FORGED)
    assert book.met(102.0, "to_client", ".", 500, 301) == [Pass("to_client", 1)], "a keep-alive does not tell the next number"
    assert book.met(102.1, "from_client", ".", 301, 501, window=200) == [Pass("from_client", 2)]
    passed, *resets = book.met(102.2, "to_client", ".", 501, 301)
    assert passed == Pass("to_client", 3)
    assert [each.data for each in resets if isinstance(each, Inject)] == [segment("to_client", "R", 501, window=500)]
    book.replayed()


def test_what_was_known_of_a_tap_is_forgotten_while_nobody_looks() -> None:
    book = Book(DROP)
    book.met(100.1, "from_client", "S", 0)
    book.remove(101.0, "lost")
    book.add(200.0, FORGED | {"manual": True})
    side = book.connection.packets
    assert side is not None
    assert side.begun("from_client") is None


def test_a_forged_segment_is_not_sent_again_because_of_other_figures() -> None:
    book = Book()
    book.add(101.0, FORGED)
    assert len([each for each in book.tell(101.1, stands()) if isinstance(each, Inject)]) == 1
    assert book.change(102.0, FORGED | {"sequence": "blind"}) == []


@pytest.mark.parametrize(
    ("table", "arrivals", "change"),
    [
        ({"kind": "reorder", "gap": 2, "within": "1s", "take": 1}, [("from_client", "P.", 1, 1, b"a")], {"gap": 9}),
        ({"kind": "duplicate", "delay": "1s"}, [("from_client", "P.", 1, 1, b"a")], {"copies": 2}),
        ({"kind": "delay", "delay": "1s"}, [("from_client", "P.", 1, 1, b"a")], {"jitter": "1ms"}),
    ],
    ids=["reorder", "duplicate", "delay"],
)
def test_whatever_holds_keeps_what_it_holds(table: dict[str, Any], arrivals: list[tuple[Any, ...]], change: dict[str, Any]) -> None:
    changed = {"direction": "from_client", **table, **change}
    book = PacketPlaybook(plan_of(**{"direction": "from_client", **table}))
    for arrival in arrivals:
        book.push(0.5, *arrival)
    before = list(book.done)
    packet = plan_of(**changed).packet
    assert packet is not None
    chances = {("from_client", table["kind"]): lambda: 0.5}
    book.packets.change(table["kind"], packet, chances, 0.6)
    assert book.done == before, "nothing is let go early"
    book.until(1.5)
    assert len(book.done) == len(before) + 1


def test_a_window_that_was_made_smaller_is_told_as_it_is_once_it_heals() -> None:
    book = Book()
    table = {"kind": "window", "name": "shut", "direction": "to_client", "size": "0B"}
    book.add(101.0, table)
    book.tell(101.0, stands())
    book.met(102.0, "to_client", ".", 501, 301, window=500)
    assert book.change(103.0, table | {"size": "1KiB"}) == []
    (told,) = [each.data for each in book.remove(104.0, "shut") if isinstance(each, Inject)]
    assert Packet(told).window == 500


def test_an_acknowledgement_that_was_kept_back_is_sent_once_it_heals() -> None:
    book = Book()
    table = {"kind": "drop", "name": "deaf", "direction": "to_client", "segments": "ack"}
    book.add(101.0, table)
    book.tell(101.0, stands())
    assert book.met(102.0, "to_client", ".", 501, 311) == [Lose("to_client", 1)]
    assert book.change(103.0, table | {"share": "50%"}) == []
    (told,) = [each.data for each in book.remove(104.0, "deaf") if isinstance(each, Inject)]
    assert Packet(told).ack == (ISN["c2s"] + 311) % 2**32


COMING: list[dict[str, Any]] = [
    LATE | {"jitter": "300ms", "connections": {"share": "70%"}},
    DROP | {"share": "30%"},
    FILTERED | {"manual": None, "times": 3},
    {"kind": "reorder", "name": "swapped", "direction": ["from_client", "to_client"], "share": "30%", "within": "200ms"},
    {"kind": "duplicate", "name": "twice", "direction": "to_client", "share": "40%", "delay": "50ms"},
    FORGED | {"send": "FIN", "sequence": "blind"},
    {"kind": "latency", "name": "slow", "delay": "50ms"},
]
OTHERWISE: dict[str, dict[str, Any]] = {"late": {"delay": "20ms"}, "lost": {"share": "60%"}, "filtered": {"step": 2}, "swapped": {"gap": 1}}

moves = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30), st.sampled_from([0.0, 0.001, 0.03, 0.2])), max_size=50)


@settings(max_examples=200, deadline=None)
@given(moves)
def test_whatever_comes_and_goes_every_segment_gets_one_verdict_and_all_replays(steps: list[tuple[int, int, float]]) -> None:
    book = Book()
    tables = [{key: value for key, value in table.items() if value is not None} for table in COMING]
    now, sent, verdicts = 100.0, 0, []
    told: list[Action] = []
    for act, pick, pause in steps:
        there = [plan.name for plan in book.run.plans]
        table = tables[pick % len(tables)]
        if act < 2 and table["name"] not in there:
            told += book.add(now, table)
            told += book.tell(now, stands())
        elif act == 2 and there:
            told += book.remove(now, there[pick % len(there)])
        elif act == 3 and table["name"] in there:
            told += book.change(now, table | OTHERWISE.get(table["name"], {}))
        elif act == 4:
            told += book.tell(now, Data("c2s", sent, b"GO", book.connection.scan("c2s", sent, b"GO")))
            sent += 2
        elif act == 5 and book.connection.packets is not None:
            told += book.tell(now, Noted("from_client", Packet(segment("from_client", "P.", 301 + pick, 501, b"seen"))))
        elif book.connection.packets is not None:
            tap: Tap = "from_client" if pick % 2 else "to_client"
            told += book.met(now, tap, "P.", 500 + pick, 500 + pick, b"x" * pick)
        for _ in range(100):
            deadline = book.connection.deadline()
            if deadline is None or deadline > now + pause:
                break
            now = max(now, deadline)
            told += book.tell(now, Timer())
        now += pause
    told += _all(book.run.end(now))
    for side in ("client", "server"):
        told += book.tell(now, PeerReset(side, "ECONNRESET"))
    book.run.close(book.connection)
    verdicts = [each.ref for each in told if isinstance(each, Verdict)]
    assert sorted(verdicts) == list(range(1, book.refs + 1))
    book.replayed()


def test_a_rewinding_fault_sets_back_to_what_was_acknowledged_before_it_came() -> None:
    book = Book()
    book.add(101.0, {"kind": "drop", "name": "deaf", "direction": "to_client", "segments": "ack", "rewind": True})
    book.tell(101.0, stands(ack=301))
    (changed,) = book.met(102.0, "to_client", "P.", 501, 311, b"echo")
    assert isinstance(changed, Change)
    assert Packet(changed.data).ack == (ISN["c2s"] + 301) % 2**32
    book.replayed()
