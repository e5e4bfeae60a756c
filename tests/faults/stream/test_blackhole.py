"""`blackhole`, step by step."""

from __future__ import annotations

import pytest

from faultproxy.core.actions import Fired, Healed, ResetLeg, Send, Started
from tests.core.playbook import Playbook, fault


def test_what_it_swallows_is_gone_and_healing_says_so_to_both_ends() -> None:
    book = Playbook(fault("blackhole", direction="s2c", after_bytes="3B", lasts="2s"))
    book.send(0.0, "s2c", b"abcdef").send(1.0, "c2s", b"free").until(9.0)
    book.must(
        (0.0, Send("s2c", b"abc")),
        (0.0, Started("blackhole", "3 bytes sent in s2c", 3)),
        (0.0, Fired("blackhole", "swallowed", "s2c", 3, 3)),
        (1.0, Send("c2s", b"free")),
        (2.0, Healed("blackhole", "its time is over")),
        (2.0, ResetLeg("client")),
        (2.0, ResetLeg("server")),
    )
    assert book.connection.over


def test_healed_before_it_has_swallowed_anything_it_leaves_no_trace() -> None:
    book = Playbook(fault("blackhole", direction="s2c", lasts="2s")).send(3.0, "s2c", b"abc")
    assert book.wire == [(3.0, "s2c", b"abc")]


def test_a_fin_is_swallowed_and_the_other_direction_lives() -> None:
    book = (
        Playbook(fault("blackhole", direction="c2s", lasts="5s")).fin(1.0, "c2s").send(2.0, "s2c", b"still here").fin(3.0, "s2c").until(9.0)
    )
    assert book.wire == [(2.0, "s2c", b"still here"), (3.0, "s2c", "FIN"), (3.0, "s2c", "close"), (5.0, "c2s", "RST")]
    assert book.fired("blackhole") == [(1.0, "swallowed the FIN", None, None)]


def test_a_rst_is_swallowed_too() -> None:
    book = Playbook(fault("blackhole", direction="c2s")).rst(1.0, "client").send(2.0, "s2c", b"to nobody").fin(3.0, "s2c").until(9.0)
    assert book.wire == [], "the server does not know"
    assert book.heal(9.0, "blackhole").wire == [(9.0, "c2s", "RST")]


def test_it_ends_both_legs_with_a_fin_where_it_is_told_so() -> None:
    book = Playbook(fault("blackhole", direction="s2c", lasts="2s", ends="close")).send(0.0, "s2c", b"abc").until(9.0)
    assert book.wire == [(2.0, "s2c", "close"), (2.0, "c2s", "close")]
    assert book.connection.over


@pytest.mark.parametrize(("ends", "end"), [("reset", "RST"), ("close", "close")])
def test_its_time_runs_from_its_start_whatever_comes(ends: str, end: str) -> None:
    book = Playbook(fault("blackhole", direction="c2s", ends=ends, ends_after="3s"))
    book.send(1.0, "c2s", b"abc").send(2.5, "s2c", b"an answer").until(9.0)
    assert sorted(book.wire) == sorted([(2.5, "s2c", b"an answer"), (3.0, "c2s", end), (3.0, "s2c", end)])
    assert book.fired("blackhole")[-1] == (3.0, "ended both legs", None, None)


def test_it_ends_what_is_idle_too_and_at_once_if_told_so() -> None:
    book = Playbook(fault("blackhole", direction="s2c", at="1s", ends_after="0s")).until(2.0)
    assert book.wire == [(1.0, "s2c", "RST"), (1.0, "c2s", "RST")]
