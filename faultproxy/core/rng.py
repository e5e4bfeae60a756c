"""Named streams of chance: one for each (seed, connection, direction, fault), so that adding a fault or a connection shifts no other.

Only `random()` of Python's Mersenne Twister is used, the one sequence that Python promises to keep across versions
(https://docs.python.org/3/library/random.html#notes-on-reproducibility); every distribution here is built on it.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable

Chance = Callable[[], float]
"""The next number of a stream, uniform over [0, 1)."""


def stream(seed: int, *name: object) -> Chance:
    """The stream of that name. The name's parts are joined unambiguously: ``("a", "bc")`` and ``("ab", "c")`` differ."""
    drawn: Chance | None = None

    def draw() -> float:
        # Seeding costs 20 us, and most streams of most connections are never drawn from.
        nonlocal drawn
        if drawn is None:
            digest = hashlib.blake2b(repr((seed, *map(str, name))).encode(), digest_size=16).digest()
            drawn = random.Random(int.from_bytes(digest, "big")).random
        return drawn()

    return draw


def uniform(chance: Chance) -> float:
    """A deviation in [-1, 1)."""
    return 2 * chance() - 1


def normal(chance: Chance) -> float:
    """A standard normal deviation (Box-Muller), cut at 4 so that a bound exists."""
    radius = math.sqrt(-2 * math.log(1 - chance()))
    return max(-4.0, min(4.0, radius * math.cos(2 * math.pi * chance())))


def pareto(chance: Chance) -> float:
    """A Pareto deviation of shape 3, shifted to mean 0 and scaled to variance 1 (a long tail of late ones), cut at 8."""
    raw = math.pow(1 - chance(), -1 / 3)
    return min(8.0, (raw - 1.5) / math.sqrt(0.75))


def paretonormal(chance: Chance) -> float:
    """A quarter normal, three quarters Pareto: the mixture that netem gives this name to."""
    return 0.25 * normal(chance) + 0.75 * pareto(chance)


def geometric(chance: Chance, share: float) -> int:
    """How many trials fail before the next that succeeds, each with the probability `share` (above 0)."""
    if share >= 1:
        return 0
    return int(math.log(1 - chance()) / math.log1p(-share))
