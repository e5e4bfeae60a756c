"""The data plane's loop: one trio task that carries every byte of every connection.

Theory of operation. A task for each direction costs some 7 kB and a trip through trio's scheduler for every read. Here all sockets hang
on one inner epoll, and all deadlines in one heap; a ready socket gets a bounded turn (one read of at most READ_SIZE into a buffer
that all share, one write), then the next. The table maps a descriptor to the `Way` that reads from it. A way with nothing to decide is
carried right here, in `_carry`: receive, count, send. It leaves that fast path by a number: as long as the bytes read stay within
`way.limit`, nobody is asked. `limit` is what the core's `quiet_until` says: unlimited on a direction without faults, a byte count while
an `after_bytes` is pending, -1 while a fault acts or a pattern is looked for; then each read goes to the core. So a direction is taken
off the fast path, and put back, by setting a number: no byte can be lost or overtaken in between.

What one turn cannot finish (a peer that does not read) is kept by the link, and its source is not read until it has gone. Between
rounds the loop yields to trio. Where the process exists for the proxy alone (`lingers`), it first waits a moment in epoll itself while
traffic flows, which saves a third of a round trip; among tasks that matter to somebody it must not, because they would wait too.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from faultproxy.core.limits import READ_SIZE, READ_SIZE_SCARCE, Budget
from faultproxy.net.readiness import IN, Readiness

if TYPE_CHECKING:
    from faultproxy.net.legs import Way

Callback = Callable[[], None]

ROUND = 0.002
"""Seconds that the loop may keep going before it yields to trio: what any other task waits at most, one turn apart."""

LINGER = 0.001
"""Seconds to wait in epoll after traffic before going back to trio; epoll counts whole milliseconds."""

NEAR = 0.002
"""Seconds before a deadline from which it is waited for here, to the microsecond, where nobody minds."""

CALLED_OFF = 100
"""Timers that may stay in the heap though they are called off, at the least: cleaning up costs a walk over all."""


class Timer:
    """A call that is to come; None: no more."""

    __slots__ = ("call",)

    def __init__(self, call: Callback) -> None:
        self.call: Callback | None = call


class Switchboard:
    """Watches sockets and deadlines, and carries the ways that nothing is being done to."""

    def __init__(self, readiness: Readiness, budget: Budget, *, lingers: bool = False) -> None:
        self.readiness = readiness
        self.budget = budget
        self.table: dict[int, Way] = {}
        """By descriptor: the way whose source it is."""
        self.handlers: dict[int, Callable[[int], None]] = {}
        """By descriptor: who else wants to know (listeners, dials); called with the ready bits."""
        self.view = memoryview(bytearray(READ_SIZE))
        """The shared buffer: what was read last, until the next read."""
        self.lingers = lingers
        self._timers: list[tuple[float, int, Timer]] = []
        self._called_off = 0
        """Of these."""
        self._number = itertools.count()
        self._nudge: trio.CancelScope | None = None

    def call_at(self, when: float, call: Callback) -> Timer:
        """Calls at that time of the trio clock."""
        timer = Timer(call)
        heapq.heappush(self._timers, (when, next(self._number), timer))
        if self._nudge is not None and when < self._nudge.deadline:
            self._nudge.deadline = when  # this comes from another task: it need not be exact
        return timer

    def call_off(self, timer: Timer) -> None:
        """Takes a call back; one that was made already does not matter. Nothing that it refers to is kept."""
        if timer.call is None:
            return
        timer.call = None
        self._called_off += 1
        if self._called_off > CALLED_OFF and self._called_off * 2 > len(self._timers):
            self._timers = [entry for entry in self._timers if entry[2].call is not None]
            heapq.heapify(self._timers)
            self._called_off = 0

    async def run(self) -> None:
        """Goes on until it is cancelled. A turn that was begun is finished first."""
        while True:
            if self._round():
                await trio.lowlevel.checkpoint()
            else:
                await self._wait()

    def read(self, way: Way) -> None:
        """One turn for this way alone."""
        try:
            size = way.recv_into(self._portion(way))
        except OSError as error:
            way.link.unreadable(way, error)
        else:
            way.link.received(way, size)

    def turn(self) -> None:
        """One round, blocking for a millisecond at most: for whoever has to finish in a hurry."""
        self._due()
        self._carry(self.readiness.pause(LINGER))

    # ------------------------------------------------------------------

    def _portion(self, way: Way) -> memoryview:
        size = max(way.limit - way.count, 0) + way.appetite
        return self.view[: min(size, READ_SIZE_SCARCE if self.budget.spent else READ_SIZE)]

    async def _wait(self) -> None:
        with trio.CancelScope() as scope:
            if self._timers:
                scope.deadline = self._timers[0][0] - (NEAR if self.lingers else 0.0)
            self._nudge = scope
            try:
                await self.readiness.wait()
            finally:
                self._nudge = None

    def _round(self) -> bool:
        # True: there is more to do at once.
        poll = self.readiness.poll
        ends = time.monotonic() + ROUND
        self._due()
        ready = poll()
        carried = bool(ready)
        while True:
            if ready:
                self._carry(ready)
            self._due()
            gap = self._timers[0][0] - trio.current_time() if self._timers else math.inf
            if self.lingers and (carried or gap < NEAR):
                # A millisecond is all that epoll (and so trio) can count: what is due sooner is waited for here.
                ready = self.readiness.pause(min(LINGER, max(gap, 0.0)))
                carried = bool(ready)
                if not ready and gap >= NEAR:
                    return False
            else:
                ready = poll()
                if not ready:
                    return False
            if time.monotonic() > ends:
                if ready:
                    self._carry(ready)
                return True

    def _due(self) -> None:
        if self._timers:
            now = trio.current_time()
            ends = time.monotonic() + ROUND  # then others have their turn: what is due may at once be due again
            # The list is not given a name of its own: a call may call off others, and then it is made anew.
            while self._timers and self._timers[0][0] <= now and time.monotonic() < ends:
                timer = heapq.heappop(self._timers)[2]
                call, timer.call = timer.call, None
                if call is not None:
                    call()
                else:
                    self._called_off -= 1

    def _carry(self, ready: list[tuple[int, int]]) -> None:
        table = self.table
        view = self.view
        buffer = view[:READ_SIZE_SCARCE] if self.budget.spent else view
        for fd, bits in ready:
            way = table.get(fd)
            if way is None:
                handler = self.handlers.get(fd)
                if handler is not None:
                    handler(bits)
                continue
            if bits != IN or not way.reading:
                way.link.on_ready(way, bits)
                continue
            try:
                size = way.recv_into(buffer if way.limit - way.count >= READ_SIZE else self._portion(way))
            except OSError as error:
                way.link.unreadable(way, error)
                continue
            count = way.count + size
            if not size or count > way.limit:
                way.link.received(way, size)
                continue
            way.count = count
            try:
                sent = way.send(view[:size])
            except OSError as error:
                way.link.unsent(way, view[:size], error)
                continue
            if sent < size:
                way.link.unsent(way, view[sent:size], None)


class Alarm:
    """One timer of somebody who has to come back at the earliest of several times."""

    __slots__ = ("_board", "_call", "_timer", "_when")

    def __init__(self, board: Switchboard, call: Callback) -> None:
        self._board = board
        self._call = call
        self._timer: Timer | None = None
        self._when = math.inf

    def by(self, when: float) -> None:
        """Rings at that time, or sooner if it is set already; who is called too soon sets it again."""
        if when < self._when:
            self.off()
            self._when = when
            self._timer = self._board.call_at(when, self._ring)

    def off(self) -> None:
        """Does not ring."""
        if self._timer is not None:
            self._board.call_off(self._timer)
        self._timer, self._when = None, math.inf

    def _ring(self) -> None:
        self.off()
        self._call()
