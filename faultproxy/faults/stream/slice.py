"""`slice`: a message arrives in pieces."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from faultproxy.core import rng
from faultproxy.core.events import Direction
from faultproxy.core.fifo import Fifo
from faultproxy.core.rng import Chance
from faultproxy.core.stage import Act, Chunk, Fin, Item, Items, Rst, Stage
from faultproxy.faults.base import StreamFault
from faultproxy.faults.fields import Duration, Size

_HELD = 64 * 1024
"""Bytes that wait for their time before the source is paused: enough for one read, so that a slow drip is felt by the sender."""


class Slice(StreamFault):
    """Cuts what travels in `direction` into pieces of `size` bytes, give or take `variation`, counted from where the fault begins.

    No write to the receiver reaches across a cut. With `interval`, a piece begins no sooner than that after the piece before it;
    once it has begun, its bytes pass as they come: none waits for its piece to be full. Without `interval` the pieces leave in
    separate writes but at once, and the receiver's kernel may well join them again. A FIN and a RST keep their place. Healing
    releases what is held.
    """

    example: ClassVar[str] = 'kind = "slice"\ndirection = "c2s"\nsize = "10B"\nvariation = "4B"\ninterval = "20ms"\n'

    kind: Literal["slice"] = "slice"
    size: Size = Field(gt=0, description="bytes in a piece")
    variation: Size = Field(0, description="how much a piece may be longer or shorter, drawn for each")
    interval: Duration = Field(0.0, description="from the start of a piece to the start of the next, at the least")

    @model_validator(mode="after")
    def _pieces(self) -> Self:
        if self.variation >= self.size:
            raise ValueError("`variation` must be smaller than `size`: a piece has at least one byte")
        return self

    def stage(self, direction: Direction, chance: Chance, shared: object) -> Stage:
        """Counts bytes from its start; holds those of pieces whose time has not come."""
        return _Slice(self, chance)


_AT_ONCE = 1000
"""Pieces (and what is said of them) in one go: each is a system call, and others wait meanwhile. The rest is due at once."""


class _Slice(Stage):
    def __init__(self, fault: Slice, chance: Chance) -> None:
        self._size, self._variation, self._interval = fault.size, fault.variation, fault.interval
        self._chance = chance
        self._queue = Fifo()
        self._left = 0
        """Bytes that still belong to the current piece."""
        self._next = 0.0
        """When the next piece may begin."""
        self._begun = False

    def chunk(self, chunk: Chunk, now: float) -> Items:
        return self._put(chunk, now)

    def fin(self, now: float) -> Items:
        return self._put(Fin(), now)

    def rst(self, now: float) -> Items:
        return self._put(Rst(), now)

    def deadline(self) -> float | None:
        return self._next if self._queue else None

    def due(self, now: float) -> Items:
        # The next piece is counted from when this one was due: a timer that is a little late does not slow the drip.
        late = now - self._next
        return self._pump(now, self._next if late < self._interval else now)

    def heal(self, now: float) -> Items:
        self._left, self._next, self._begun = 0, 0.0, False
        out = self._queue.clear()
        self._note()
        return out

    def _put(self, item: Item, now: float) -> Items:
        self._queue.put(item)
        return self._pump(now, now)

    def _pump(self, now: float, base: float) -> list[Item]:
        out: list[Item] = self._queue.take(0)
        while self._queue and len(out) < _AT_ONCE:
            begins = self._left == 0
            if begins:
                if self._next > now:
                    break
                self._next = base + self._interval
                self._left = self._size + round(self._variation * rng.uniform(self._chance))
            first, *rest = self._queue.take(self._left)
            self._left -= sum([len(item.data) for item in (first, *rest) if isinstance(item, Chunk)])
            out.append(first)
            if begins and self._begun and isinstance(first, Chunk):
                out.append(Act("cut", first.offset))
            out += rest
            self._begun = True
        self._note()
        return out

    def _note(self) -> None:
        self.held = self._queue.size
        self.reading = self.held <= (_HELD if self.reading else _HELD // 2)
