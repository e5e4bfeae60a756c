"""Packet faults on a connection that is not proxied: client and server keep their one TCP connection, and its segments pass our hand.

There are no sockets of ours, so what a proxy learns by reading is read off the segments: bytes in order for `after_bytes` and `on_match`,
FINs and RSTs. Decisions are the same core's; those about sockets have nobody to carry them out and mean nothing here.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from typing import TypedDict, Unpack
from weakref import WeakKeyDictionary

import trio

from faultproxy.core import events as ev
from faultproxy.core.connection import Connection
from faultproxy.core.events import DIRECTIONS, FLOW, SENDER, Direction, Tap
from faultproxy.core.header import Packet
from faultproxy.core.limits import Budget
from faultproxy.core.plan import FaultPlan, Peer, Sockets
from faultproxy.core.reassembly import Reassembly
from faultproxy.core.run import Outcome, Run, Watch
from faultproxy.core.shape import FIN, RST
from faultproxy.core.timeline import AfterBytes, OnMatch
from faultproxy.errors import ScenarioError
from faultproxy.net import addresses
from faultproxy.net.capture import Capture
from faultproxy.net.conductor import Who
from faultproxy.net.plane import PacketPlane
from faultproxy.net.proxy import DEFAULT_BUFFERS, ROWS, Proxy, Row, Snapshot
from faultproxy.net.readiness import EpollReadiness, Readiness, TaskReadiness
from faultproxy.net.switchboard import Switchboard
from faultproxy.net.tapped import Tapped
from faultproxy.net.turns import Turns


class _Way:
    """What is read off the segments of one direction. The stream is not put together where no fault waits for bytes."""

    __slots__ = ("ended", "stream")

    def __init__(self) -> None:
        self.stream = Reassembly()
        self.ended = False


class Intercept:
    """Lays hold of every TCP connection to the port of `upstream` that opens from now on, whatever address it is dialled by.

    `serve()` runs it; everything else may be called meanwhile, as of a `Proxy`.
    """

    def __init__(
        self,
        plans: Sequence[FaultPlan],
        *,
        upstream: str,
        seed: int,
        watch: Watch | None = None,
        notify: Callable[[str], None] = lambda message: None,
        name: str = "intercept",
        epoll: bool = hasattr(select, "epoll"),
        alone: bool = False,
        capture: Capture | None = None,
        fail_open: bool = True,
        who: Who = Peer,
        armed: bool = True,
    ) -> None:
        self.name = name
        self.who = who
        self._armed = armed
        self.plans = tuple(plans)
        self.seed = seed
        self.address = upstream
        self._server = addresses.parse(upstream, "upstream")
        if self._server.is_unix or not self._server.port:
            raise ScenarioError(f"intercept: {upstream} is no TCP port that clients connect to")
        self._watch = watch
        self._notify = notify
        self._epoll, self._alone = epoll, alone
        self._capture, self._fail_open = capture, fail_open
        self._turns = Turns()
        self._plane: PacketPlane | None = None
        self._reads_bytes = capture is not None or any(isinstance(plan.schedule.trigger, AfterBytes | OnMatch) for plan in self.plans)
        self._ways: WeakKeyDictionary[Connection, dict[Direction, _Way]] = WeakKeyDictionary()
        self._gone: dict[Direction, int] = {"c2s": 0, "s2c": 0}
        """Bytes of the connections that are over."""
        self._ended: Snapshot | None = None
        self.now = trio.current_time
        self.run = Run(self.plans, seed, 0.0, watch=watch)

    async def serve(self, *, task_status: trio.TaskStatus[Intercept] = trio.TASK_STATUS_IGNORED) -> None:
        """Intercepts until cancelled; then everything heals. Raises CapabilityError where the packet plane cannot be had."""
        self.run = Run(self.plans, self.seed, trio.current_time(), watch=self._watch, armed=self._armed)
        async with trio.open_nursery() as nursery:
            readiness: Readiness = EpollReadiness() if self._epoll else TaskReadiness(nursery)
            board = Switchboard(readiness, Budget(), lingers=self._alone)
            try:
                plane = self._plane = PacketPlane(
                    self.run,
                    board,
                    self,
                    notify=self._notify,
                    fail_open=self._fail_open,
                    capture=self._capture,
                    follow=self._follow,
                )
                plane.intercept(self._server.port)
                task_status.started(self)
                await board.run()
            finally:
                self._finish()
                readiness.close()
                nursery.cancel_scope.cancel()

    def order(self, fault: str, *, heal: bool = False, why: str = "by hand") -> None:
        """Starts (or heals) a fault wherever it applies. KeyError: there is none of that name."""
        names = [plan.name for plan in self.plans]
        if fault not in names:
            raise KeyError(f"there is no fault {fault!r}; there are: {', '.join(names) or 'none'}")
        self.in_turn(lambda: self._decided(lambda now: self.run.order(fault, heal, why, now)))

    def arm(self) -> None:
        """The clock of the faults starts now, where it was made with `armed` False."""
        self.in_turn(lambda: self.carry(self.run.arm(self.now())))

    def heal(self) -> None:
        """Everything heals, and nothing starts again; all goes on."""
        self.in_turn(lambda: self._decided(self.run.heal))

    def snapshot(self) -> Snapshot:
        """How things stand; after the end, how they stood then."""
        if self._plane is None:
            return self._ended or Snapshot(0, 0, 0, 0, 0, 0, "not started", ())
        open_ones = [tapped for tapped in self._plane.tapped if not tapped.core.over]
        rows = tuple(
            Row(
                tapped.ordinal,
                tapped.name,
                0.0,
                "intercepted",
                self._count(tapped.core, "c2s"),
                self._count(tapped.core, "s2c"),
                0,
                tapped.core.active,
            )
            for tapped in open_ones[-ROWS:]
        )
        c2s, s2c = (self._gone[direction] + sum(self._count(tapped.core, direction) for tapped in open_ones) for direction in DIRECTIONS)
        return Snapshot(self.run.opened, len(open_ones), 0, c2s, s2c, 0, "intercepting", rows)

    # ------------------------------------------------- as the plane's host

    def carry(self, outcome: Outcome) -> None:
        """Carries out what was decided about segments."""
        if self._plane is None:
            return
        for _, actions in outcome:
            self._plane.act(actions)
        for core, _ in outcome:
            self._plane.refresh(core)

    def in_turn(self, turn: Callable[[], None]) -> None:
        """Calls it when nothing else is being decided."""
        self._turns.take(turn)

    # ------------------------------------------------------------------

    def _follow(self, tapped: Tapped, tap: Tap, packet: Packet) -> None:
        core, side = tapped.core, SENDER[tap]
        assert side is not None
        assert core.packets is not None
        if core.over:
            return  # faults still have to do with its last segments, and nothing of it starts any
        if packet.flags & RST:
            if core.packets.heeds(tap, packet):
                self._tell(tapped, ev.PeerReset(side, "ECONNRESET"))
        else:
            self._followed_by(tapped, FLOW[tap], packet)
        if core.over and self._plane is not None:
            for direction in DIRECTIONS:
                self._gone[direction] += self._count(core, direction)
            if not self._plane.outlast(core):
                self.run.close(core)

    def _followed_by(self, tapped: Tapped, direction: Direction, packet: Packet) -> None:
        core = tapped.core
        ways = self._ways.get(core)
        if ways is None:
            ways = self._ways[core] = {"c2s": _Way(), "s2c": _Way()}
            self._tell(tapped, ev.Dialled(self.address))
        way = ways[direction]
        if self._reads_bytes:
            data = way.stream.feed(packet)
            if data:
                offset = way.stream.position - len(data)  # behind a gap that was given up, it may be
                self._tell(tapped, ev.Data(direction, offset, data, core.scan(direction, offset, data)))
        if not way.ended and (way.stream.ended if self._reads_bytes else packet.flags & FIN):
            way.ended = True
            self._tell(tapped, ev.Eof(direction, self._count(core, direction)))

    def _count(self, core: Connection, direction: Direction) -> int:
        # Bytes that were sent, as far as they were seen.
        ways = self._ways.get(core)
        if ways is None or core.packets is None:
            return 0
        way = ways[direction]
        return way.stream.position if self._reads_bytes else max(0, core.packets.carried(direction) - way.ended)

    def _decided(self, decide: Callable[[float], Outcome]) -> None:
        if self._plane is not None:  # it may concern any connection
            self._plane.catch_up_all()
        self.carry(decide(self.now()))

    def _tell(self, tapped: Tapped, event: ev.Event) -> None:
        self.carry(self.run.handle(tapped.core, event, self.now()))

    def _finish(self) -> None:
        if self._plane is None:
            return
        self._turns.take(lambda: self._decided(self.run.end))
        self._ended = self.snapshot()
        self._plane.close()
        self._plane = None


AnyProxy = Proxy | Intercept
"""What a run may consist of."""


class Manner(TypedDict, total=False):
    """What both can be told (`net.proxy.Proxy`)."""

    watch: Watch | None
    notify: Callable[[str], None]
    name: str
    alone: bool
    capture: Capture | None
    fail_open: bool
    who: Who
    armed: bool


def make(
    plans: Sequence[FaultPlan],
    *,
    listen: str | None,
    upstream: str,
    seed: int,
    sockets: Sockets = DEFAULT_BUFFERS,
    max_connections: int | None = None,
    tells_all: bool = False,
    **manner: Unpack[Manner],
) -> AnyProxy:
    """A proxy that listens there; `listen` None: who stands aside, to whom what is said of sockets of ours means nothing."""
    if listen is None:
        return Intercept(plans, upstream=upstream, seed=seed, **manner)
    return Proxy(
        plans,
        listen=listen,
        upstream=upstream,
        seed=seed,
        sockets=sockets,
        max_connections=max_connections,
        tells_all=tells_all,
        **manner,
    )
