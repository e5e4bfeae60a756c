"""One connection: how it closes, what starts its faults, and what a fault leaves behind."""

from __future__ import annotations

import pytest

from faultproxy.core.actions import CloseLeg, Fired, Healed, Pause, ResetLeg, Resume, Send, SendFin, Started
from faultproxy.core.events import DialFailed, Dialled, PeerReset, RunEnds
from faultproxy.core.limits import HELD_PER_DIRECTION
from faultproxy.core.plan import Dial, FaultPlan, Sockets
from faultproxy.core.triggers import ALL
from tests.core.playbook import Playbook, fault


def idle(**keys: object) -> FaultPlan:
    """A fault that never starts: the connection is watched and nothing is done to it."""
    return fault("latency", name="idle", delay="1s", manual=True, **keys)


# ------------------------------------------------------------------ closing


def test_an_orderly_close_is_four_steps() -> None:
    book = Playbook(idle()).send(0.0, "c2s", b"GET").fin(1.0, "c2s").send(2.0, "s2c", b"answer").fin(3.0, "s2c")
    book.must(
        (0.0, Send("c2s", b"GET")),
        (1.0, SendFin("c2s")),
        (2.0, Send("s2c", b"answer")),
        (3.0, SendFin("s2c")),
        (3.0, CloseLeg("client")),
        (3.0, CloseLeg("server")),
    )
    assert (book.connection.over, book.connection.deadline()) == (True, None)


def test_a_rst_is_passed_on_as_a_rst() -> None:
    book = Playbook(idle()).rst(1.0, "server")
    book.must((1.0, ResetLeg("client")))
    assert book.connection.over
    book.rst(2.0, "client").must()


def test_a_rst_after_a_fin() -> None:
    Playbook(idle()).fin(1.0, "c2s").rst(2.0, "client").must((1.0, SendFin("c2s")), (2.0, ResetLeg("server")))


def test_what_a_dead_client_had_sent_still_arrives_before_the_rst() -> None:
    book = Playbook(fault("latency", delay="1s")).send(0.0, "c2s", b"last").send(0.0, "s2c", b"nowhere").rst(0.5, "client").until(9.0)
    assert book.wire == [(1.0, "c2s", b"last"), (1.5, "c2s", "RST")]
    assert book.connection.over


def test_an_upstream_that_cannot_be_had_is_a_rst_to_the_client() -> None:
    book = Playbook(idle(), dialled=False).happens(2.0, DialFailed("ECONNREFUSED"))
    book.must((2.0, ResetLeg("client")))
    assert book.connection.over


def test_an_upstream_that_cannot_be_had_behind_a_blackhole_is_silence() -> None:
    book = Playbook(fault("blackhole", direction="s2c", lasts="5s"), dialled=False).happens(2.0, DialFailed("timeout")).until(9.0)
    assert book.wire == [(5.0, "s2c", "RST")]


def test_what_is_to_be_sent_before_the_upstream_is_dialled_waits_for_it() -> None:
    book = Playbook(fault("inject", direction="c2s", payload="hello"), dialled=False)
    assert book.wire == []
    assert book.happens(3.0, Dialled("upstream")).wire == [(3.0, "c2s", b"hello")]


def test_a_client_that_leaves_before_that_ends_it() -> None:
    book = Playbook(idle(), dialled=False).rst(1.0, "client")
    assert (book.connection.over, book.wire) == (True, [])


def test_a_leg_that_a_fault_has_ended_leaves_the_other_open_until_its_peer_ends_it() -> None:
    book = Playbook(fault("close", direction="c2s", at="1s")).send(2.0, "c2s", b"into the void").fin(3.0, "c2s")
    assert book.wire == [(1.0, "c2s", "close"), (3.0, "s2c", "close")]
    assert book.connection.over


def test_an_orphan_still_gets_what_is_on_its_way() -> None:
    book = Playbook(fault("stall_reads", direction="s2c", lasts="5s"), fault("close", direction="c2s", at="2s"))
    book.send(1.0, "s2c", b"late").fin(3.0, "c2s").until(9.0)
    assert book.wire == [(2.0, "c2s", "close"), (5.0, "s2c", b"late"), (5.0, "s2c", "close")]


def test_nothing_is_told_or_done_after_the_end() -> None:
    book = Playbook(fault("latency", delay="1s", every="5s", lasts="1s")).rst(0.0, "client").rst(0.0, "server")
    assert book.connection.over
    assert (book.connection.handle(RunEnds(), 1.0), book.connection.active) == ([], ())


# ------------------------------------------------------- what starts a fault


def test_bytes_are_counted_and_matched_as_sent_before_any_fault() -> None:
    book = Playbook(
        fault("flip", direction="c2s", skip=0, mask=0x20),
        fault("latency", direction="c2s", delay="1s", on_match="ab", lasts="10s"),
    )
    assert book.send(0.0, "c2s", b"xxabyy").until(9.0).wire == [(0.0, "c2s", b"XXAB"), (1.0, "c2s", b"YY")]


