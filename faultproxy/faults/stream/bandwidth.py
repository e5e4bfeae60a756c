"""`bandwidth`: a link of so many bytes a second.

The link is a virtual clock. It carries one byte every 1/rate seconds, so the n-th byte since it was last idle is through at
``epoch + n / rate``, whenever the timer really fires: a late timer lets more go at once, and no error adds up. Bytes are let go in
quanta, each when its last byte is through. With ``per = "proxy"`` all connections count on one clock, and each has booked no more of
it than the quantum at its head: whoever waits gets the next turn.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import Field

from faultproxy.core.events import Direction
from faultproxy.core.fifo import Fifo
from faultproxy.core.limits import HELD_PER_DIRECTION
from faultproxy.core.rng import Chance
from faultproxy.core.stage import Act, Chunk, Fin, Item, Items, Rst, Stage
from faultproxy.faults.base import StreamFault
from faultproxy.faults.fields import Rate, Size

_QUANTUM = 0.02
"""Seconds of the rate that go at once: 50 timers a second for each connection, and below what a program notices."""
_MSS = 1448
"""Bytes: less than a full segment (1500 less headers with timestamps, RFC 9293 and 7323) is not worth a timer …"""
_SLOWEST = 0.1
"""… unless filling one takes longer than this many seconds: a link of 100 B/s is to drip, not to lurch."""
_QUEUE = 0.1
"""Seconds of the rate held before the source is paused, so that the sender feels the link and not our memory."""


class Bandwidth(StreamFault):
    """Lets no more than `rate` through, smoothly. With `both`, each direction has that rate for itself.

    The first `burst` bytes after a pause go at full speed (a token bucket of that size). With `per = "proxy"` all connections share
    the rate, in turn. Little is held: the sender is soon made to wait, as by a real link. Bytes go in portions of 20 ms or a full
    segment, whichever is more, but at least ten times a second. A FIN and a RST keep their place behind the last byte.
    """

    example: ClassVar[str] = 'kind = "bandwidth"\ndirection = "s2c"\nrate = "256kbit/s"\nburst = "1KiB"\n'

    kind: Literal["bandwidth"] = "bandwidth"
    rate: Rate = Field(description="how much gets through")
    burst: Size = Field(0, description="so much goes at full speed after a pause")
    per: Literal["connection", "proxy"] = Field("connection", description="each connection has the rate, or all share it")

    def shared(self) -> object:
        """The link of one direction, where all connections share it."""
        return _Link(self.rate, self.burst) if self.per == "proxy" else None

    def stage(self, direction: Direction, chance: Chance, shared: object) -> Stage:
        """A queue before a link."""
        return _Bandwidth(shared if isinstance(shared, _Link) else _Link(self.rate, self.burst))


class _Link:
    """A virtual clock: `booked` bytes have been given a place on it since `epoch`; below zero, so many are still free (the burst)."""

    __slots__ = ("booked", "burst", "epoch", "rate", "users")

    def __init__(self, rate: float, burst: int) -> None:
        self.rate = rate
        self.burst = burst
        self.epoch = -math.inf
        self.booked = 0
        self.users = 0
        """Queues that are not empty."""

    def enter(self, now: float) -> None:
        """A queue is no longer empty. If it is the first, the link has been idle and has saved up at most `burst`."""
        if self.users == 0 and self.through(self.booked) < now - self.burst / self.rate:
            self.epoch, self.booked = now, -self.burst
        self.users += 1

    def through(self, count: int) -> float:
        """When the byte booked as number `count` is through. Always this very sum, so that equal bookings are equal to the last bit."""
        return self.epoch + count / self.rate

    def credit(self, now: float) -> int:
        """How many bytes more would be through by now."""
        count = int((now - self.epoch) * self.rate)
        while self.through(count + 1) <= now:
            count += 1
        while self.through(count) > now:  # so that nothing depends on how that product was rounded
            count -= 1
        return max(0, count - self.booked)

    @property
    def quantum(self) -> int:
        """Bytes to book at once. A round over all queues takes no longer than the quantum of one alone, as far as segments allow."""
        return max(1, int(max(self._fair * _QUANTUM, min(_MSS, self.rate * _SLOWEST))))

    @property
    def enough(self) -> int:
        """Bytes in a queue from which on its source need not be read: a tenth of a second's, and never so few that the queue runs dry."""
        return min(max(int(self._fair * _QUEUE), 3 * self.quantum), HELD_PER_DIRECTION // 2)

    @property
    def _fair(self) -> float:
        return self.rate / max(1, self.users)


class _Bandwidth(Stage):
    def __init__(self, link: _Link) -> None:
        self._link = link
        self._queue = Fifo()
        self._head = 0
        """Bytes that are booked, at the head of the queue; 0: none."""
        self._mark = (0.0, 0)
        """The link's epoch and the booking's last byte."""
        self._due = 0.0

    def chunk(self, chunk: Chunk, now: float) -> Items:
        if not self._queue.size:
            self._link.enter(now)
        self._queue.put(chunk)
        link = self._link
        if self._head and self._mark == (link.epoch, link.booked):
            # What is behind the booked bytes joins them: however it was cut, a portion that came at once goes at once.
            self._book(min(link.quantum, self._queue.size) - self._head)
        return self._pump(now)

    def fin(self, now: float) -> Items:
        return self._end(Fin())

    def rst(self, now: float) -> Items:
        return self._end(Rst())

    def deadline(self) -> float | None:
        return self._due if self._head else None

    def due(self, now: float) -> Items:
        out: list[Item] = []
        for item in self._pump(now):
            out.append(item)
            if isinstance(item, Chunk):
                out.append(Act("throttled", item.offset, len(item.data)))
        return out

    def heal(self, now: float) -> Items:
        link = self._link
        if self._queue.size:
            link.users -= 1
            if self._mark == (link.epoch, link.booked):
                link.booked -= self._head
        self._head = 0
        out = self._queue.clear()
        self._note()
        return out

    def _end(self, item: Item) -> Items:
        if not self._queue.size:
            return (item,)
        self._queue.put(item)
        return ()

    def _pump(self, now: float) -> list[Item]:
        out: list[Item] = []
        while self._queue.size:
            if self._head:
                if self._due > now:
                    break
                out += self._queue.take(self._head)
                self._head = 0
            elif credit := self._link.credit(now):
                count = min(credit, self._queue.size)
                self._link.booked += count
                out += self._queue.take(count)
            else:
                self._book(min(self._link.quantum, self._queue.size))
                break
            if not self._queue.size:
                self._link.users -= 1
        self._note()
        return out

    def _book(self, count: int) -> None:
        if count > 0:
            self._head += count
            self._link.booked += count
            self._mark = (self._link.epoch, self._link.booked)
            self._due = self._link.through(self._link.booked)

    def _note(self) -> None:
        self.held = self._queue.size
        enough = self._link.enough
        self.reading = self.held <= (enough if self.reading else enough // 2)
