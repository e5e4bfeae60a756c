"""What can be known of a connection from its segments."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultproxy.core.events import Tap
from faultproxy.core.header import Packet
from faultproxy.core.limits import GAPS
from faultproxy.core.track import KEEPALIVE, RETRANSMISSION, WINDOW_UPDATE, Leg, Way
from tests.core.packet_playbook import ISN, WSCALE_7, met

BASE = ISN["c2s"]


def marks(*segments: tuple[Any, ...]) -> list[int]:
    way = Way()
    return [way.see(met("from_client", *what)) for what in segments]


@given(
    isn=st.sampled_from([0, 5_000, 2**31 - 20, 2**31, 2**32 - 20, 2**32 - 1]),
    segments=st.lists(st.tuples(st.sampled_from(["", "S", "F"]), st.integers(0, 40), st.integers(0, 12)), max_size=40),
)
def test_a_resend_carries_something_that_was_seen(isn: int, segments: list[tuple[str, int, int]]) -> None:
    way, seen = Way(), {0}
    way.see(sent(isn, "S", 0, 0))
    for kind, at, size in segments:
        # A SYN is always the first number; one of another connection would begin it anew.
        numbers = set(range(at, at + size + 1)) if kind == "F" else {0} if kind == "S" else set(range(at, at + size))
        found = way.see(sent(isn, kind + ".", 0 if kind == "S" else at, 0 if kind == "S" else size))
        assert bool(found & RETRANSMISSION) == bool(numbers & seen)
        seen |= numbers
        assert way.top == (isn + max(seen) + 1) % 2**32


def sent(isn: int, flags: str, at: int, size: int) -> Packet:
    """A segment of a way with that ISN."""
    return met("from_client", flags, (isn - BASE + at) % 2**32, 0, bytes(size))


def test_swapped_on_the_way_is_no_resend() -> None:
    assert marks(("S",), ("P.", 11, 1, bytes(10)), ("P.", 1, 1, bytes(10)), ("P.", 6, 1, bytes(10))) == [0, 0, 0, RETRANSMISSION]


def test_the_numbers_wrap_round() -> None:
    assert marks(("S",), ("P.", 1, 1, bytes(1000)), ("P.", 1001, 1, bytes(10)), ("P.", 900, 1, bytes(10))) == [0, 0, 0, RETRANSMISSION]


def test_without_a_syn_it_begins_with_the_first() -> None:
    assert marks((".", 100, 1), ("P.", 100, 1, b"hello"), ("P.", 100, 1, b"hello")) == [0, 0, RETRANSMISSION]


@pytest.mark.parametrize(
    ("segment", "found"),
    [
        ((".", 5, 1), KEEPALIVE),
        (("P.", 5, 1, b"x"), KEEPALIVE | RETRANSMISSION),
        (("P.", 4, 1, b"xy"), RETRANSMISSION),
        ((".", 4, 1), 0),
        ((".", 6, 1), 0),
        (("F.", 5, 1), RETRANSMISSION),
        (("R", 5), 0),
    ],
)
def test_keep_alives(segment: tuple[Any, ...], found: int) -> None:
    assert marks(("S",), ("P.", 1, 1, b"hello"), segment) == [0, 0, found]


def test_window_updates() -> None:
    segments: list[tuple[int, Any, int]] = [
        (900, ("S",), 0),
        (500, (".", 1, 1), 0),
        (600, (".", 1, 1), WINDOW_UPDATE),
        (600, (".", 1, 1), 0),
        (900, (".", 1, 9), 0),
        (100, (".", 1, 9), 0),
        (200, ("P.", 1, 9, b"x"), 0),
        (900, ("R.", 2, 9), 0),
        (201, (".", 2, 9), WINDOW_UPDATE),
    ]
    way = Way()
    assert [way.see(met("from_client", *what, window=window)) for window, what, _ in segments] == [found for _, _, found in segments]


def test_what_is_remembered() -> None:
    way = Way()
    way.see(met("from_client", "S", options=WSCALE_7))
    last = met("from_client", "P.", 1, 9, b"hello", window=321)
    way.see(last)
    assert (way.isn, way.top, way.window, way.wscale, way.scales, way.last) == (BASE, BASE + 6, 321, 7, True, last)
    way.see(met("from_client", ".", 6, 4))
    assert way.acked == ISN["s2c"] + 9, "an acknowledgement that was overtaken takes nothing back"
    way.see(met("from_client", "R", 6, window=0))
    assert way.window == 500


def test_the_same_ports_again_are_another_connection() -> None:
    way = Way()
    segments: list[Any] = [("P.", 1, 9, b"hello"), ("S", 70_000), ("P.", 70_001, 1, b"hello")]
    for what in segments:
        assert way.see(met("from_client", *what)) == 0
    assert (way.isn, way.acked) == ((BASE + 70_000) % 2**32, ISN["s2c"] + 1)


def test_gaps_are_bounded_and_the_oldest_is_given_up() -> None:
    way = Way()
    way.see(met("from_client", "S"))
    for number in range(GAPS + 1):
        way.see(met("from_client", "P.", 2 + 2 * number, 1, b"x"))
    assert way.see(met("from_client", "P.", 1, 1, b"x")) == RETRANSMISSION
    assert way.see(met("from_client", "P.", 3, 1, b"x")) == 0


def test_a_scale_counts_if_both_have_offered_one() -> None:
    leg = Leg("from_client", "to_client")
    leg.ways["from_client"].see(met("from_client", "S", options=WSCALE_7))
    assert (leg.scale("from_client"), leg.scale("to_client")) == (7, 0)
    leg.ways["to_client"].see(met("to_client", "S.", 0, 1))
    assert leg.scale("from_client") == 0
    assert leg.opposite("to_client") is leg.ways["from_client"]


def test_which_rst_is_heeded() -> None:
    leg = Leg("c2s", "s2c")

    def see(at: Tap, *what: Any) -> None:
        leg.ways[at].see(met(at, *what))

    def heeded(at: Tap, seq: int, flags: str = "R", ack: int = 0) -> bool:
        return leg.heeds(at, met(at, flags, seq, ack))

    assert not heeded("s2c", 0, "R.", 1), "nothing has been asked yet"
    see("c2s", "S")
    assert heeded("s2c", -5000, "R.", 1), "refused: it acknowledges the SYN, whatever its own number"
    assert not heeded("s2c", -5000, "R.", 2)
    assert not heeded("s2c", 0)
    see("s2c", "S.", 0, 1)
    assert heeded("c2s", 1), "the client gives up in SYN_RECV"
    see("c2s", ".", 1, 1)
    see("c2s", "P.", 1, 1, b"hello")
    assert [number for number in range(12) if heeded("c2s", number)] == [1, 6], "acknowledged so far, and all that was sent"
    see("s2c", ".", 1, 6)
    assert [number for number in range(12) if heeded("c2s", number)] == [6]
    assert [number for number in range(12) if heeded("s2c", number)] == [1]
