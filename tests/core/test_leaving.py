"""Faults whose figures change in mid-work, and faults that are taken out while bytes wait in them."""

from __future__ import annotations

from typing import Any

import pytest

from faultproxy.core.leaving import Leaving
from faultproxy.core.plan import Peer
from faultproxy.core.run import Run
from faultproxy.core.stage import Chunk, Fin, Stage
from faultproxy.faults.tables import fault
from tests.core.test_add import SLOW, Book, book, run, said

Table = dict[str, Any]


def seen(played: Book) -> list[tuple[float, bytes | str]]:
    return [(round(time, 3), what) for time, _, what in played.wire]


def test_what_a_latency_holds_keeps_its_time_when_the_delay_changes() -> None:
    played = book().add(0.0, **SLOW)
    played.send(1.0, "c2s", b"old")
    played.change(1.3, **(SLOW | {"delay": "100ms"}))
    played.send(1.4, "c2s", b"new")
    played.until(3.0).send(3.0, "c2s", b"later").until(4.0)
    # The new one would be due at 1.5 s, and does not overtake.
    assert seen(played) == [(2.0, b"oldnew"), (3.1, b"later")]


def test_what_a_link_holds_goes_at_the_new_rate() -> None:
    link: Table = {"kind": "bandwidth", "name": "link", "rate": "1kB/s"}
    played = book().add(0.0, **link)
    played.send(0.0, "c2s", b"x" * 1000)
    played.change(0.5, **(link | {"rate": "100kB/s"})).until(0.52)
    assert sum(len(what) for _, what in seen(played)) == 1000


def test_a_stall_goes_on_stalling() -> None:
    deaf: Table = {"kind": "stall_reads", "name": "deaf", "direction": "c2s"}
    played = book().add(0.0, **deaf)
    played.change(1.0, **(deaf | {"buffer": "64KiB"}))
    assert (played.connection.active, played.run.stats[1].heals) == (("deaf",), 0)
    played.remove(2.0, "deaf").send(3.0, "c2s", b"x")
    assert seen(played) == [(3.0, b"x")]


def test_a_count_goes_on_counting() -> None:
    limit: Table = {"kind": "close", "name": "limit", "direction": "c2s", "allow": "10B"}
    played = book().add(0.0, **limit)
    played.send(1.0, "c2s", b"12345678")
    played.change(2.0, **(limit | {"allow": "12B"})).send(3.0, "c2s", b"9abcdef")
    assert seen(played) == [(1.0, b"12345678"), (3.0, b"9abc"), (3.0, "close")]


def test_a_fin_that_is_held_for_a_while_passes_at_its_time_whatever_changes() -> None:
    hold: Table = {"kind": "hold_fin", "name": "bye", "direction": "c2s", "hold": "2s"}
    played = book().add(0.0, **hold)
    played.fin(1.0, "c2s")
    played.change(2.0, **(hold | {"hold": "9s"})).until(5.0)
    assert seen(played) == [(3.0, "FIN")]


def test_a_fin_that_is_not_delayed_waits_for_the_bytes_before_it_only() -> None:
    played = book().add(0.0, **SLOW, fin=False)
    played.send(1.0, "c2s", b"x").fin(1.5, "c2s").until(5.0).fin(5.0, "s2c")
    assert played.wire[:3] == [(2.0, "c2s", b"x"), (2.0, "c2s", "FIN"), (5.0, "s2c", "FIN")]


def test_who_stays_chosen_is_not_drawn_again() -> None:
    made = run()
    shared: Table = SLOW | {"connections": {"share": "50%"}}
    made.add(fault(shared).plan(), shared, 0.0)
    links = [made.admit(Peer("127.0.0.1", 1), 0.0)[0] for _ in range(40)]

    def chosen() -> set[int]:
        return {link.ordinal for link in links if link is not None and "slow" in link.faults}

    half = chosen()
    assert 10 < len(half) < 30
    for share, other in (("50%", half), ("100%", set(range(1, 41)))):
        table = shared | {"connections": {"share": share}}
        made.change(fault(table).plan(), table, 1.0)
        assert chosen() == other
    less = shared | {"connections": {"share": "20%"}}
    assert {number for number, _ in said(made.change(fault(less).plan(), less, 2.0))} == set(range(1, 41)) - chosen()
    assert chosen() < half


