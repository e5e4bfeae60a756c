"""`inject`, step by step."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from faultproxy.core.actions import Fired, Healed, Send, Started
from faultproxy.faults.stream.inject import Inject
from tests.core.playbook import Playbook, fault


def test_bytes_stand_right_behind_those_that_started_it() -> None:
    book = Playbook(fault("inject", direction="s2c", payload={"hex": "ff 00"}, on_match="OK")).send(0.0, "s2c", b"LOGIN OK\r\nOK\r\n")
    book.must(
        (0.0, Send("s2c", b"LOGIN OK")),
        (0.0, Started("inject", "matched 'OK' in s2c", 8)),
        (0.0, Send("s2c", b"\xff\x00", injected=True)),
        (0.0, Fired("inject", "injected", "s2c", 8, 2)),
        (0.0, Send("s2c", b"\r\nOK\r\n")),
    )


def test_as_often_as_it_is_told() -> None:
    book = Playbook(fault("inject", direction="c2s", payload="!", on_match="ab", times=3)).send(0.0, "c2s", b"ab-ab-ab-ab")
    assert book.wire == [(0.0, "c2s", b"ab!-ab!-ab!-ab")]
    turns = [type(act) for _, act in book.log if isinstance(act, Started | Healed)]
    assert turns == [Started, Healed, Started, Healed, Started]


def test_every_needs_no_lasts() -> None:
    book = Playbook(fault("inject", direction="c2s", payload="!", at="1s", every="2s", times=3)).until(9.0)
    assert book.wire == [(1.0, "c2s", b"!"), (3.0, "c2s", b"!"), (5.0, "c2s", b"!")]
    late = Playbook(fault("inject", direction="c2s", payload="!", at="1s", every="2s"), opens=100.0).until(102.0)
    assert late.wire == [(101.0, "c2s", b"!")], "rounds that were before it are not made up for"


def test_behind_the_latency_above_it_it_waits_for_its_places() -> None:
    slow = fault("latency", direction="c2s", delay="1s")
    book = (
        Playbook(slow, fault("inject", direction="c2s", payload="!", on_match="a", times=2))
        .send(0.0, "c2s", b"xax")
        .send(0.5, "c2s", b"a")
        .until(9)
    )
    assert book.wire == [(1.0, "c2s", b"xa!x"), (1.5, "c2s", b"a!")]


def test_faults_below_it_treat_it_as_sent() -> None:
    book = Playbook(fault("inject", direction="c2s", payload="!!", after_bytes="2B"), fault("latency", direction="c2s", delay="1s"))
    assert book.send(0.0, "c2s", b"abcd").until(9.0).wire == [(1.0, "c2s", b"ab!!cd")]


def test_behind_a_fin_nothing_follows() -> None:
    book = Playbook(fault("inject", direction="both", payload="!", on_fin="client")).send(0.0, "s2c", b"a").fin(1.0, "c2s")
    assert book.wire == [(0.0, "s2c", b"a"), (1.0, "c2s", "FIN"), (1.0, "s2c", b"!")]
    with pytest.raises(ValidationError, match='did you mean direction = "s2c"'):
        Inject.model_validate({"kind": "inject", "payload": "!", "direction": "c2s", "on_fin": "client"})


def test_it_needs_something_to_inject() -> None:
    with pytest.raises(ValidationError, match="payload"):
        Inject.model_validate({"kind": "inject", "payload": ""})
