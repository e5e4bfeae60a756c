"""How delays are drawn."""

from __future__ import annotations

import itertools

import pytest

from faultproxy.core.rng import stream
from faultproxy.faults.delays import Delays
from faultproxy.faults.fields import Delaying


def drawn(count: int, **keys: object) -> list[float]:
    delays = Delays(Delaying.model_validate(keys), stream(1, "delays"))
    return [delays.draw() for _ in range(count)]


def test_without_jitter_it_is_the_delay_and_nothing_is_drawn() -> None:
    def never() -> float:
        raise AssertionError

    assert Delays(Delaying.model_validate({"delay": "50ms"}), never).draw() == 0.05


@pytest.mark.parametrize("distribution", ["uniform", "normal", "pareto", "paretonormal"])
def test_the_mean_is_the_delay(distribution: str) -> None:
    found = drawn(4000, delay="50ms", jitter="5ms", distribution=distribution)
    assert sum(found) / len(found) == pytest.approx(0.05, abs=0.0005)


def test_uniform_keeps_within_its_bounds_and_nothing_is_negative() -> None:
    assert all(0.04 <= delay < 0.06 for delay in drawn(500, delay="50ms", jitter="10ms"))
    assert min(drawn(500, delay="1ms", jitter="10ms")) == 0


def test_correlation_ties_each_to_the_one_before() -> None:
    def steps(found: list[float]) -> float:
        return sum(abs(one - other) for one, other in itertools.pairwise(found))

    assert steps(drawn(500, delay="50ms", jitter="10ms", correlation=0.9)) < steps(drawn(500, delay="50ms", jitter="10ms")) / 5
