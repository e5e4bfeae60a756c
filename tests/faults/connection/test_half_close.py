"""`half_close`, step by step."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from faultproxy.core.actions import CloseLeg, Fired, Healed, Send, SendFin, Started
from faultproxy.faults.connection.half_close import HalfClose
from tests.core.playbook import Playbook, fault


def test_one_direction_ends_and_the_other_lives_on() -> None:
    book = Playbook(fault("half_close", direction="c2s", after_bytes="3B"))
    book.send(0.0, "c2s", b"abcdef").send(1.0, "s2c", b"answer").send(2.0, "c2s", b"lost").fin(3.0, "s2c").fin(4.0, "c2s")
    book.must(
        (0.0, Send("c2s", b"abc")),
        (0.0, Started("half_close", "3 bytes sent in c2s", 3)),
        (0.0, SendFin("c2s")),
        (0.0, Fired("half_close", "half-closed", "c2s", 3)),
        (1.0, Send("s2c", b"answer")),
        (3.0, SendFin("s2c")),
        (3.0, CloseLeg("server")),
        (4.0, CloseLeg("client")),
        (4.0, Healed("half_close", "the connection has ended", final=True)),
    )


def test_healing_does_not_bring_the_bytes_back() -> None:
    book = Playbook(fault("half_close", direction="c2s", lasts="1s"), fault("latency", direction="c2s", delay="1s"))
    assert book.send(2.0, "c2s", b"lost").until(9.0).wire == [(1.0, "c2s", "FIN")]
    assert book.fired("latency") == [(1.0, "delayed the FIN", None, None)]


def test_a_second_fin_means_nothing() -> None:
    with pytest.raises(ValidationError, match="nothing is left for it to act on"):
        HalfClose.model_validate({"kind": "half_close", "direction": "s2c", "on_fin": "server"})
