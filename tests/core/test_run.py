"""A run: who is chosen, what reaches from one connection to another, and what is counted."""

from __future__ import annotations

import itertools
from typing import Any

from faultproxy.core import events as ev
from faultproxy.core.actions import Healed, Pause, Send, Started
from faultproxy.core.connection import Connection
from faultproxy.core.plan import FaultPlan, Listening, Peer, Sockets
from faultproxy.core.run import Run
from tests.core.playbook import fault


def run_of(*plans: FaultPlan, seed: int = 1) -> Run:
    run = Run(plans, seed, 0.0)
    run.open(0.0)
    return run


def admit(run: Run, now: float = 0.0, **who: Any) -> Connection | None:
    peer = Peer("127.0.0.1", 1, **who) if "address" not in who else Peer(port=1, **who)
    return run.admit(peer, now)[0]


def chosen(run: Run, count: int = 10) -> list[int]:
    return [n for n in range(1, count + 1) if admit(run) is not None]


def slow(**keys: Any) -> FaultPlan:
    return fault("latency", **({"delay": "1s"} | keys))


def test_who_is_chosen() -> None:
    assert chosen(run_of(slow())) == list(range(1, 11))
    assert chosen(run_of(slow(connections=[1, 3]))) == [1, 3]
    assert chosen(run_of(slow(connections={"skip": 2, "step": 3, "take": 2}))) == [3, 6]
    assert chosen(run_of(slow(connections={"crowd": "players"}))) == []


def test_a_share_is_drawn_for_each_and_by_the_seed_alone() -> None:
    half = slow(connections={"share": 0.5})
    assert chosen(run_of(half), 40) == chosen(run_of(half), 40) != chosen(run_of(half, seed=2), 40)
    other = fault("flip", step=2, connections={"share": 0.5})
    run = run_of(half, other)
    both = [n for n in range(1, 41) if (one := admit(run)) is not None and "latency" in one.faults]
    assert both == chosen(run_of(half), 40), "another fault shifts nothing"


def test_members_of_a_crowd_go_by_their_own_number_in_whatever_order_they_come() -> None:
    def members(connections: dict[str, Any], order: list[int]) -> list[int]:
        run = run_of(slow(connections=connections))
        return sorted(n for n in order if admit(run, role="crowd", name="players", number=n) is not None)

    for keys in ({"skip": 6, "take": 1}, {"step": 4}, {"share": 0.5, "take": 3, "skip": 1}):
        crowd = {"crowd": "players"} | keys
        results = [members(crowd, list(order)) for order in (range(1, 13), range(12, 0, -1))]
        assert results[0] == results[1], keys
    assert members({"crowd": "players", "skip": 6, "take": 1}, [7, 7, 8]) == [7, 7], "who reconnects is still the same member"
    assert members({"crowd": "others"}, [1, 2]) == []


def test_probes_are_hit_only_if_they_are_named() -> None:
    probe: dict[str, Any] = {"role": "probe", "name": "healthy", "number": 1}
    assert admit(run_of(slow()), **probe) is None
    assert admit(run_of(slow(connections={"probe": "healthy"})), **probe) is not None
    assert admit(run_of(fault("refuse", on_match={"s2c": "OK"})), **probe) is None, "nor do they set off a fault of the listener"


def test_clients_are_chosen_by_where_they_come_from() -> None:
    run = run_of(slow(connections={"source": "10.0.0.0/8"}))
    came = ["10.1.2.3", "127.0.0.1", "::ffff:10.1.2.3", "fe80::1%eth0", ""]
    assert [admit(run, address=address) is not None for address in came] == [True, False, True, False, False]


