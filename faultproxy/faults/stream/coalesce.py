"""`coalesce`: several messages arrive as one."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from faultproxy.core.events import Direction
from faultproxy.core.fifo import Fifo
from faultproxy.core.limits import HELD_PER_DIRECTION
from faultproxy.core.rng import Chance
from faultproxy.core.stage import Act, Chunk, Fin, Item, Items, Rst, Stage
from faultproxy.faults.base import StreamFault
from faultproxy.faults.fields import Duration, Size


class Coalesce(StreamFault):
    """Holds what travels in `direction` until `size` bytes have come together or the first of them has waited for `wait`; then
    they go on in one write.

    Of what comes in at once, as many whole lots of `size` go on as there are, and the rest waits anew. A FIN or a RST lets go of
    what is held and follows it. Healing releases it too.
    """

    example: ClassVar[str] = 'kind = "coalesce"\ndirection = "s2c"\nsize = "4KiB"\nwait = "200ms"\n'

    kind: Literal["coalesce"] = "coalesce"
    size: Size = Field(gt=1, description="bytes that go on together")
    wait: Duration = Field(0.1, gt=0, description="how long the first byte waits at most")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.size > HELD_PER_DIRECTION:
            raise ValueError(f"`size` is more than the {HELD_PER_DIRECTION} bytes that may be held: only `wait` would ever end it")
        return self

    def stage(self, direction: Direction, chance: Chance, shared: object) -> Stage:
        """A queue that empties when it is full or old."""
        return _Coalesce(self)


class _Coalesce(Stage):
    def __init__(self, fault: Coalesce) -> None:
        self._size, self._wait = fault.size, fault.wait
        self._queue = Fifo()
        self._since = 0.0
        """When the first byte held came."""

    def chunk(self, chunk: Chunk, now: float) -> Items:
        if not self._queue.size:
            self._since = now
        self._queue.put(chunk)
        self.held = self._queue.size
        lots = self.held // self._size * self._size
        return self._release(lots, now) if lots else ()

    def fin(self, now: float) -> Items:
        return [*self._release(self._queue.size, now), Fin()]

    def rst(self, now: float) -> Items:
        return [*self._release(self._queue.size, now), Rst()]

    def deadline(self) -> float | None:
        return self._since + self._wait if self._queue.size else None

    def due(self, now: float) -> Items:
        return self._release(self._queue.size, now)

    def heal(self, now: float) -> Items:
        return self._take(self._queue.size)

    def _release(self, count: int, now: float) -> list[Item]:
        waited = self._since < now
        self._since = now
        out: list[Item] = []
        for item in self._take(count):
            out.append(item)
            if waited and isinstance(item, Chunk):
                out.append(Act("coalesced", item.offset, len(item.data)))
        return out

    def _take(self, count: int) -> list[Item]:
        out = self._queue.take(count)
        self.held = self._queue.size
        return out
