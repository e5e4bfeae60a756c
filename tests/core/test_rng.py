"""Named streams of chance."""

from __future__ import annotations

import pytest

from faultproxy.core import rng


def draws(count: int, *name: object) -> list[float]:
    chance = rng.stream(*name)  # type: ignore[arg-type]
    return [chance() for _ in range(count)]


def test_a_stream_is_the_same_for_ever() -> None:
    # On record: a new version that draws otherwise would break every seed that anybody has written down.
    assert draws(3, 1, "outsider", 1, "c2s", "latency") == [0.6582981344114782, 0.9149324322057679, 0.8050908355245618]


def test_streams_differ_by_each_part_of_the_name() -> None:
    names = [(1, "a", "bc"), (1, "ab", "c"), (2, "a", "bc"), (1, "a", "bc", ""), (1, "abc")]
    assert len({tuple(draws(2, *name)) for name in names}) == len(names)


@pytest.mark.parametrize("draw", [rng.uniform, rng.normal, rng.pareto, rng.paretonormal])
def test_deviations_have_mean_zero_and_a_bound(draw: object) -> None:
    chance = rng.stream(7, "deviation")
    values = [draw(chance) for _ in range(20_000)]  # type: ignore[operator]
    assert abs(sum(values) / len(values)) < 0.03
    assert max(map(abs, values)) <= 8


@pytest.mark.parametrize("share", [1.0, 0.5, 0.01])
def test_geometric_gaps_give_the_share(share: float) -> None:
    chance = rng.stream(7, "gaps")
    gaps = [rng.geometric(chance, share) for _ in range(5_000)]
    assert len(gaps) / (sum(gaps) + len(gaps)) == pytest.approx(share, rel=0.06)