def test_a_fault_started_by_hand_is_there_for_who_comes_later_while_it_lasts() -> None:
    run = run_of(slow(manual=True, lasts="10s", direction="c2s"))
    first, _ = run.admit(Peer(), 0.0)
    run.order("latency", heal=False, why="by hand", now=5.0)
    (later, outcome), (too_late, _) = run.admit(Peer(), 8.0), run.admit(Peer(), 15.0)
    assert first is not None
    assert later is not None
    assert too_late is not None
    assert outcome == [(later, [Started("latency", "by hand")])]
    assert (first.deadline(), later.deadline(), too_late.deadline()) == (15.0, 15.0, None)
    run.order("latency", heal=True, why="enough", now=16.0)
    after, _ = run.admit(Peer(), 17.0)
    assert after is not None
    assert after.active == ()


def test_a_chain_reaches_other_connections_where_the_fault_did_not_choose_this_one() -> None:
    run = run_of(
        slow(name="one", connections=[1], on_match="go", direction="c2s"), fault("stall_reads", connections=[2, 3], on_fault="one")
    )
    first, second, third = admit(run), admit(run), admit(run)
    assert first is not None
    outcome = run.handle(first, ev.Data("c2s", 0, b"go", first.scan("c2s", 0, b"go")), 1.0)
    assert [connection for connection, _ in outcome] == [first, second, third]
    assert outcome[1][1] == [Started("stall_reads", "one started"), Pause("c2s"), Pause("s2c")]


def test_a_chain_stays_in_its_connection_where_the_fault_chose_it() -> None:
    run = run_of(slow(name="one", on_match="go", direction="c2s"), fault("stall_reads", on_fault="one"))
    first, second = admit(run), admit(run)
    assert first is not None
    assert second is not None
    outcome = run.handle(first, ev.Data("c2s", 0, b"go", first.scan("c2s", 0, b"go")), 1.0)
    assert [connection for connection, _ in outcome] == [first]
    assert second.active == ()


def test_bytes_of_any_connection_set_off_a_fault_of_the_listener() -> None:
    run = run_of(fault("refuse", on_match={"s2c": "full"}, after="1s", lasts="5s"))
    connection = admit(run)
    assert connection is not None
    run.handle(connection, ev.Data("s2c", 0, b"full", connection.scan("s2c", 0, b"full")), 2.0)
    assert (run.listener.state, run.deadline()) == (Listening(), 3.0)
    run.due(3.0)
    assert (run.listener.state, run.deadline()) == (Listening(closed=True), 8.0)
    assert run.stats[0].starts == 1


def test_a_fault_of_the_listener_starts_one_of_connections_and_the_other_way_round() -> None:
    run = run_of(
        fault("refuse", at="1s", lasts="1s"),
        fault("stall_reads", on_heal="refuse", lasts="1s"),
        fault("accept_stall", on_heal="stall_reads"),
    )
    connection = admit(run)
    assert connection is not None
    run.due(1.0)
    run.due(2.0)
    assert connection.active == ("stall_reads",)
    run.handle(connection, ev.Timer(), 3.0)
    assert run.listener.active == ("accept_stall",)


def test_what_each_fault_has_done_is_counted() -> None:
    run = run_of(slow(lasts="1s", direction="c2s"), fault("flip", take=1, connections=[2]))
    connection = admit(run)
    assert connection is not None
    run.handle(connection, ev.Dialled(""), 0.0)
    run.handle(connection, ev.Data("c2s", 0, b"a"), 0.0)
    stats = run.stats[0]
    assert (stats.chosen, stats.starts, stats.where, stats.fired, stats.heals) == (1, 1, 1, 0, 0)
    assert [one.name for one in run.never_fired()] == ["latency", "flip"]
    run.handle(connection, ev.Timer(), 1.0)
    assert (stats.where, stats.heals) == (0, 1)


def test_the_count_of_places_is_right_for_one_that_starts_again_and_again() -> None:
    run = run_of(fault("inject", payload="!", every="1s", direction="c2s"))
    connection = admit(run)
    assert connection is not None
    for second in range(1, 5):
        run.handle(connection, ev.Timer(), float(second))
    assert (run.stats[0].starts, run.stats[0].where, run.stats[0].fired) == (5, 1, 5)


