"""`latency`, step by step."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from faultproxy.core.actions import Fired, Healed, Send, SendFin, Started
from faultproxy.faults.stream.latency import Latency
from tests.core.playbook import Playbook, fault


def test_bytes_and_the_fin_arrive_later_in_that_direction_only() -> None:
    book = Playbook(fault("latency", direction="c2s", delay="1s"))
    book.send(0.0, "c2s", b"one").send(0.5, "c2s", b"two").send(0.5, "s2c", b"answer").fin(0.5, "c2s").until(9.0)
    book.must(
        (0.0, Started("latency", "connection opened")),
        (0.5, Send("s2c", b"answer")),
        (1.0, Send("c2s", b"one")),
        (1.0, Fired("latency", "delayed", "c2s", 0, 3)),
        (1.5, Send("c2s", b"two")),
        (1.5, Fired("latency", "delayed", "c2s", 3, 3)),
        (1.5, SendFin("c2s")),
        (1.5, Fired("latency", "delayed the FIN", "c2s")),
    )


def test_healing_releases_at_once() -> None:
    book = Playbook(fault("latency", direction="c2s", delay="10s", lasts="1s")).send(0.0, "c2s", b"a").send(0.5, "c2s", b"b").until(2.0)
    book.must(
        (0.0, Started("latency", "connection opened")),
        (1.0, Healed("latency", "its time is over")),
        (1.0, Send("c2s", b"a")),
        (1.0, Send("c2s", b"b")),
    )


def test_a_rst_keeps_its_place() -> None:
    book = Playbook(fault("latency", direction="c2s", delay="1s")).send(0.0, "c2s", b"a").rst(0.2, "client").until(9.0)
    assert book.wire == [(1.0, "c2s", b"a"), (1.2, "c2s", "RST")]


def test_with_jitter_nothing_overtakes_and_each_stays_in_its_bounds() -> None:
    book = Playbook(fault("latency", direction="c2s", delay="100ms", jitter="50ms"))
    for n in range(50):
        book.send(n / 1000, "c2s", bytes([n]))
    writes = book.until(9.0).writes("c2s")
    assert b"".join(data for _, data in writes) == bytes(range(50))
    assert all(time - n / 1000 >= 0.05 for n, (time, _) in enumerate(writes))
    assert max(time - n / 1000 for n, (time, _) in enumerate(writes)) <= 0.2
    assert len({time for time, _ in writes}) > 3


def test_it_must_do_something() -> None:
    with pytest.raises(ValidationError, match="neither `delay` nor `jitter`"):
        Latency.model_validate({"kind": "latency", "delay": "0s"})