def test_one_direction_starts_a_fault_in_the_other() -> None:
    book = Playbook(fault("stall_reads", direction="c2s", on_match={"s2c": "OK"}))
    book.send(0.0, "c2s", b"a").send(1.0, "s2c", b"OK go").must(
        (0.0, Send("c2s", b"a")),
        (1.0, Send("s2c", b"OK")),
        (1.0, Started("stall_reads", "matched 'OK' in s2c", 2)),
        (1.0, Send("s2c", b" go")),
        (1.0, Pause("c2s")),
    )


@pytest.mark.parametrize("size", [1, 2, 3, 5, 30])
def test_counts_and_matches_do_not_depend_on_how_bytes_were_cut(size: int) -> None:
    book = Playbook(
        fault("inject", name="count", direction="c2s", payload="#", after_bytes="7B", times=2),
        fault("inject", name="match", direction="c2s", payload="!", on_match="cd", times=9),
    )
    text = b"abcdefgabcdefgabcdefgcd"
    for at in range(0, len(text), size):
        book.send(0.0, "c2s", text[at : at + size])
    assert book.wire == [(0.0, "c2s", b"abcd!efg#abcd!efg#abcd!efgcd!")]


def test_after_bytes_counts_each_direction_for_itself() -> None:
    book = Playbook(fault("inject", payload="!", after_bytes="4B", times=2))
    book.send(0.0, "c2s", b"abcde").send(1.0, "s2c", b"ABCDE")
    assert book.writes("c2s") == [(0.0, b"abcd"), (0.0, b"!"), (0.0, b"e"), (1.0, b"!")]
    assert book.writes("s2c") == [(0.0, b"!"), (1.0, b"ABCD"), (1.0, b"!"), (1.0, b"E")]


def test_a_delay_after_what_starts_it() -> None:
    book = Playbook(fault("reset", direction="s2c", on_match={"c2s": "x"}, after="2s")).send(1.0, "c2s", b"x").until(9.0)
    assert book.wire == [(1.0, "c2s", b"x"), (3.0, "s2c", "RST")]


def test_a_chain_stays_in_the_connection_and_ends_with_it() -> None:
    book = Playbook(
        fault("latency", name="first", direction="c2s", delay="1s", on_match="go", lasts="2s"),
        fault("stall_reads", name="then", direction="s2c", on_heal="first", lasts="1s"),
        fault("reset", name="last", direction="s2c", on_heal="then"),
    )
    book.send(0.0, "c2s", b"go").until(9.0).rst(9.0, "server")
    decided = [(time, act.fault, type(act).__name__) for time, act in book.log if isinstance(act, Started | Healed)]
    assert decided == [
        (0.0, "first", "Started"),
        (2.0, "first", "Healed"),
        (2.0, "then", "Started"),
        (3.0, "then", "Healed"),
        (3.0, "last", "Started"),
        (9.0, "last", "Healed"),
    ]


def test_a_heal_because_the_run_ends_starts_nothing() -> None:
    book = (
        Playbook(fault("latency", delay="1s"), fault("reset", on_heal="latency")).send(0.0, "c2s", b"a").happens(0.5, RunEnds()).until(9.0)
    )
    assert book.wire == [(0.5, "c2s", b"a")]
    assert book.log[-2:] == [(0.5, Healed("latency", "the run ends", final=True)), (0.5, Send("c2s", b"a"))]


def test_when_the_run_ends_nothing_is_let_go_into_a_fault_that_ends_as_well() -> None:
    book = Playbook(fault("stall_reads", direction="c2s"), fault("blackhole", direction="c2s")).send(0.0, "c2s", b"held")
    assert book.happens(1.0, RunEnds()).wire == [(1.0, "c2s", b"held")]


def test_what_starts_at_one_moment_meets_what_starts_behind_it() -> None:
    both: tuple[dict[str, object], ...] = ({}, {"at": "1s"}, {"on_match": "go"}, {"on_fin": "server"})
    for start in both:
        book = Playbook(fault("inject", direction="c2s", payload="!", **start), fault("latency", direction="c2s", delay="1s", **start))
        book.send(1.0, "c2s", b"go").fin(1.0, "s2c").until(9.0)
        injected = [time for time, data in book.writes("c2s") if b"!" in data]
        assert injected == [1.0 if not start else 2.0], start


def test_several_stages_heal_in_order() -> None:
    book = Playbook(
        fault("latency", direction="c2s", delay="5s", lasts="1s"),
        fault("coalesce", direction="c2s", size="1KiB", wait="9s", lasts="2s"),
        fault("stall_reads", direction="c2s", lasts="3s"),
    )
    book.send(0.0, "c2s", b"ab").send(0.5, "c2s", b"cd").fin(0.5, "c2s").until(9.0)
    assert book.wire == [(3.0, "c2s", b"abcd"), (3.0, "c2s", "FIN")]