def test_the_end_heals_everything_and_starts_nothing() -> None:
    run = run_of(slow(direction="c2s"), fault("refuse", at="9s"), fault("stall_reads", on_heal="latency"))
    connection = admit(run)
    assert connection is not None
    run.handle(connection, ev.Dialled(""), 0.0)
    run.handle(connection, ev.Data("c2s", 0, b"a"), 0.0)
    outcome = run.end(0.5)
    assert outcome == [(connection, [Healed("latency", "the run ends", final=True), Send("c2s", b"a")])]
    assert (run.deadline(), connection.deadline(), run.budget.held) == (None, None, 0)


def test_buffers_that_everybody_is_to_have_are_set_on_the_listener() -> None:
    assert run_of(fault("stall_reads", direction="c2s", buffer="4KiB")).listener_sockets == Sockets(client_rcvbuf=4096)
    assert run_of(fault("stall_reads", direction="c2s", buffer="4KiB", connections=[1])).listener_sockets == Sockets()


def test_the_same_seed_and_the_same_events_give_the_same_decisions() -> None:
    plans = (slow(jitter="500ms", direction="c2s"), fault("flip", share=0.1, direction="c2s"))

    def decisions(seed: int) -> list[object]:
        run = run_of(*plans, seed=seed)
        told: list[object] = []
        for _, time in itertools.product(range(3), (0.0, 0.25)):
            connection = admit(run, time)
            assert connection is not None
            run.handle(connection, ev.Dialled(""), time)
            told += [actions for _, actions in run.handle(connection, ev.Data("c2s", 0, bytes(50)), time)]
            told.append([connection.deadline()])
        return told

    assert decisions(1) == decisions(1) != decisions(2)


def test_healed_by_hand_stays_healed_until_a_hand_starts_it() -> None:
    run = run_of(slow(name="a"), slow(name="b", on_match={"c2s": "GO"}))
    first = admit(run)
    assert first is not None
    assert list(first.active) == ["a"]
    run.order("a", True, "by hand", 1.0)
    run.order("b", True, "by hand", 1.0)
    second = admit(run, 2.0)
    assert second is not None
    assert [*first.active, *second.active] == []
    for connection in (first, second):
        run.handle(connection, ev.Data("c2s", 0, b"GO", connection.scan("c2s", 0, b"GO")), 3.0)
        assert list(connection.active) == []
    run.order("a", False, "by hand", 4.0)
    third = admit(run, 5.0)
    assert third is not None
    assert [connection.active for connection in (first, second, third)] == [("a",), ("a",), ("a",)]


def test_a_hand_starts_a_fault_that_has_had_its_times() -> None:
    run = run_of(slow(name="a", after_bytes="1B", lasts="1s"))
    connection = admit(run)
    assert connection is not None
    run.handle(connection, ev.Data("c2s", 0, b"x"), 1.0)
    run.handle(connection, ev.Timer(), 2.0)
    assert list(connection.active) == []
    run.order("a", False, "by hand", 3.0)
    assert list(connection.active) == ["a"]


def test_everything_heals_and_all_goes_on() -> None:
    run = run_of(slow(name="a"), fault("refuse"))
    first = admit(run)
    assert first is not None
    run.heal(1.0)
    assert (first.active, run.listener.state) == ((), Listening())
    second = admit(run, 2.0)
    assert second is not None
    assert (second.active, second.over) == ((), False)


def test_before_it_is_armed_nobody_is_chosen_or_counted() -> None:
    run = Run([slow(), fault("refuse")], 1, 0.0, armed=False)
    assert (admit(run), run.opened, run.listener.state) == (None, 0, Listening())
    run.arm(5.0)
    assert (run.clock_start, run.listener.state.closed) == (5.0, True)
    assert chosen(run, 1) == [1]
    assert run.opened == 1
