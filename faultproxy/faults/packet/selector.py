"""Which segments a packet fault takes: sorts, flags and lengths, then counting, chance or bursts.

It is asked for every segment, so what the header decides is looked up in a table by flags, made once for all stages.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from faultproxy.core.header import Packet
from faultproxy.core.match import Count, Counter
from faultproxy.core.rng import Chance
from faultproxy.core.shape import Shape

_ENDLESS = 2**32
"""More than any payload."""

Bounds = tuple[tuple[int, int], ...]
"""Ranges of payload lengths, both ends included."""


@lru_cache(maxsize=256)
def _table(shapes: tuple[Shape, ...]) -> tuple[Bounds, ...]:
    # For each of the 256 combinations of flags, the lengths that fit.
    return tuple(
        tuple(
            (shape.least, _ENDLESS if shape.most is None else shape.most)
            for shape in shapes
            if flags & (shape.set | shape.clear) == shape.set
        )
        for flags in range(256)
    )


@dataclass(frozen=True, slots=True)
class Sorts:
    """What a segment must look like: one of `shapes`; or one of the `marks` of `core.track`, and then the shape `marked`."""

    shapes: tuple[Shape, ...] = (Shape(),)
    marks: int = 0
    marked: Shape = Shape()


@dataclass(frozen=True, slots=True)
class Bursts:
    """The two states of Gilbert and Elliott: at each segment the chance to `enter` the bad one or to `leave` it, and to be hit in it."""

    enter: float
    leave: float
    share: float = 1.0


class Selector:
    """Goes through the segments of one tap by `sorts`, and counts those that fit by `count` and `bursts`."""

    __slots__ = ("_bad", "_bounds", "_bursts", "_chance", "_count", "_counter", "_every", "_marked", "_marks")

    def __init__(self, sorts: Sorts, count: Count, bursts: Bursts | None, chance: Chance) -> None:
        self._bounds = _table(sorts.shapes)
        self._marks = sorts.marks
        self._marked = _table((sorts.marked,))
        self._count = count
        self._counter = Counter(count, chance)
        self._bursts = bursts
        self._bad = False
        self._chance = chance
        self._every = count == Count() and bursts is None

    def reset(self) -> None:
        """Begins to count anew, in the good state."""
        self._counter = Counter(self._count, self._chance)
        self._bad = False

    def fits(self, packet: Packet) -> bool:
        """Whether it is of the sorts that are counted."""
        size = packet.size
        for least, most in self._bounds[packet.flags]:
            if least <= size <= most:
                return True
        if packet.marks & self._marks:
            for least, most in self._marked[packet.flags]:
                return least <= size <= most
        return False

    def takes(self, packet: Packet, matched: bool) -> bool:
        """Whether this segment is taken; to be asked once for each, in their order."""
        if not matched or not self.fits(packet):
            return False
        if self._every:
            return True
        if self._bursts is None or self._step(self._bursts):
            return self._counter.chooses()
        self._counter.seen += 1  # spared by the burst: it has its place in `skip` and `step`, and does not use up `take`
        return False

    def _step(self, bursts: Bursts) -> bool:
        # One draw for the state and, in the bad one, one for the segment.
        if self._chance() < (bursts.leave if self._bad else bursts.enter):
            self._bad = not self._bad
        return self._bad and (bursts.share >= 1 or self._chance() < bursts.share)
