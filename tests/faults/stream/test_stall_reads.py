"""`stall_reads`, step by step."""

from __future__ import annotations

import pytest

from faultproxy.core.actions import Fired, Healed, Pause, ResetLeg, Resume, Send, SendFin, Started
from faultproxy.core.events import Waiting
from faultproxy.core.plan import Sockets
from faultproxy.faults.stream.stall_reads import StallReads
from tests.core.playbook import Playbook, fault


def test_the_sender_is_not_read_until_it_heals() -> None:
    book = Playbook(fault("stall_reads", direction="s2c", at="1s", lasts="4s"))
    book.send(0.5, "s2c", b"a").happens(2.0, Waiting("s2c")).send(3.0, "c2s", b"free").until(6.0).send(6.0, "s2c", b"b")
    book.must(
        (0.5, Send("s2c", b"a")),
        (1.0, Started("stall_reads", "the clock")),
        (1.0, Pause("s2c")),
        (2.0, Fired("stall_reads", "left unread what has arrived", "s2c")),
        (3.0, Send("c2s", b"free")),
        (5.0, Healed("stall_reads", "its time is over")),
        (5.0, Resume("s2c")),
        (6.0, Send("s2c", b"b")),
    )


def test_what_was_read_already_is_held_with_the_fin() -> None:
    book = Playbook(fault("latency", direction="c2s", delay="1s"), fault("stall_reads", direction="c2s", on_match="b", lasts="5s"))
    book.send(0.0, "c2s", b"abc").fin(0.0, "c2s").until(9.0)
    assert book.wire == [(1.0, "c2s", b"ab"), (5.0, "c2s", b"c"), (5.0, "c2s", "FIN")]
    assert [(time, what) for time, what, _, _ in book.fired("stall_reads")] == [(1.0, "held"), (1.0, "held the FIN")]


def test_a_rst_is_not_held_and_discards_what_was_unread() -> None:
    book = Playbook(fault("stall_reads", direction="c2s")).send(0.0, "c2s", b"lost").rst(1.0, "client").until(9.0)
    assert book.wire == [(1.0, "c2s", "RST")]
    assert (1.0, ResetLeg("server")) in book.log


def test_the_other_end_can_still_say_goodbye() -> None:
    book = Playbook(fault("stall_reads", direction="c2s", lasts="5s")).fin(1.0, "s2c").send(2.0, "c2s", b"x").fin(5.5, "c2s").until(9.0)
    assert [act for _, act in book.log if isinstance(act, Send | SendFin)] == [SendFin("s2c"), Send("c2s", b"x"), SendFin("c2s")]


@pytest.mark.parametrize(
    ("direction", "sockets"),
    [
        ("c2s", Sockets(client_rcvbuf=4096)),
        ("s2c", Sockets(server_rcvbuf=4096)),
        ("both", Sockets(client_rcvbuf=4096, server_rcvbuf=4096)),
    ],
)
def test_the_senders_leg_gets_a_small_buffer(direction: str, sockets: Sockets) -> None:
    stall = StallReads.model_validate({"kind": "stall_reads", "direction": direction, "buffer": "4KiB"})
    assert stall.sockets(Sockets()) == sockets
    assert stall.sockets(Sockets(client_rcvbuf=1024, server_rcvbuf=1024)) == Sockets(client_rcvbuf=1024, server_rcvbuf=1024)