@pytest.mark.parametrize("keys", [{"at": "1s"}, {"lasts": "2s"}, {"direction": "c2s"}])
def test_when_and_where_it_acts_is_not_changed(keys: Table) -> None:
    made = run()
    made.add(fault(SLOW).plan(), SLOW, 0.0)
    with pytest.raises(ValueError, match="remove it, and add it anew"):
        made.change(fault(SLOW | keys).plan(), SLOW | keys, 1.0)
    with pytest.raises(KeyError):
        made.change(fault(SLOW | {"name": "other"}).plan(), SLOW, 1.0)


def test_a_fault_of_the_listener_changes() -> None:
    made = Run([], 1, 0.0)
    queue: Table = {"kind": "accept_stall", "name": "queue", "backlog": 1}
    made.add(fault(queue).plan(), queue, 0.0)
    made.change(fault(queue | {"backlog": 5}).plan(), queue | {"backlog": 5}, 1.0)
    assert (made.listener.state.stalled, made.listener.state.backlog) == (True, 5)


def test_what_is_removed_softly_keeps_its_time_and_is_forgotten_then() -> None:
    played = book().add(0.0, **SLOW)
    played.send(1.0, "c2s", b"held")
    played.remove(1.3, "slow", drain=True)
    played.send(1.5, "c2s", b"behind").send(1.6, "s2c", b"free")
    assert (played.connection.held, played.connection.busy("c2s"), played.connection.busy("s2c")) == (10, True, False)
    epoch = played.connection.epoch
    played.send(2.5, "c2s", b"later")
    assert seen(played) == [(1.6, b"free"), (2.0, b"heldbehind"), (2.5, b"later")]
    assert (played.connection.held, played.connection.busy("c2s"), played.connection.epoch > epoch) == (0, False, True)


def test_a_fin_behind_what_is_leaving_stays_behind() -> None:
    played = book().add(0.0, **SLOW)
    played.send(1.0, "c2s", b"held")
    played.remove(1.3, "slow", drain=True)
    played.fin(1.4, "c2s").until(3.0)
    assert seen(played) == [(2.0, b"held"), (2.0, "FIN")]


def test_the_end_of_the_run_lets_go_what_is_leaving() -> None:
    played = book().add(0.0, **SLOW)
    played.send(1.0, "c2s", b"held")
    played.remove(1.3, "slow", drain=True).until(1.4)
    played._note(played.run.end(1.4))
    assert seen(played) == [(1.4, b"held")]


def test_what_has_no_time_is_let_go_at_once() -> None:
    held: Table = {"kind": "hold_fin", "name": "bye", "direction": "c2s"}
    played = book().add(0.0, **held)
    played.fin(1.0, "c2s")
    played.remove(2.0, "bye", drain=True)
    assert seen(played) == [(2.0, "FIN")]


def test_a_name_is_free_again_while_its_bytes_are_still_leaving() -> None:
    played = book().add(0.0, **SLOW)
    played.send(1.0, "c2s", b"one")
    played.remove(1.1, "slow", drain=True).add(1.2, **SLOW)
    played.send(1.3, "c2s", b"two").until(5.0)
    # The new one stands behind the old one, and so delays what that lets go at 2.0 by its own second.
    assert seen(played) == [(3.0, b"onetwo")]


def test_one_that_holds_nothing_lets_pass() -> None:
    stage = Leaving(Stage())
    chunk = Chunk(0, b"x")
    assert (stage.done, stage.chunk(chunk, 0.0), stage.fin(0.0), stage.deadline()) == (True, (chunk,), (Fin(),), None)
