"""`hold_fin`, step by step."""

from __future__ import annotations

from faultproxy.core.actions import Fired, Healed, Send, SendFin, Started
from tests.core.playbook import Playbook, fault


def test_the_fin_is_withheld_and_data_flows_both_ways() -> None:
    book = (
        Playbook(fault("hold_fin", direction="c2s", lasts="6s"))
        .send(0.0, "c2s", b"bye")
        .fin(0.0, "c2s")
        .send(1.0, "s2c", b"pong")
        .until(9.0)
    )
    book.must(
        (0.0, Started("hold_fin", "connection opened")),
        (0.0, Send("c2s", b"bye")),
        (0.0, Fired("hold_fin", "held the FIN", "c2s")),
        (1.0, Send("s2c", b"pong")),
        (6.0, Healed("hold_fin", "its time is over")),
        (6.0, SendFin("c2s")),
    )


def test_bytes_need_not_be_shown_to_it() -> None:
    assert not Playbook(fault("hold_fin", direction="c2s")).connection.busy("c2s")


def test_a_rst_ends_it() -> None:
    book = Playbook(fault("hold_fin", direction="c2s")).fin(0.0, "c2s").rst(1.0, "client")
    assert book.wire == [(1.0, "c2s", "RST")]
    assert book.connection.over


def test_the_others_goodbye_closes_the_leg_that_has_both() -> None:
    book = Playbook(fault("hold_fin", direction="c2s", lasts="6s")).fin(0.0, "c2s").fin(1.0, "s2c").until(9.0)
    assert book.wire == [(1.0, "s2c", "FIN"), (1.0, "s2c", "close"), (6.0, "c2s", "FIN"), (6.0, "c2s", "close")]
