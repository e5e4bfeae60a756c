"""Packet faults on a connection that is not proxied: client and server keep their one TCP connection, and its segments pass our hand.

There are no sockets of ours, so what a proxy learns by reading is read off the segments: bytes in order for `after_bytes` and `on_match`,
FINs and RSTs. Decisions are the same core's; those about sockets have nobody to carry them out and mean nothing here.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence

import trio

from faultproxy.core import events as ev
from faultproxy.core.events import SENDER, Direction, Tap
from faultproxy.core.header import Packet
from faultproxy.core.limits import Budget
from faultproxy.core.plan import FaultPlan, Peer
from faultproxy.core.reassembly import Reassembly
from faultproxy.core.run import Outcome, Run, Watch
from faultproxy.core.shape import FIN, RST, SYN
from faultproxy.errors import ScenarioError
from faultproxy.net import addresses
from faultproxy.net.capture import Capture
from faultproxy.net.conductor import Who
from faultproxy.net.plane import PacketPlane
from faultproxy.net.proxy import ROWS, Proxy, Row, Snapshot
from faultproxy.net.readiness import EpollReadiness, Readiness, TaskReadiness
from faultproxy.net.switchboard import Switchboard
from faultproxy.net.tapped import Tapped
from faultproxy.net.turns import Turns


class Intercept:
    """Lays hold of every TCP connection to `upstream`. `serve()` runs it; everything else may be called meanwhile, as of a `Proxy`."""

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
        self._followed: dict[int, dict[Tap, Reassembly]] = {}
        self._read: dict[Direction, int] = {"c2s": 0, "s2c": 0}
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
        self.in_turn(lambda: self._ordered(fault, heal, why))

    def arm(self) -> None:
        """The clock of the faults starts now, where it was made with `armed` False."""
        self.in_turn(lambda: self.carry(self.run.arm(self.now())))

    def heal(self) -> None:
        """Everything heals, and nothing starts again; all goes on."""
        self.in_turn(lambda: self.carry(self.run.heal(self.now())))

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
                self._count(tapped, "c2s"),
                self._count(tapped, "s2c"),
                0,
                tapped.core.active,
            )
            for tapped in open_ones[-ROWS:]
        )
        return Snapshot(self.run.opened, len(open_ones), 0, self._read["c2s"], self._read["s2c"], 0, "intercepting", rows)

    # ------------------------------------------------- as the plane's host

    def carry(self, outcome: Outcome) -> None:
        """Carries out what was decided about segments."""
        if self._plane is None:
            return
        for core, actions in outcome:
            self._plane.act(core, actions)
        for core, _ in outcome:
            self._plane.refresh(core)

    def in_turn(self, turn: Callable[[], None]) -> None:
        """Calls it when nothing else is being decided."""
        self._turns.take(turn)

    # ------------------------------------------------------------------

    def _follow(self, tapped: Tapped, tap: Tap, packet: Packet) -> None:
        core, side = tapped.core, SENDER[tap]
        assert side is not None
        direction: Direction = "c2s" if tap == "c2s" else "s2c"
        if packet.flags & SYN and tap == "c2s":
            self._tell(tapped, ev.Dialled(self.address))
        followed = self._followed.setdefault(id(core), {"c2s": Reassembly(), "s2c": Reassembly()})[tap]
        offset = followed.position
        data = followed.feed(packet)
        if data:
            self._read[direction] += len(data)
            self._tell(tapped, ev.Data(direction, offset, data, core.scan(direction, offset, data)))
        if packet.flags & RST:
            self._tell(tapped, ev.PeerReset(side, "ECONNRESET"))
        elif packet.flags & FIN:
            self._tell(tapped, ev.Eof(direction, followed.position))
        if core.over:
            self._followed.pop(id(core), None)
            if self._plane is not None and not self._plane.outlast(core):
                self.run.close(core)

    def _ordered(self, fault: str, heal: bool, why: str) -> None:
        if self._plane is not None:
            self._plane.catch_up_all()
        self.carry(self.run.order(fault, heal, why, self.now()))

    def _tell(self, tapped: Tapped, event: ev.Event) -> None:
        self.carry(self.run.handle(tapped.core, event, self.now()))

    def _count(self, tapped: Tapped, tap: Tap) -> int:
        followed = self._followed.get(id(tapped.core))
        return followed[tap].position if followed is not None else 0

    def _finish(self) -> None:
        if self._plane is None:
            return
        self._turns.take(lambda: self.carry(self.run.end(self.now())))
        self._ended = self.snapshot()
        self._plane.close()
        self._plane = None


AnyProxy = Proxy | Intercept
"""What a run may consist of."""
