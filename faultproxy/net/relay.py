"""One connection between any two trio streams, with the same core: for memory streams in tests, TLS, pipes, a program's own transport.

The switchboard carries sockets; here a task reads each direction and a task writes it. What a stream cannot do is said in `relay`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Literal

import trio

from faultproxy.core import actions as do
from faultproxy.core import events as ev
from faultproxy.core.connection import Connection
from faultproxy.core.events import DIRECTIONS, SINK, SOURCE, TO, Direction, Side
from faultproxy.core.limits import READ_SIZE
from faultproxy.core.plan import FaultPlan, Peer
from faultproxy.core.run import Outcome, Run, Watch


async def relay(
    client: trio.abc.HalfCloseableStream,
    server: trio.abc.HalfCloseableStream,
    plans: Sequence[FaultPlan],
    *,
    seed: int = 0,
    watch: Watch | None = None,
    task_status: trio.TaskStatus[Run] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Carries bytes between two open streams until both are done, and closes both.

    Where a fault asks for a RST the stream is closed forcefully, which is the nearest thing; faults of the listener and of dialling have
    nothing to act on. A stream that is not being read cannot tell that its peer has gone.
    """
    run = Run(plans, seed, trio.current_time(), watch=watch)
    await _Relay(run, {"client": client, "server": server}).carry(task_status)


class _Way:
    """What is to be written to the sink of one direction: bytes, a FIN, or the close of the stream."""

    def __init__(self) -> None:
        self.queue: deque[bytes | Literal["fin", "close"]] = deque()
        self.filled = trio.Event()
        self.emptied = trio.Event()
        self.sending = False
        self.paused = False
        self.resumed = trio.Event()
        self.count = 0

    def put(self, item: bytes | Literal["fin", "close"]) -> None:
        self.queue.append(item)
        self.filled.set()

    @property
    def full(self) -> bool:
        """Whether something is still to go out, so that the source must wait."""
        return self.sending or bool(self.queue)


class _Relay:
    def __init__(self, run: Run, streams: dict[Side, trio.abc.HalfCloseableStream]) -> None:
        self._run = run
        self._streams = streams
        self._ways: dict[Direction, _Way] = {direction: _Way() for direction in DIRECTIONS}
        core, self._first = run.admit(Peer(), trio.current_time())
        self._core = core or Connection(1, Peer(), [], chances={}, shared={})
        self._timer = trio.CancelScope()
        self._nursery: trio.Nursery

    async def carry(self, task_status: trio.TaskStatus[Run]) -> None:
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._do(self._first)
                self._tell(ev.Dialled("stream"))
                for direction in DIRECTIONS:
                    nursery.start_soon(self._read, direction)
                    nursery.start_soon(self._write, direction)
                nursery.start_soon(self._tick)
                task_status.started(self._run)
        finally:
            self._run.close(self._core)
            # By force, so that it waits for nobody; shielded, or a cancellation from outside would end it after the first.
            with trio.CancelScope(shield=True):
                for stream in self._streams.values():
                    await trio.aclose_forcefully(stream)

    # ---------------------------------------------------------------- tasks

    async def _read(self, direction: Direction) -> None:
        way, stream = self._ways[direction], self._streams[SOURCE[direction]]
        while True:
            while way.paused or way.full:
                if way.paused:
                    way.resumed = trio.Event()
                    await way.resumed.wait()
                else:
                    way.emptied = trio.Event()
                    await way.emptied.wait()
            try:
                data = bytes(await stream.receive_some(READ_SIZE))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._tell(ev.PeerReset(SOURCE[direction], "the stream broke"))
                return
            offset = way.count
            if not data:
                self._tell(ev.Eof(direction, offset))
                return
            way.count += len(data)
            self._tell(ev.Data(direction, offset, data, self._core.scan(direction, offset, data)))

    async def _write(self, direction: Direction) -> None:
        way, stream = self._ways[direction], self._streams[SINK[direction]]
        try:
            while True:
                while not way.queue:
                    way.filled = trio.Event()
                    await way.filled.wait()
                item = way.queue.popleft()
                way.sending = True
                if isinstance(item, bytes):
                    await stream.send_all(item)
                elif item == "fin":
                    await stream.send_eof()
                else:
                    await stream.aclose()
                self._sent(way)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            way.queue.clear()
            self._sent(way)
            self._tell(ev.PeerReset(SINK[direction], "the stream broke"))

    def _sent(self, way: _Way) -> None:
        way.sending = False
        if not way.queue:
            way.emptied.set()
        self._end_if_over()

    async def _tick(self) -> None:
        while True:
            deadline = self._core.deadline()
            with trio.CancelScope() as self._timer:
                self._timer.deadline = float("inf") if deadline is None else deadline
                await trio.sleep_forever()
            deadline = self._core.deadline()
            if deadline is not None and deadline <= trio.current_time():
                self._tell(ev.Timer())

    # ------------------------------------------------------------ decisions

    def _tell(self, event: ev.Event) -> None:
        self._do(self._run.handle(self._core, event, trio.current_time()))

    def _do(self, outcome: Outcome) -> None:
        for _, actions in outcome:
            for action in actions:
                self._act(action)
        deadline = self._core.deadline()
        if deadline is not None and deadline < self._timer.deadline:
            self._timer.cancel()
        self._end_if_over()

    def _end_if_over(self) -> None:
        if self._core.over and not any(way.full for way in self._ways.values()):
            self._nursery.cancel_scope.cancel()

    def _act(self, action: do.Action) -> None:
        match action:
            case do.Send(direction, data):
                self._ways[direction].put(data)
            case do.SendFin(direction):
                self._ways[direction].put("fin")
            case do.CloseLeg(side):
                self._ways[TO[side]].put("close")
            case do.ResetLeg(side):
                self._ways[TO[side]].queue.clear()
                self._nursery.start_soon(trio.aclose_forcefully, self._streams[side])
            case do.Pause(direction):
                self._ways[direction].paused = True
            case do.Resume(direction):
                self._ways[direction].paused = False
                self._ways[direction].resumed.set()
            case _:
                pass
