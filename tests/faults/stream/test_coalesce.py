"""`coalesce`, step by step."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from faultproxy.core.actions import Fired, Send, SendFin, Started
from faultproxy.core.plan import FaultPlan
from faultproxy.faults.stream.coalesce import Coalesce
from tests.core.playbook import Playbook, fault


def together(**keys: object) -> FaultPlan:
    return fault("coalesce", direction="c2s", size="10B", **keys)


def test_small_ones_wait_until_enough_have_come_together() -> None:
    book = Playbook(together(wait="5s")).send(0.0, "c2s", b"1234").send(1.0, "c2s", b"5678").send(2.0, "c2s", b"90ab").until(9.0)
    book.must(
        (0.0, Started("coalesce", "connection opened")),
        (2.0, Send("c2s", b"1234567890")),
        (2.0, Fired("coalesce", "coalesced", "c2s", 0, 10)),
        (7.0, Send("c2s", b"ab")),
        (7.0, Fired("coalesce", "coalesced", "c2s", 10, 2)),
    )


def test_the_first_waits_no_longer_than_that() -> None:
    book = Playbook(together()).send(0.0, "c2s", b"12").send(0.0625, "c2s", b"34").until(9.0)
    assert book.writes("c2s") == [(0.1, b"1234")]


def test_as_many_whole_lots_go_on_as_there_are() -> None:
    book = Playbook(together(wait="1s")).send(0.0, "c2s", bytes(25)).until(9.0)
    assert book.wire == [(0.0, "c2s", bytes(20)), (1.0, "c2s", bytes(5))]


def test_the_fin_and_a_rst_let_go() -> None:
    book = Playbook(together()).send(0.0, "c2s", b"12").fin(0.05, "c2s")
    book.must(
        (0.0, Started("coalesce", "connection opened")),
        (0.05, Send("c2s", b"12")),
        (0.05, Fired("coalesce", "coalesced", "c2s", 0, 2)),
        (0.05, SendFin("c2s")),
    )
    assert Playbook(together()).send(0.0, "c2s", b"12").rst(0.05, "client").wire == [(0.05, "c2s", b"12"), (0.05, "c2s", "RST")]


def test_what_did_not_wait_has_not_been_acted_on() -> None:
    assert Playbook(together()).send(0.0, "c2s", bytes(10)).until(9.0).fired("coalesce") == []


def test_it_must_be_able_to_fill() -> None:
    with pytest.raises(ValidationError, match="may be held"):
        Coalesce.model_validate({"kind": "coalesce", "size": "9MiB"})
