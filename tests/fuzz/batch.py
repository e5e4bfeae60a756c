"""Some thousand cases in a row, on one connection."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.fuzz.connection import Connection
from tests.fuzz.corpus import bent, copied
from tests.fuzz.holds import check, read

SIZE = 1000
"""Cases of a batch. What a fault holds and remembers builds up over a batch; a mistake is looked for in one."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many cases there were, and how many of them were packets."""

    cases: int = 0
    packets: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.cases + other.cases, self.packets + other.packets)


class Broken(AssertionError):
    """Something did not hold. Says what, in which case, and how to see it again."""


def batch(seed: int, number: int, cases: int = SIZE) -> Tally:
    """Tries a batch; the same for the same seed and number. Raises Broken."""
    random = Random(f"{seed}/{number}")
    connection = Connection(random)
    packets = 0
    where = f"the connection ({', '.join(connection.names)})"
    try:
        for case in range(cases):
            raw = bent(random)
            length = copied(random, raw)
            where = f"case {case}, a packet of {len(raw) if length is None else length} bytes, {raw.hex() or 'none copied'}"
            packet = read(raw, length)
            if packet is None:
                continue
            packets += 1
            check(packet, random)
            connection.push(packet)
        where = f"the end of the connection ({', '.join(connection.names)})"
        connection.end()
    except Exception as exc:
        again = f"python -m tests.fuzz --seed {seed} --batch {number}"
        raise Broken(f"{type(exc).__name__}: {exc}\nin {where}\nagain: {again}") from exc
    return Tally(cases, packets)
