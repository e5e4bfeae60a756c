"""A proxy: listens, dials, carries bytes, and lets the faults of its plans act."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import trio

from faultproxy.core.events import Side
from faultproxy.core.limits import DIAL_TIMEOUT, Budget
from faultproxy.core.mechanism import choose, crowded_out, means
from faultproxy.core.plan import FaultPlan, Peer, Sockets
from faultproxy.core.run import Run, Watch
from faultproxy.errors import ScenarioError
from faultproxy.kernel import sockfilter
from faultproxy.kernel.nfqueue import Queue
from faultproxy.net import addresses, sockets
from faultproxy.net.capture import Capture
from faultproxy.net.conductor import Conductor, Who
from faultproxy.net.dialler import Dialler
from faultproxy.net.link import Link
from faultproxy.net.plane import PacketPlane
from faultproxy.net.readiness import EpollReadiness, Readiness, TaskReadiness
from faultproxy.net.switchboard import Switchboard

ROWS = 200
"""Connections listed in a snapshot, the newest; the sums are over all."""

DEFAULT_BUFFERS = Sockets()

FAREWELL = 0.4
"""Seconds that what was healed at the end has to leave the process, before both legs are closed."""


@dataclass(frozen=True, slots=True)
class Row:
    """One connection: bytes read in each direction, bytes held, active faults; `opened` in seconds of the run's clock."""

    ordinal: int
    peer: str
    opened: float
    phase: str
    c2s: int
    s2c: int
    held: int
    active: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The proxy as it stands: counts of connections, bytes read in all of them, the state of the listener, and the newest rows."""

    opened: int
    open: int
    failed: int
    c2s: int
    s2c: int
    held: int
    listening: str
    rows: tuple[Row, ...]


def mechanisms(plans: Sequence[FaultPlan], capture: Capture | None) -> tuple[FaultPlan, ...]:
    """The plans, with the mechanism by which each packet fault is carried out here: a capture sees only what is queued."""
    packets = any(plan.packet is not None for plan in plans)
    return choose(plans, filters=packets and capture is None and sockfilter.permitted())


def _silent(message: str) -> None:
    pass


def _phase(link: Link) -> str:
    """Where the connection stands, for a person."""
    if "server" not in link.legs:
        return "dialling"
    gone = [f"{side} gone" for side, leg in link.legs.items() if leg.sock is None]
    fins = [f"{way.direction} FIN" for way in link.ways.values() if way.eof]
    return ", ".join([*gone, *fins]) or "open"


class Proxy:
    """A listener with an upstream. `serve()` runs it; everything else may be called meanwhile, from the same trio run.

    `watch` is told of every decision (`core.run.Watch`), `notify` of what a person should know. `seed` names the streams of chance.
    `epoll` False takes a trio task for each socket instead, as on systems without epoll. `alone` says that no other task of this trio run
    minds waiting 2 ms, which makes round trips a third shorter. Packet faults need the packet plane (docs/packet-plane.md), and so does a
    `capture`; `fail_open` False loses segments that cannot be judged, instead of letting them pass. `who` tells
    which member of a crowd or which probe connects from an address and port. `armed` False: a plain relay until `arm`.
    `tells_all`: `watch` is told of connections that no fault concerns, too. `orderly`: who the upstream cannot be dialled for gets a FIN
    rather than a RST. `farewell`: seconds that what is healed at the end has to leave the process.
    """

    def __init__(
        self,
        plans: Sequence[FaultPlan],
        *,
        listen: str,
        upstream: str | addresses.Address,
        seed: int,
        sockets: Sockets = DEFAULT_BUFFERS,
        watch: Watch | None = None,
        notify: Callable[[str], None] = _silent,
        max_connections: int | None = None,
        dial_timeout: float = DIAL_TIMEOUT,
        name: str = "proxy",
        epoll: bool = hasattr(select, "epoll"),
        alone: bool = False,
        capture: Capture | None = None,
        fail_open: bool = True,
        who: Who = Peer,
        armed: bool = True,
        tells_all: bool = False,
        orderly: bool = False,
        farewell: float = FAREWELL,
    ) -> None:
        self.name = name
        self._who = who
        self._armed = armed
        self._tells_all = tells_all
        self._orderly = orderly
        self._farewell = farewell
        self.plans = mechanisms(plans, capture)
        self.seed = seed
        self.address = listen
        self._listen = addresses.parse(listen, "listen")
        self._upstream = addresses.parse(upstream, "upstream") if isinstance(upstream, str) else upstream
        self._sockets = sockets
        self._watch = watch
        self._notify = notify
        self._max_connections = max_connections
        self._dial_timeout = dial_timeout
        self._epoll = epoll
        self._alone = alone
        self._capture = capture
        self._fail_open = fail_open
        self._conductor: Conductor | None = None
        self._ended: Snapshot | None = None
        self.run: Run = Run(self.plans, seed, 0.0, sockets, watch)

    async def serve(self, *, task_status: trio.TaskStatus[Proxy] = trio.TASK_STATUS_IGNORED) -> None:
        """Listens and serves until cancelled; then everything heals, and both legs of every connection are closed.

        Raises ListenError, ScenarioError where the upstream is the proxy itself, or CapabilityError where a packet fault cannot run.
        """
        if self._upstream == self._listen and self._listen.port:
            raise ScenarioError(f"the upstream {self._upstream} is the address that the proxy itself listens on")
        budget = Budget()
        self.run = Run(self.plans, self.seed, trio.current_time(), self._sockets, self._watch, budget, self._armed, self._tells_all)
        listener = self.run.listener_sockets
        queued = [plan.queued for plan in self.plans if plan.queued is not None]
        port = sockets.Port(self._listen, listener.client_rcvbuf, listener.client_sndbuf, whole=any(plan.whole for plan in queued))
        port.open()
        self._port = port
        self.address = str(port.address)
        async with trio.open_nursery() as nursery:
            readiness: Readiness = EpollReadiness() if self._epoll else TaskReadiness(nursery)
            board = Switchboard(readiness, budget, lingers=self._alone)
            dialler = Dialler(board, self._upstream, self._dial_timeout, nursery)
            limit = sockets.connection_limit(self._max_connections)
            conductor = Conductor(
                self.run, board, dialler, port, nursery=nursery, notify=self._notify, limit=limit, who=self._who, orderly=self._orderly
            )
            try:
                if queued or self._capture is not None:
                    conductor.plane = self._plane(conductor)
                self._conductor = conductor
                conductor.open()
                task_status.started(self)
                await board.run()
            finally:
                self._finish(conductor, board)
                readiness.close()
                nursery.cancel_scope.cancel()

    def add(self, plan: FaultPlan, table: Mapping[str, Any]) -> None:
        """Adds a fault behind all others, for connections that are open too (`tells_all`: for each). `table`: what it is made of.

        Raises ValueError for a name that is taken; CapabilityError or OSError where a packet fault cannot run, and nothing has changed.
        """
        if any(plan.name == each.name for each in self.plans):
            raise ValueError(f"there is a fault called {plan.name!r} already")
        plan = self._with_means(plan)
        if self._conductor is None:
            crowded = {each.name: each for each in crowded_out(self.plans, plan)}
            self.plans = (*(crowded.get(each.name, each) for each in self.plans), plan)
            return
        self._enable_packets(self._conductor, plan)
        self._conductor.add(plan, table)
        self.plans = tuple(self.run.plans)

    def change(self, plan: FaultPlan, table: Mapping[str, Any]) -> None:
        """A fault goes on with other figures, and loses nothing that it holds. Raises as `add` does, and as `Run.change`."""
        before = self._plan(plan.name)
        plan = self._with_means(plan)
        if self._conductor is not None:
            self._enable_packets(self._conductor, plan)
            self._conductor.change(plan, table)
        self.plans = tuple(plan if each is before else each for each in self.plans)

    def remove(self, fault: str, why: str = "by hand", *, drain: bool = False) -> None:
        """Heals a fault and takes it out; with `drain`, what it holds until a certain time keeps that time.

        KeyError: there is none of that name.
        """
        plan = self._plan(fault)
        self.plans = tuple(each for each in self.plans if each is not plan)
        if self._conductor is not None:
            self._conductor.remove(fault, why, drain)

    def order(self, fault: str, *, heal: bool = False, why: str = "by hand") -> None:
        """Starts (or heals) a fault wherever it applies. KeyError: there is none of that name."""
        self._plan(fault)
        if self._conductor is not None:
            self._conductor.order(fault, heal, why)

    @property
    def alone(self) -> bool:
        """Whether nothing else in this trio run minds waiting 2 ms; may be set at any time."""
        return self._alone

    @alone.setter
    def alone(self, alone: bool) -> None:
        self._alone = alone
        if self._conductor is not None:
            self._conductor.board.lingers = alone

    def kill(self, ordinal: int) -> bool:
        """Ends a connection with a RST to both ends. False: none of that number is open."""
        return self._conductor is not None and self._conductor.kill(ordinal)

    def arm(self) -> None:
        """The clock of the faults starts now, where it was made with `armed` False; whoever is connected already is not concerned."""
        if self._conductor is not None:
            self._conductor.arm()

    def heal(self) -> None:
        """Everything heals, and nothing starts again, for connections that open later neither; all goes on."""
        if self._conductor is not None:
            self._conductor.heal()

    def dialling(self) -> dict[int, int]:
        """From which own port the server is being dialled, by the port of the client for whom."""
        return self._conductor.dialling() if self._conductor is not None else {}

    def snapshot(self) -> Snapshot:
        """How things stand; after the end, how they stood then."""
        if self._conductor is None:
            return self._ended or Snapshot(0, 0, 0, 0, 0, 0, "not started", ())
        conductor = self._conductor
        links = list(conductor.links.values())
        rows = tuple(self._row(link) for link in links[-ROWS:])
        return Snapshot(
            opened=self.run.opened,
            open=len(links),
            failed=conductor.failed,
            c2s=conductor.carried["c2s"] + sum([link.ways["c2s"].count for link in links]),
            s2c=conductor.carried["s2c"] + sum([link.ways["s2c"].count for link in links]),
            held=self.run.budget.held,
            listening=conductor.door.state,
            rows=rows,
        )

    def row(self, ordinal: int) -> Row | None:
        """One connection that is open; None: there is none of that number."""
        link = self._conductor.link(ordinal) if self._conductor is not None else None
        return self._row(link) if link is not None else None

    @property
    def links(self) -> Sequence[Link]:
        """The connections that are open, the oldest first; to be looked at only."""
        return tuple(self._conductor.links.values()) if self._conductor is not None else ()

    @property
    def queue(self) -> Queue | None:
        """The packet queue, to be looked at only; None where no packet fault has needed one."""
        return self._conductor.plane.queue if self._conductor is not None and self._conductor.plane is not None else None

    def legs(self, ordinal: int) -> Mapping[Side, socket.socket]:
        """The sockets of a connection that are open, to be looked at only."""
        link = self._conductor.link(ordinal) if self._conductor is not None else None
        return {side: leg.sock for side, leg in link.legs.items() if leg.sock is not None} if link is not None else {}

    def _row(self, link: Link) -> Row:
        return Row(
            link.ordinal,
            link.peer,
            link.opened - self.run.clock_start,
            _phase(link),
            link.ways["c2s"].count,
            link.ways["s2c"].count,
            link.kept + (link.core.held if link.core is not None else 0),
            link.core.active if link.core is not None else (),
        )

    def _plan(self, fault: str) -> FaultPlan:
        for plan in self.plans:
            if plan.name == fault:
                return plan
        raise KeyError(f"there is no fault {fault!r}; there are: {', '.join(plan.name for plan in self.plans) or 'none'}")

    def _with_means(self, plan: FaultPlan) -> FaultPlan:
        # As `mechanisms` chooses them for all that are there from the start.
        if plan.packet is None:
            return plan
        return means(plan, self.plans, filters=self._capture is None and sockfilter.permitted())

    def _enable_packets(self, conductor: Conductor, plan: FaultPlan) -> None:
        if plan.queued is None:
            return
        if conductor.plane is None:
            conductor.plane = self._plane(conductor)
        else:
            conductor.plane.listen(self._port.address.host, self._port.address.port)
        if plan.queued.whole:
            self._port.limit_segments()

    def _plane(self, conductor: Conductor) -> PacketPlane:
        plane = PacketPlane(self.run, conductor.board, conductor, notify=self._notify, fail_open=self._fail_open, capture=self._capture)
        try:
            plane.listen(self._port.address.host, self._port.address.port)
        except BaseException:
            plane.close()
            raise
        return plane

    def _finish(self, conductor: Conductor, board: Switchboard) -> None:
        conductor.end()
        deadline = trio.current_time() + self._farewell
        before = -1
        while trio.current_time() < deadline:
            # Segments that were held are read only now, and passed on.
            now = sum(way.count for link in conductor.links.values() for way in link.ways.values())
            if not any(link.kept for link in conductor.links.values()) and (conductor.plane is None or now == before):
                break
            before = now
            board.turn()
        self._ended = self.snapshot() if self._conductor is not None else None
        if conductor.plane is not None:
            conductor.plane.close()
        conductor.abandon()
        self._conductor = None
