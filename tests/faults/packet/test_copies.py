"""Segments that come twice, or in another order."""

from __future__ import annotations

import pytest

from faultproxy.core.actions import Inject, Lose, Pass
from faultproxy.faults.packet import duplicate, reorder
from tests.core.packet_playbook import play, segment

HI = segment("from_server", "P.", 1, 1, b"hi")


def test_copies_follow_the_original() -> None:
    book = play("duplicate", [(0.5, "from_server", "P.", 1, 1, b"hi")], direction="from_server", copies=2)
    assert book.done == [(0.5, Pass("from_server", 1)), (0.5, Inject("from_server", HI)), (0.5, Inject("from_server", HI))]
    assert book.fired == [(0.5, "duplicated a data segment, 2 bytes, 2 times")]


def test_copies_come_later() -> None:
    book = play("duplicate", [(0.5, "from_server", "P.", 1, 1, b"hi")], direction="from_server", delay="2s")
    assert book.done == [(0.5, Pass("from_server", 1)), (2.5, Inject("from_server", HI))]
    assert book.fired == [(0.5, "duplicated a data segment, 2 bytes, once, 2000.0 ms later")]


def test_healed_they_come_at_once() -> None:
    book = play("duplicate", [(0.5, "from_server", "P.", 1, 1, b"hi")], direction="from_server", delay="2s", heal=1.0)
    assert book.done == [(0.5, Pass("from_server", 1)), (1.0, Inject("from_server", HI))]


def test_copies_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicate, "PACKETS_HELD", 3)
    book = play("duplicate", [(0.0, "from_server", "P.", 1, 1, b"hi")] * 2, direction="from_server", delay="2s", copies=2)
    assert [time for time, action in book.done if isinstance(action, Inject)] == [2.0, 2.0]
    assert book.fired[-1] == (0.0, "did not duplicate a resent data segment, 2 bytes, 3 copies wait already")


def test_it_is_overtaken_by_as_many_others() -> None:
    segments = [(number / 100, "from_server", "P.", 1 + number, 1, b"x") for number in range(4)]
    book = play("reorder", segments, direction="from_server", segments="data", take=1, gap=2)
    assert book.done == [
        (0.01, Pass("from_server", 2)),
        (0.02, Pass("from_server", 3)),
        (0.02, Pass("from_server", 1)),
        (0.03, Pass("from_server", 4)),
    ]
    assert book.fired == [(0.0, "held a data segment, 1 byte, until 2 others passed")]


def test_others_are_of_the_same_sorts() -> None:
    segments = [(0.0, "from_server", "P.", 1, 1, b"x"), (0.01, "from_server", ".", 2, 1), (0.02, "from_server", "P.", 2, 1, b"x")]
    book = play("reorder", segments, direction="from_server", segments="data", take=1, gap=1)
    assert book.left("from_server") == [(0.01, 2), (0.02, 3), (0.02, 1)]


def test_it_waits_no_longer_than_it_may() -> None:
    book = play("reorder", [(0.0, "to_server", "P.", 1, 1, b"x")], direction="to_server", within="250ms")
    assert book.done == [(0.0, Lose("to_server", 1, held=True)), (0.25, Inject("to_server", segment("to_server", "P.", 1, 1, b"x")))]


def test_where_all_are_held_nobody_overtakes() -> None:
    segments = [(number / 100, "from_server", "P.", 1 + number, 1, b"x") for number in range(4)]
    book = play("reorder", segments, direction="from_server", within="1s", heal=0.5)
    assert book.done == [(0.5, Pass("from_server", ref)) for ref in (1, 2, 3, 4)]


def test_what_is_held_back_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reorder, "PACKETS_HELD", 1)
    book = play("reorder", [(0.0, "from_server", ".", 1, 1)] * 2, direction="from_server", within="1s")
    assert book.done == [(0.0, Lose("from_server", 2)), (1.0, Pass("from_server", 1))]
