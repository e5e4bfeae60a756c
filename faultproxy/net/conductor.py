"""All connections of one proxy: what the switchboard reports goes to the core, what the core decides goes to the links."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import trio

from faultproxy.core import events as ev
from faultproxy.core.actions import Filter, Healed, ResetLeg
from faultproxy.core.connection import Connection
from faultproxy.core.events import SIDES
from faultproxy.core.plan import Dial, FaultPlan, Peer
from faultproxy.core.run import Outcome, Run
from faultproxy.net import sockets
from faultproxy.net.addresses import Address
from faultproxy.net.dialler import Attempt, Dialler, explain
from faultproxy.net.door import Door
from faultproxy.net.filters import Filters
from faultproxy.net.link import Link
from faultproxy.net.midstream import Open, OpenLeg, leg
from faultproxy.net.plane import PacketPlane
from faultproxy.net.switchboard import Switchboard
from faultproxy.net.tapped import Tapped
from faultproxy.net.turns import Turns

ASKED = 3.0
"""Seconds for which both peers are asked whether they are still there, once a packet fault has healed."""

Who = Callable[[str, int], Peer]
"""Tells who connects from that address and port; an outsider, if nobody knows better."""

CLOSERS = 64
"""Threads that wait in close() at once; trio's own ones are left to name resolution."""


