"""`reset`, step by step."""

from __future__ import annotations

from faultproxy.core.actions import CloseLeg, Fired, Healed, ResetLeg, Send, SendFin, Started
from tests.core.playbook import Playbook, fault


def test_one_end_gets_a_rst_and_the_other_is_read_and_unanswered() -> None:
    book = Playbook(fault("reset", direction="s2c", after_bytes="4B")).send(0.0, "s2c", b"abcdef").send(1.0, "s2c", b"ghi").fin(5.0, "s2c")
    book.must(
        (0.0, Send("s2c", b"abcd")),
        (0.0, Started("reset", "4 bytes sent in s2c", 4)),
        (0.0, ResetLeg("client")),
        (0.0, Fired("reset", "reset", "s2c", 4)),
        (5.0, CloseLeg("server")),
        (5.0, Healed("reset", "the connection has ended", final=True)),
    )
    assert book.connection.over


def test_both_ends_at_once() -> None:
    book = Playbook(fault("reset", at="2s")).until(9.0)
    assert book.wire == [(2.0, "c2s", "RST"), (2.0, "s2c", "RST")]
    assert book.connection.over


def test_a_rst_behind_the_fin() -> None:
    book = Playbook(fault("reset", direction="c2s", on_fin="client")).send(0.0, "c2s", b"bye").fin(1.0, "c2s")
    book.must(
        (0.0, Send("c2s", b"bye")),
        (1.0, SendFin("c2s")),
        (1.0, Started("reset", "the client has sent its FIN")),
        (1.0, ResetLeg("server")),
        (1.0, Fired("reset", "reset", "c2s", 3)),
        (1.0, CloseLeg("client")),
        (1.0, Healed("reset", "the connection has ended", final=True)),
    )


def test_behind_latency_it_waits_for_its_place() -> None:
    book = Playbook(fault("latency", direction="s2c", delay="1s"), fault("reset", direction="s2c", after_bytes="2B"))
    assert book.send(0.0, "s2c", b"abcd").until(9.0).wire == [(1.0, "s2c", b"ab"), (1.0, "s2c", "RST")]


def test_before_latency_it_is_delayed_like_a_byte() -> None:
    book = Playbook(fault("reset", direction="s2c", after_bytes="2B"), fault("latency", direction="s2c", delay="1s"))
    assert book.send(0.0, "s2c", b"abcd").until(9.0).wire == [(1.0, "s2c", b"ab"), (1.0, "s2c", "RST")]


def test_whoever_opens_later_was_not_there() -> None:
    assert Playbook(fault("reset", at="2s"), opens=3.0).until(9.0).wire == []
