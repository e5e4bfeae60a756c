"""`latency`: bytes arrive later, one way."""

from __future__ import annotations

from collections import deque
from typing import ClassVar, Literal

from pydantic import Field

from faultproxy.core.events import Direction
from faultproxy.core.rng import Chance
from faultproxy.core.stage import NOTHING, Act, Chunk, Fin, Item, Items, Rst, Stage
from faultproxy.faults.base import StreamFault
from faultproxy.faults.delays import Delays
from faultproxy.faults.fields import Delaying


class Latency(Delaying, StreamFault):
    """Delays what travels in `direction` by `delay`, one way: with `both`, a round trip takes twice as long.

    `jitter` varies the delay, drawn anew for each arrival (bytes that arrive at one moment share it); nothing overtakes, so a byte
    that drew a short delay waits for the ones before it. With `uniform` the delay lies within `delay` ± `jitter`; the other
    distributions take `jitter` as their standard deviation, as netem does. `correlation` ties each draw to the one before.
    A FIN and a RST keep their place behind the last byte, and are delayed themselves unless `fin` is false. Healing releases what is
    held, at once and in order.
    """

    example: ClassVar[str] = 'kind = "latency"\ndirection = "s2c"\ndelay = "200ms"\njitter = "50ms"\n'

    kind: Literal["latency"] = "latency"
    fin: bool = Field(True, strict=True, description="a FIN and a RST are delayed too; false: they only wait for the bytes before them")

    def stage(self, direction: Direction, chance: Chance, shared: object) -> Stage:
        """A queue with a release time for each item."""
        return _Latency(self, chance)


class _Latency(Stage):
    def __init__(self, fault: Latency, chance: Chance) -> None:
        self._delays = Delays(fault, chance)
        self._delays_fin = fault.fin
        self._queue: deque[tuple[float, Item]] = deque()
        self._arrived: float | None = None
        self._release = 0.0

    def chunk(self, chunk: Chunk, now: float) -> Items:
        self.held += len(chunk.data)
        return self._hold(chunk, now)

    def fin(self, now: float) -> Items:
        return self._end(Fin(), now)

    def rst(self, now: float) -> Items:
        return self._end(Rst(), now)

    def deadline(self) -> float | None:
        return self._queue[0][0] if self._queue else None

    def due(self, now: float) -> Items:
        out: list[Item] = []
        while self._queue and self._queue[0][0] <= now:
            _release, item = self._queue.popleft()
            out.append(item)
            if isinstance(item, Chunk):
                self.held -= len(item.data)
                out.append(Act("delayed", item.offset, len(item.data)))
            else:
                out.append(Act(f"delayed the {'FIN' if isinstance(item, Fin) else 'RST'}"))
        return out

    def heal(self, now: float) -> Items:
        out = [item for _, item in self._queue]
        self._queue.clear()
        self.held = 0
        self._arrived = None
        self._release = 0.0
        return out

    def inherit(self, before: Stage) -> bool:
        if not isinstance(before, _Latency):
            return False
        self._queue, self.held, self._release = before._queue, before.held, before._release
        return True

    def _end(self, item: Fin | Rst, now: float) -> Items:
        if self._delays_fin:
            return self._hold(item, now)
        if not self._queue:
            return (item,)
        self._queue.append((self._queue[-1][0], item))
        return NOTHING

    def _hold(self, item: Item, now: float) -> Items:
        # One draw for each moment of arrival, however the bytes of that moment were cut.
        if now != self._arrived:
            self._arrived = now
            self._release = max(self._release, now + self._delays.draw())
        self._queue.append((self._release, item))
        return NOTHING
