"""Draws delays, by the keys of `faults.fields.Delaying`."""

from __future__ import annotations

from faultproxy.core import rng
from faultproxy.core.rng import Chance
from faultproxy.faults.fields import Delaying

_DEVIATION = {"uniform": rng.uniform, "normal": rng.normal, "pareto": rng.pareto, "paretonormal": rng.paretonormal}


class Delays:
    """A series of delays. With `uniform` they lie within delay ± jitter, the other distributions take the jitter as standard deviation."""

    __slots__ = ("_chance", "_correlation", "_delay", "_deviation", "_jitter", "_last")

    def __init__(self, keys: Delaying, chance: Chance) -> None:
        self._delay, self._jitter, self._correlation = keys.delay, keys.jitter, keys.correlation
        self._deviation = _DEVIATION[keys.distribution]
        self._chance = chance
        self._last = 0.0

    def draw(self) -> float:
        """The next delay in seconds, never below 0. Without jitter no chance is drawn."""
        if not self._jitter:
            return self._delay
        self._last = self._correlation * self._last + (1 - self._correlation) * self._deviation(self._chance)
        return max(0.0, self._delay + self._jitter * self._last)