class Conductor:
    """Brings board, core, listener and dialler together. Nothing in here waits."""

    def __init__(
        self,
        run: Run,
        board: Switchboard,
        dialler: Dialler,
        port: sockets.Port,
        *,
        nursery: trio.Nursery,
        notify: Callable[[str], None],
        limit: int,
        who: Who = Peer,
        orderly: bool = False,
    ) -> None:
        self.run = run
        self.board = board
        self.upstream: Address = dialler.address
        self.links: dict[int, Link] = {}
        """By `id` of the link."""
        self.failed = 0
        self.carried = {"c2s": 0, "s2c": 0}
        """Bytes read from connections that have ended."""
        self._nursery = nursery
        self._closers = trio.CapacityLimiter(CLOSERS)
        self._dialler = dialler
        self.plane: PacketPlane | None = None
        """Where the segments of these connections are in our hand too."""
        self._notify = notify
        self._limit = limit
        self.who = who
        self.orderly = orderly
        """Whoever the upstream cannot be dialled for gets a FIN rather than a RST."""
        self._by_core: dict[int, Link] = {}
        self._dials: dict[int, Attempt] = {}
        self._captured: dict[int, Tapped] = {}
        """By link: connections that no fault has to do with, and a capture has."""
        self._turns = Turns()
        self._wake: float | None = None
        self._filters = Filters(board, self._filtered)
        self.door = Door(board, port, admit=self._admit, room=self._room, knocked=self._knocked, notify=notify)
        self.now = trio.current_time

    def open(self) -> None:
        """Begins to accept, and the clock of the listener's faults starts."""
        self.door.open()
        if self.run.armed:
            self.in_turn(lambda: self.carry(self.run.open(self.now())))

    def arm(self) -> None:
        """The clock of the faults starts now."""
        self.in_turn(lambda: self.carry(self.run.arm(self.now())))

    def tell(self, link: Link, event: ev.Event) -> None:
        """Passes an event to the core and carries out its answer."""
        self.in_turn(partial(self._told, link, event))

    def order(self, fault: str, heal: bool, why: str) -> None:
        """Starts or heals a fault by hand."""
        self.in_turn(lambda: self._decided(lambda now: self.run.order(fault, heal, why, now)))

    def add(self, plan: FaultPlan, table: Mapping[str, Any]) -> None:
        """A fault is added (`Run.add`)."""
        self.in_turn(lambda: self._rearranged(lambda now: self.run.add(plan, table, now)))

    def change(self, plan: FaultPlan, table: Mapping[str, Any]) -> None:
        """A fault goes on with other figures (`Run.change`)."""
        self.in_turn(lambda: self._rearranged(lambda now: self.run.change(plan, table, now)))

    def remove(self, fault: str, why: str, drain: bool) -> None:
        """A fault heals and is taken out."""
        self.in_turn(lambda: self._rearranged(lambda now: self.run.remove(fault, why, now, drain=drain)))
        self.in_turn(lambda: self.door.become(self.run.listener.state))  # which may have no faults left, and so nobody to ask

    def kill(self, ordinal: int) -> bool:
        """Both legs of a connection end with a RST. False: there is none of that number."""
        link = self.link(ordinal)
        if link is not None:
            self.in_turn(partial(self._killed, link))
        return link is not None

    def link(self, ordinal: int) -> Link | None:
        """The connection of that number, if it is open."""
        return next((link for link in self.links.values() if link.ordinal == ordinal), None)

    def heal(self) -> None:
        """Everything heals, and nothing starts again; all goes on."""
        self.in_turn(lambda: self._decided(self.run.heal))

    def end(self) -> None:
        """Everything heals; the listener closes."""
        self.door.close()
        self.in_turn(lambda: self._decided(self.run.end))

    def abandon(self) -> None:
        """Closes whatever is still open."""
        for link in list(self.links.values()):
            link.abandon()
            self.finished(link)

    def finished(self, link: Link) -> None:
        """A link has no socket left, and wants none."""
        if self.links.pop(id(link), None) is None:
            return
        link.alarm.off()
        attempt = self._dials.pop(id(link), None)
        if attempt is not None:
            attempt.cancel()
        captured = self._captured.pop(id(link), None)
        if captured is not None and self.plane is not None:
            self.plane.outlast_captured(captured)
        for direction, way in link.ways.items():
            self.carried[direction] += way.count
        if link.core is not None:
            self._by_core.pop(id(link.core), None)
            if self.plane is None or not self.plane.outlast(link.core):
                self.run.close(link.core)
        self.door.vacated()

    def dialling(self) -> dict[int, int]:
        """The own port of each dial that is under way, by the client's."""
        return {
            link.core.peer.port: attempt.port
            for number, attempt in self._dials.items()
            if (link := self.links.get(number)) is not None and link.core is not None
        }

    def overflowed(self, link: Link, size: int) -> None:
        """Injected bytes are dropped, because the peer has not read what was kept for it before."""
        self._notify(f"connection {link.ordinal}: {size} injected bytes are dropped: the peer does not read, and the bound is met")

    def filter(self, link: Link, sock: socket.socket, action: Filter) -> None:
        """Sets or takes off the socket filter of a leg."""
        self._filters.set(link, sock, action)

    def close_slowly(self, sock: socket.socket, link: Link) -> None:
        """Closes a socket whose SO_LINGER makes close() wait, in a thread."""
        self._nursery.start_soon(self._close_slowly, sock, link)

    # ------------------------------------------------------------------

    def in_turn(self, turn: Callable[[], None]) -> None:
        """Calls it when nothing else is being decided."""
        self._turns.take(turn)

    def _decided(self, decide: Callable[[float], Outcome]) -> None:
        if self.plane is not None:  # it may concern any connection
            self.plane.catch_up_all()
        self.carry(decide(self.now()))

    def _rearranged(self, decide: Callable[[float], Outcome]) -> None:
        self._decided(decide)
        if self.plane is not None:
            self.plane.renew()
            self.plane.settle([self._open(link.core, link) for link in self.links.values() if link.core is not None])

    def _open(self, core: Connection, link: Link) -> Open:
        return Open(core, link.ordinal, link.peer, partial(self._legs, link))

    def _legs(self, link: Link) -> list[OpenLeg]:
        found = [leg(each.side, each.sock) for each in link.legs.values() if each.sock is not None]
        attempt = self._dials.get(id(link))
        if attempt is not None and self.plane is not None and link.core is not None:
            attempt.watch = self.plane.dialling(link.core)
            if attempt.under_way is not None:
                found.append(leg("server", *attempt.under_way))
        return [each for each in found if each is not None]

    def _settle(self, link: Link) -> None:
        # Its SYN was not seen, or a fault has joined or left it since; usually there is nothing to be done.
        if self.plane is not None and link.core is not None:
            self.plane.settle([self._open(link.core, link)])

    def _told(self, link: Link, event: ev.Event) -> None:
        core = link.core
        if core is None:
            return
        if self.plane is not None:
            self.plane.catch_up(core)
        outcome = self.run.handle(core, event, self.now())
        self.carry(outcome)
        if not outcome or outcome[0][0] is not core:
            link.refresh()

    def _filtered(self, link: Link, event: ev.Filtered) -> None:
        def told() -> None:
            # A filter is asked for its count as it goes, and its fault may have gone in that very turn.
            if link.core is not None and event.fault in link.core.faults:
                self._told(link, event)

        self.in_turn(told)

    def _killed(self, link: Link) -> None:
        link.act([ResetLeg(side) for side in tuple(link.legs)])
        if link.core is None:
            self.finished(link)
        for side in SIDES:
            if link.core is not None and not link.core.over:
                self._told(link, ev.PeerReset(side, "killed"))

    async def _close_slowly(self, sock: socket.socket, link: Link) -> None:
        began = self.now()
        try:
            await trio.to_thread.run_sync(sock.close, abandon_on_cancel=True, limiter=self._closers)
        finally:
            if sock.fileno() >= 0:  # the run has ended before a thread was free
                sockets.unset_linger(sock)
                sock.close()
        self._notify(f"connection {link.ordinal}: close() waited {self.now() - began:.2f} s (SO_LINGER)")

    def _room(self) -> bool:
        return len(self.links) < self._limit

    def _knocked(self) -> None:
        self.in_turn(lambda: self.carry(self.run.waiting(self.now())))

    def _admit(self, sock: socket.socket, address: Any) -> None:
        self.in_turn(lambda: self._admitted(sock, address))

    def _admitted(self, sock: socket.socket, address: Any) -> None:
        now = self.now()
        peer = self.who(*address[:2]) if isinstance(address, tuple) else Peer()
        born = self.plane.born(peer) if self.plane is not None else None
        outcome: Outcome = []
        if isinstance(born, Tapped):  # its first SYN has been its admission
            # A capture watches those as well that no fault has to do with.
            core, ordinal = (born.core if born.core.faults or self.run.tells_all else None), born.ordinal
            outcome, born.waiting = [(born.core, born.waiting or [])], None
        elif born is not None:
            core, ordinal = None, born
        else:
            core, outcome = self.run.admit(peer, now)
            ordinal = self.run.opened
        wanted = self.run.sockets if core is None else core.sockets(self.run.sockets)
        try:
            sockets.tune(sock, wanted.client_rcvbuf, wanted.client_sndbuf)
            if self.plane is not None and (met := born.core if isinstance(born, Tapped) else core) is not None:
                self.plane.endure(met, sock)
        except OSError:  # the client is gone already
            sock.close()
            if core is not None and (self.plane is None or not self.plane.outlast(core)):
                self.run.close(core)
            return
        name = f"{Address(peer.address, peer.port)}" if peer.address else "unix"
        link = Link(self, ordinal=ordinal, peer=name, client=sock, core=core, now=now)
        self.links[id(link)] = link
        if core is None and isinstance(born, Tapped):
            self._captured[id(link)] = born
        how = Dial()
        if core is not None:
            self._by_core[id(core)] = link
            self.carry(outcome)
            self._settle(link)
            if core.over or link.finished:
                link.refresh()
                return
            how, actions = core.dial(how, now)
            self.run.dial(core, actions, now)
            link.refresh()
        watch = None
        tapped = born.core if isinstance(born, Tapped) else core
        if self.plane is not None and tapped is not None and not self.upstream.is_unix:
            watch = self.plane.dialling(tapped)
        attempt = self._dialler.dial(how, wanted.server_rcvbuf, wanted.server_sndbuf, lambda s, why: self._dialled(link, s, why), watch)
        if id(link) in self.links and "server" not in link.legs:
            self._dials[id(link)] = attempt
            link.guard()

    def _dialled(self, link: Link, sock: socket.socket | None, why: str) -> None:
        self._dials.pop(id(link), None)
        if sock is not None:
            if id(link) in self.links:
                link.join(sock)
                self._settle(link)
            else:
                sock.close()
            return
        self.failed += 1
        self._notify(f"connection {link.ordinal}: {explain(why, self.upstream, self._dialler.timeout)}")
        link.not_dialled(why)

    def carry(self, outcome: Outcome) -> None:
        """Carries out what was decided."""
        links = [(link, actions) for core, actions in outcome if (link := self._by_core.get(id(core))) is not None]
        for link, actions in links:
            link.act(actions)
        if self.plane is not None:
            for core, actions in outcome:
                link = self._by_core.get(id(core))
                if link is None:
                    self.plane.keep_for_later(core, actions)
                elif any(type(action) is Healed and action.fault in self.plane.faults for action in actions):
                    self._ask(link)
                self.plane.act(actions)
            for core, _ in outcome:
                self.plane.refresh(core)
        for link, _ in links:
            link.refresh()
        if self.run.listener.idle:
            return
        self.door.become(self.run.listener.state)
        deadline = self.run.deadline()
        if deadline is not None and (self._wake is None or deadline < self._wake):
            self._wake = deadline
            self.board.call_at(deadline, self._tick)

    def _ask(self, link: Link) -> None:
        # A peer that has given up meanwhile did so without a word, and our socket would stay open for ever.
        socks = [leg.sock for leg in link.legs.values() if leg.sock is not None and leg.sock.family != socket.AF_UNIX]
        for sock in socks:
            sockets.ask(sock, True)

        def no_more() -> None:
            for sock in socks:
                sockets.ask(sock, False)

        self.board.call_at(self.now() + ASKED, no_more)

    def _tick(self) -> None:
        self._wake = None
        self.in_turn(lambda: self.carry(self.run.due(self.now())))
