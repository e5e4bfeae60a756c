"""Who is chosen of those that come; `test_run.py` has the same from the side of a run."""

from __future__ import annotations

from faultproxy.core.chooser import Chooser
from faultproxy.core.match import Count
from faultproxy.core.plan import Peer, Selection


def outsiders(selection: Selection, count: int = 40, seed: int = 1, name: str = "cut") -> list[int]:
    chooser = Chooser(selection, seed, name)
    return [n for n in range(1, count + 1) if chooser.chooses(Peer("127.0.0.1", n), n)]


def test_outsiders_are_counted_as_they_come() -> None:
    assert outsiders(Selection(), 4) == [1, 2, 3, 4]
    assert outsiders(Selection(frozenset({2, 9})), 4) == [2]
    assert outsiders(Selection(count=Count(skip=1, step=2, take=2)), 10) == [2, 4]


def test_luck_depends_on_the_seed_and_the_name_and_on_nothing_else() -> None:
    half = Selection(count=Count(share=0.5))
    assert outsiders(half) == outsiders(half) != outsiders(half, seed=2)
    assert outsiders(half) != outsiders(half, name="other")


def test_a_member_of_a_crowd_keeps_his_luck() -> None:
    chooser = Chooser(Selection(crowd="players", count=Count(share=0.5)), 1, "cut")

    def round_of(numbers: range) -> list[int]:
        return sorted(n for n in numbers if chooser.chooses(Peer(role="crowd", name="players", number=n), n))

    assert round_of(range(1, 21)) == round_of(range(20, 0, -1))
