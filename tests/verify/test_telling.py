"""What happened, told so that a crowd is one line."""

from __future__ import annotations

import pytest

from faultproxy.verify.telling import KEPT, Telling, named
from faultproxy.verify.world import Label


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([None], "the listener"),
        ([3], "connection 3"),
        ([1, 2, 4], "connections 1, 2 and 4"),
        (["healthy 1"], "healthy 1"),
        (["lurkers 1", "lurkers 2", "lurkers 3", "lurkers 4"], "lurkers 1, 2, 3 and 4"),
        ([f"lurkers {n}" for n in range(1, 101)], "lurkers 1, 2, 3 and 97 more"),
        (["lurkers 2", 1, "lurkers 2 (2)"], "lurkers 2 and 2 (2); connection 1"),
        (["edge 4"], "edge 4"),
    ],
)
def test_connections_in_a_few_words(labels: list[Label | None], words: str) -> None:
    assert named(labels) == words


def test_what_happens_to_all_at_one_moment_is_one_line_although_each_has_two() -> None:
    telling = Telling()
    for n in range(1, 11):
        telling.add(n / 1000, f"leavers {n}", "left started")
        telling.add(n / 1000, f"leavers {n}", "left half-closed")
    telling.add(2.0, None, "left healed (the run ends)")
    assert telling.lines() == (
        "    0.001 s  leavers 1, 2, 3 and 7 more: left started",
        "    0.001 s  leavers 1, 2, 3 and 7 more: left half-closed",
        "    2.000 s  the listener: left healed (the run ends)",
    )


def test_what_happens_later_is_another_line_and_what_happens_often_is_counted() -> None:
    telling = Telling()
    for time in (0.0, 0.05, 0.1, 1.0):
        telling.add(time, 1, "drip sliced")
    assert telling.lines() == ("    0.000 s  connection 1: drip sliced, 3 times", "    1.000 s  connection 1: drip sliced")


def test_only_so_much_is_kept() -> None:
    telling = Telling()
    for number in range(1000):
        telling.add(number, 1, "x")
    assert len(telling.lines()) == KEPT
    assert telling.lines()[-1].startswith("  999.000 s")