def test_windows_on_the_clock_for_who_opens_in_the_middle_and_again() -> None:
    flap = fault("stall_reads", direction="c2s", at="10s", lasts="2s", every="10s", times=3)
    book = Playbook(flap, opens=11.0).until(99.0)
    assert [(time, type(act).__name__) for time, act in book.log if isinstance(act, Pause | Resume)] == [
        (11.0, "Pause"),
        (12.0, "Resume"),
        (20.0, "Pause"),
        (22.0, "Resume"),
        (30.0, "Pause"),
        (32.0, "Resume"),
    ]


# ------------------------------------------------------- what is asked of it


def test_bytes_may_pass_unseen_until_something_is_to_be_decided() -> None:
    book = Playbook(fault("latency", direction="c2s", delay="1s", after_bytes="100B", lasts="2s", times=2))
    connection = book.connection
    assert (connection.quiet_until("c2s"), connection.quiet_until("s2c")) == (99, ALL)
    book.send(0.0, "c2s", bytes(150))
    assert (connection.quiet_until("c2s"), connection.busy("c2s"), connection.busy("s2c")) == (-1, True, False)
    book.until(5.0)
    assert connection.quiet_until("c2s") == 199
    book.send(5.0, "c2s", bytes(100)).until(9.0)
    assert (connection.quiet_until("c2s"), book.fired("latency")) == (ALL, [(1.0, "delayed", 100, 50), (6.0, "delayed", 200, 50)])


def test_a_search_must_see_every_byte_until_it_has_found() -> None:
    book = Playbook(fault("latency", direction="c2s", delay="1s", on_match={"s2c": "OK"}, lasts="1s"))
    assert (book.connection.quiet_until("s2c"), book.connection.quiet_until("c2s")) == (-1, ALL)
    book.send(0.0, "s2c", b"OK").until(5.0)
    assert book.connection.quiet_until("s2c") == ALL


def test_a_search_does_not_hide_a_count_in_the_same_direction() -> None:
    book = Playbook(fault("latency", delay="1s", on_match={"s2c": "OK"}), fault("reset", direction="c2s", after_bytes={"s2c": "9B"}))
    assert (book.connection.quiet_until("s2c"), book.connection.scan("s2c", 0, bytes(9)), book.connection.busy("s2c")) == (-1, (), True)


def test_held_bytes_are_counted_and_bounded() -> None:
    book = Playbook(fault("latency", direction="c2s", delay="1s"))
    book.send(0.0, "c2s", bytes(HELD_PER_DIRECTION - 1)).must((0.0, Started("latency", "connection opened")))
    book.send(0.0, "c2s", b"x").must((0.0, Pause("c2s")))
    assert (book.connection.held, book.run.budget.held) == (HELD_PER_DIRECTION, HELD_PER_DIRECTION)
    book.until(1.0)
    assert (book.connection.held, book.run.budget.held, book.log[-1]) == (0, 0, (1.0, Resume("c2s")))


def test_the_budget_is_given_back_by_a_connection_that_dies() -> None:
    book = Playbook(fault("stall_reads")).send(0.0, "c2s", bytes(5000)).rst(1.0, "server").rst(1.0, "client")
    assert (book.connection.over, book.run.budget.held, book.connection.held) == (True, 0, 0)


def test_buffers_and_the_dial_are_asked_of_every_fault_in_turn() -> None:
    book = Playbook(fault("stall_reads", direction="c2s", buffer="4KiB", manual=True), fault("connect_delay", delay="1s"), dialled=False)
    assert book.connection.sockets(Sockets(server_sndbuf=1)) == Sockets(client_rcvbuf=4096, server_sndbuf=1)
    assert book.connection.dial(Dial(), 0.0) == (Dial(1.0), [Fired("connect_delay", "dialled 1.000 s late")])
    assert (book.connection.faults, book.connection.active) == (frozenset({"stall_reads", "connect_delay"}), ("connect_delay",))


def test_an_order_starts_and_heals_as_often_as_it_is_given() -> None:
    book = Playbook(idle(direction="c2s"))
    for second in range(0, 30, 10):
        book.order(second, "idle").send(second, "c2s", b"x").heal(second + 0.5, "idle")
    assert [time for time, _ in book.writes("c2s")] == [0.5, 10.5, 20.5]


def test_a_peer_that_is_gone_is_told_of_once() -> None:
    book = Playbook(idle()).happens(0.0, PeerReset("client", "ECONNRESET")).happens(0.0, PeerReset("client", "EPIPE"))
    book.must((0.0, ResetLeg("server")))
