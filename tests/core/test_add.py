"""Faults that are added while connections are open, and taken out again."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultproxy.core.actions import Fired, Healed, Pause, ResetLeg, Resume, Send, Started
from faultproxy.core.events import Data, Dialled, Order, PeerReset, Timer, Waiting
from faultproxy.core.journal import Header, Journal
from faultproxy.core.plan import Peer
from faultproxy.core.replay import replay
from faultproxy.core.run import Outcome, Run
from faultproxy.faults import KINDS
from faultproxy.faults.base import DirectedFault, Fault
from faultproxy.faults.tables import fault, plans
from tests.core.playbook import Playbook
from tests.core.test_replay import Recorded, drive

SLOW: dict[str, Any] = {"kind": "latency", "name": "slow", "delay": "1s"}
DEAF: dict[str, Any] = {"kind": "stall_reads", "name": "deaf", "direction": "c2s", "manual": True}
QUIET: dict[str, Any] = {"kind": "latency", "name": "quiet", "delay": "10ms", "manual": True}


class Book(Playbook):
    """A playbook in which faults come and go."""

    def add(self, time: float, **table: Any) -> Book:
        self.until(time)
        self._note(self.run.add(fault(table).plan(), table, time))
        return self

    def remove(self, time: float, name: str, *, drain: bool = False) -> Book:
        self.until(time)
        self._note(self.run.remove(name, "by hand", time, drain=drain))
        return self

    def change(self, time: float, **table: Any) -> Book:
        self.until(time)
        self._note(self.run.change(fault(table).plan(), table, time))
        return self


def book() -> Book:
    return Book(fault(QUIET).plan())


def run(tells_all: bool = True) -> Run:
    made = Run([], 1, 0.0, tells_all=tells_all)
    made.open(0.0)
    return made


def said(outcome: Outcome) -> list[tuple[int, str]]:
    return [(each.ordinal, type(action).__name__) for each, actions in outcome for action in actions]


def test_what_is_added_starts_on_an_open_connection_at_once() -> None:
    played = book()
    played.send(1.0, "c2s", b"before").must((1.0, Send("c2s", b"before")))
    played.add(2.0, **SLOW).must((2.0, Started("slow", "added")))
    played.send(3.0, "c2s", b"after").until(5.0)
    assert played.wire == [(1.0, "c2s", b"before"), (4.0, "c2s", b"after")]


def test_what_is_removed_lets_go_what_it_held_and_is_forgotten() -> None:
    played = book().add(1.0, **SLOW)
    played.send(2.0, "c2s", b"held")
    played.remove(2.5, "slow")
    played.send(3.0, "c2s", b"free")
    assert played.wire == [(2.5, "c2s", b"held"), (3.0, "c2s", b"free")]
    assert (played.connection.active, set(played.connection.faults)) == ((), {"quiet"})
    assert played.connection.deadline() is None


def test_a_name_is_free_again_once_its_fault_is_removed() -> None:
    played = book().add(1.0, **SLOW).remove(2.0, "slow").add(3.0, **(SLOW | {"delay": "3s"}))
    played.send(4.0, "s2c", b"x").until(9.0)
    assert played.wire == [(7.0, "s2c", b"x")]


def test_faults_before_and_behind_a_removed_one_go_on() -> None:
    played = book()
    played.order(0.0, "quiet")
    played.add(0.0, **SLOW).add(0.0, kind="latency", name="slower", delay="5s")
    played.send(1.0, "c2s", b"one")
    played.remove(3.0, "slow")
    played.send(3.0, "c2s", b"two").until(20.0)
    assert [(round(time, 3), way, data) for time, way, data in played.wire] == [(7.01, "c2s", b"one"), (8.01, "c2s", b"two")]


def test_an_order_starts_it_where_it_was_added() -> None:
    played = book().add(1.0, **DEAF)
    played.must()
    played.order(2.0, "deaf")
    played.must((2.0, Started("deaf", "by hand")), (2.0, Pause("c2s")))
    played.heal(3.0, "deaf")
    played.must((3.0, Healed("deaf", "by hand")), (3.0, Resume("c2s")))


def test_a_stall_that_starts_again_has_not_acted_before_something_waits_again() -> None:
    played = book().add(0.0, **DEAF)
    played.order(1.0, "deaf")
    played.happens(2.0, Waiting("c2s"))
    played.heal(3.0, "deaf")
    assert len(played.fired("deaf")) == 1
    # What had waited is read where nothing acts, and so without a word to the core.
    played.order(4.0, "deaf")
    assert len(played.fired("deaf")) == 1
    played.happens(5.0, Waiting("c2s"))
    assert len(played.fired("deaf")) == 2


def test_counts_and_matches_are_of_what_comes_from_now_on() -> None:
    played = book()
    played.send(1.0, "c2s", b"LOGIN" * 5).must((1.0, Send("c2s", b"LOGIN" * 5)))
    played.add(2.0, kind="reset", direction="s2c", on_match={"c2s": "LOGIN"}).must()
    played.send(3.0, "c2s", b"LOGIN").must(
        (3.0, Send("c2s", b"LOGIN")),
        (3.0, Started("reset", "matched 'LOGIN' in c2s", 30)),
        (3.0, ResetLeg("client")),
        (3.0, Fired("reset", "reset", "s2c", 0)),
    )


def test_a_moment_of_the_clock_that_is_over_is_not_made_up_for() -> None:
    played = book().add(5.0, **(SLOW | {"at": "1s", "lasts": "2s"}))
    played.until(10.0).must()
    played.add(10.0, **(SLOW | {"name": "later", "at": "11s", "lasts": "1s"})).until(20.0)
    assert [(time, type(act).__name__) for time, act in played.log[-2:]] == [(11.0, "Started"), (12.0, "Healed")]


def test_a_chain_reaches_what_was_added() -> None:
    played = book().add(1.0, kind="latency", name="next", delay="1s", on_fault="quiet")
    played.order(2.0, "quiet").must((2.0, Started("quiet", "by hand")), (2.0, Started("next", "quiet started")))


def test_all_that_are_open_are_chosen_in_their_order_and_those_to_come() -> None:
    made = run()
    for _ in range(3):
        made.admit(Peer("127.0.0.1", 1), 0.0)
    table = SLOW | {"connections": {"step": 2}}
    assert said(made.add(fault(table).plan(), table, 1.0)) == [(1, "Started"), (3, "Started")]
    assert said(made.admit(Peer("127.0.0.1", 1), 2.0)[1]) == []
    assert said(made.admit(Peer("127.0.0.1", 1), 2.0)[1]) == [(5, "Started")]
    assert said(made.remove("slow", "enough", 3.0)) == [(1, "Healed"), (3, "Healed"), (5, "Healed")]
    assert (made.stats, made.plans) == ([], ())
    assert said(made.admit(Peer("127.0.0.1", 1), 4.0)[1]) == []


def test_who_is_not_followed_is_not_concerned_until_it_comes_again() -> None:
    made = run(tells_all=False)
    assert made.admit(Peer("127.0.0.1", 1), 0.0)[0] is None
    assert said(made.add(fault(SLOW).plan(), SLOW, 1.0)) == []
    assert said(made.admit(Peer("127.0.0.1", 1), 2.0)[1]) == [(2, "Started")]


def test_probes_are_left_alone_unless_they_are_named() -> None:
    made = run()
    made.admit(Peer("127.0.0.1", 1, "probe", "healthy", 1), 0.0)
    assert said(made.add(fault(SLOW).plan(), SLOW, 1.0)) == []
    named = SLOW | {"name": "named", "connections": {"probe": "healthy"}}
    assert said(made.add(fault(named).plan(), named, 1.0)) == [(1, "Started")]


def test_a_fault_of_the_listener_comes_and_goes() -> None:
    made = run()
    table = {"kind": "refuse", "name": "down"}
    made.add(fault(table).plan(), table, 1.0)
    assert made.listener.state.closed
    made.remove("down", "by hand", 2.0)
    assert (made.listener.state.closed, made.listener.idle) == (False, True)


def test_bytes_of_an_open_connection_start_an_added_fault_of_the_listener() -> None:
    made = run()
    connection, _ = made.admit(Peer("127.0.0.1", 1), 0.0)
    assert connection is not None
    made.handle(connection, Dialled("upstream"), 0.0)
    table = {"kind": "refuse", "name": "down", "on_match": {"c2s": "QUIT"}}
    made.add(fault(table).plan(), table, 1.0)
    made.handle(connection, Data("c2s", 0, b"QUIT", connection.scan("c2s", 0, b"QUIT")), 2.0)
    assert made.listener.state.closed
    made.remove("down", "by hand", 3.0)
    assert (made.listener.state.closed, connection.scan("c2s", 4, b"QUIT")) == (False, ())


def test_what_cannot_be_added_or_removed_is_refused() -> None:
    made = run()
    made.add(fault(SLOW).plan(), SLOW, 0.0)
    with pytest.raises(ValueError, match="'slow' already"):
        made.add(fault(SLOW).plan(), SLOW, 0.0)
    with pytest.raises(KeyError):
        made.remove("fast", "by hand", 0.0)


def test_a_journal_with_faults_that_came_and_went_replays() -> None:
    written: list[str] = []
    journal = Journal(Header(7, [QUIET], start=100.0, tells_all=True), written.append)
    made = Run(plans([QUIET]), 7, 100.0, watch=journal, tells_all=True)
    made.open(100.0)
    connection, _ = made.admit(Peer("127.0.0.1", 1), 100.5)
    assert connection is not None
    made.handle(connection, Dialled("upstream"), 100.6)
    jitter = SLOW | {"jitter": "500ms", "connections": {"share": "80%"}}
    made.add(fault(jitter).plan(), jitter, 101.0)
    made.admit(Peer("127.0.0.1", 2), 101.5)
    made.handle(connection, Data("c2s", 0, b"one"), 102.0)
    made.handle(connection, Timer(), 103.9)
    made.order("slow", True, "by hand", 104.0)
    made.remove("slow", "by hand", 105.0)
    down = {"kind": "refuse", "name": "down"}
    made.add(fault(down).plan(), down, 106.0)
    made.end(107.0)
    made.close(connection)
    journal.flush()
    lines = "".join(written).splitlines(keepends=True)
    result = replay(lines, plans)
    assert (result.difference, result.truncated, result.lines) == (None, False, len(lines))
    events = [line.split('"event": "')[1].split('"')[0] for line in lines[1:]]
    assert events.count("add") >= 3
    assert events.count("remove") >= 2
    changed = [line.replace('"delay": "1s"', '"delay": "2s"') for line in lines]
    assert replay(changed, plans).difference is not None


def test_an_order_is_no_way_to_what_was_removed() -> None:
    made = run()
    made.add(fault(SLOW).plan(), SLOW, 0.0)
    connection, _ = made.admit(Peer("127.0.0.1", 1), 0.0)
    made.remove("slow", "by hand", 1.0)
    assert connection is not None
    assert made.handle(connection, Order("slow", False, "late"), 2.0) == [(connection, [])]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, DirectedFault)], ids=lambda kind: str(kind.__name__))
def test_added_before_the_first_byte_it_does_what_it_would_have_done_from_the_start(kind: type[Fault]) -> None:
    table = tomllib.loads(kind.example)
    from_start, added = Book(fault(QUIET).plan(), fault(table | {"name": "it"}).plan()), book().add(0.0, **table, name="it")
    for played in (from_start, added):
        for step in range(20):
            played.send(step / 10, "c2s", b"LOGIN OK PING\n" * 30)
            played.send(step / 10 + 0.05, "s2c", b"LOGIN OK PONG\n" * 40)
        played.fin(3.0, "c2s").fin(4.0, "s2c").until(60.0)
        played._note(played.run.end(60.0))
    assert added.wire == from_start.wire
    assert added.fired("it") == from_start.fired("it")


moves = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 30), st.sampled_from([0.0, 0.001, 0.0123, 0.07])), max_size=40)
COMING: list[dict[str, Any]] = [
    {"kind": "latency", "name": "a", "delay": "20ms", "jitter": "9ms", "connections": {"share": "50%"}},
    {"kind": "stall_reads", "name": "b", "direction": "c2s", "lasts": "30ms", "every": "90ms"},
    {"kind": "bandwidth", "name": "c", "rate": "9kB/s", "per": "proxy", "on_fault": "a"},
    {"kind": "blackhole", "name": "d", "direction": "s2c", "after_bytes": "300B"},
    {"kind": "refuse", "name": "e", "on_match": "x", "lasts": "50ms"},
]
OTHERWISE: dict[str, dict[str, Any]] = {"a": {"delay": "5ms", "connections": {"share": "70%"}}, "c": {"rate": "50kB/s"}}


@settings(max_examples=150, deadline=None)
@given(moves)
def test_whatever_comes_and_goes_replays_and_holds_nothing_in_the_end(steps: list[tuple[int, int, float]]) -> None:
    recorded = Recorded()
    run = recorded.run
    for act, pick, pause in steps:
        there = [plan.name for plan in run.plans]
        table = COMING[pick % len(COMING)]
        if act < 2 and table["name"] not in there:
            run.add(fault(table).plan(), table, recorded.now)
            recorded.sleep(pause)
        elif act == 8 and table["name"] in there:
            other = table | OTHERWISE.get(table["name"], {})
            run.change(fault(other).plan(), other, recorded.now)
            recorded.sleep(pause)
        elif act == 2 and there:
            run.remove(there[pick % len(there)], "by hand", recorded.now)
            recorded.sleep(pause)
        elif there:
            drive(recorded, [(max(0, act - 3), pick, pause)])
    run.end(recorded.now)
    for connection in [*recorded.open]:
        recorded.tell(connection, PeerReset("client", "ECONNRESET"))
        recorded.tell(connection, PeerReset("server", "ECONNRESET"))
        recorded.close(connection)
    lines = recorded.lines()
    result = replay(lines, plans)
    assert (result.difference, result.truncated) == (None, False), result.difference
    assert run.budget.held == 0
