"""`close`, step by step."""

from __future__ import annotations

from faultproxy.core.actions import CloseLeg, Fired, Healed, Send, Started
from tests.core.playbook import Playbook, fault


def test_one_leg_is_closed_and_the_other_left_to_its_peer() -> None:
    book = (
        Playbook(fault("close", direction="s2c", on_match="BYE")).send(0.0, "s2c", b"BYE and more").send(1.0, "s2c", b"x").fin(2.0, "s2c")
    )
    book.must(
        (0.0, Send("s2c", b"BYE")),
        (0.0, Started("close", "matched 'BYE' in s2c", 3)),
        (0.0, CloseLeg("client")),
        (0.0, Fired("close", "closed", "s2c", 3)),
        (2.0, CloseLeg("server")),
        (2.0, Healed("close", "the connection has ended", final=True)),
    )


def test_it_keeps_its_place_behind_bytes_that_are_held() -> None:
    book = Playbook(fault("close", direction="s2c", after_bytes="2B"), fault("latency", direction="s2c", delay="1s"))
    assert book.send(0.0, "s2c", b"abcd").until(9.0).wire == [(1.0, "s2c", b"ab"), (1.0, "s2c", "close")]


def test_what_the_closed_end_was_still_sending_arrives() -> None:
    book = Playbook(fault("latency", direction="c2s", delay="1s"), fault("close", direction="s2c", at="0.5s"))
    book.send(0.25, "c2s", b"last words").fin(0.75, "s2c").until(9.0)
    assert book.wire == [(0.5, "s2c", "close"), (1.25, "c2s", b"last words"), (1.25, "c2s", "close")]


def test_both_legs_close_behind_the_bytes_of_the_one_direction() -> None:
    book = Playbook(fault("close", direction="s2c", allow="3B", both_legs=True), fault("latency", direction="s2c", delay="1s"))
    book.send(0.0, "c2s", b"a question").send(0.0, "s2c", b"ab").send(0.5, "s2c", b"cdef").until(9.0)
    assert book.wire == [
        (0.0, "c2s", b"a question"),
        (1.0, "s2c", b"ab"),
        (1.5, "s2c", b"c"),
        (1.5, "s2c", "close"),
        (1.5, "c2s", "close"),
    ]
