"""Connections that are open when a packet fault joins them: where their segments are met, and what nobody has seen of them."""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import trio

from faultproxy.core import events as ev
from faultproxy.core.connection import Connection
from faultproxy.core.events import Side, Tap
from faultproxy.core.header import TIMESTAMPS, Packet
from faultproxy.core.packet_side import PacketSide
from faultproxy.core.shape import ACK
from faultproxy.kernel.nfqueue import INPUT, OUTPUT
from faultproxy.kernel.standing import standing
from faultproxy.net import sockets
from faultproxy.net.switchboard import Switchboard
from faultproxy.net.tapped import Key, Register, Tapped, back, plain

TAPS: dict[Side, tuple[Tap, Tap]] = {"client": ("from_client", "to_client"), "server": ("from_server", "to_server")}
"""Where the segments of a leg are met: what comes in, and what goes out."""


class OpenLeg(NamedTuple):
    """A socket of ours, and the peer's address as `getpeername` has it, also while that is still being dialled."""

    side: Side
    sock: socket.socket
    peer: Any


class Open(NamedTuple):
    """A connection that is open. `legs` is asked only where there is something to be done."""

    core: Connection
    ordinal: int
    name: str
    legs: Callable[[], Sequence[OpenLeg]]


def leg(side: Side, sock: socket.socket, peer: Any = None) -> OpenLeg | None:
    """One leg; None where it has no segments (a unix socket), or its peer is gone."""
    if sock.family == socket.AF_UNIX:
        return None
    try:
        return OpenLeg(side, sock, sock.getpeername() if peer is None else peer)
    except OSError:
        return None


def places(leg: OpenLeg) -> Iterator[tuple[Tap, Key]]:
    """The taps of a leg, with what the packets say that are met there. Raises OSError where its socket is closed."""
    received = _ends(leg.peer, leg.sock.getsockname())
    inwards, outwards = TAPS[leg.side]
    yield inwards, (INPUT, received)
    yield outwards, (OUTPUT, back(received))


def how_it_stands(leg: OpenLeg) -> ev.Standing | None:
    """What our kernel knows of the leg, and so the core need not learn from its segments; None: nothing, or it is not open yet."""
    known = standing(leg.sock)
    if known is None:
        return None
    ends = _ends(leg.sock.getsockname(), leg.peer)
    options = b"" if known.clock is None else struct.pack("!BBBBII", 1, 1, TIMESTAMPS, 10, known.clock, 0)
    head = 20 + len(options)
    segment = ends[-4:] + struct.pack("!IIBBHHH", known.next, known.next_back, head << 2, ACK, known.window, 0, 0) + options
    if len(ends) == 12:
        packet = struct.pack("!BBHHHBBH", 0x45, 0, 20 + head, 0, 0x4000, 64, socket.IPPROTO_TCP, 0) + ends[:-4] + segment
    else:
        packet = struct.pack("!IHBB", 6 << 28, head, socket.IPPROTO_TCP, 64) + ends[:-4] + segment
    return ev.Standing(
        tap=TAPS[leg.side][1],
        packet=Packet(packet, outbound=True),
        begun=known.begun,
        begun_back=known.begun_back,
        unacked=known.unacked,
        window_back=known.window_back,
        scale=known.scale,
        scale_back=known.scale_back,
    )


def _ends(source: Any, destination: Any) -> bytes:
    # As in a packet: both addresses, then both ports.
    hosts = [plain(str(end[0])) for end in (source, destination)]
    packed = [socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host) for host in hosts]
    return b"".join(packed) + struct.pack("!HH", source[1], destination[1])


class Untold:
    """Connections of which the core is yet to be told how they stand (`Tapped.stands`): some of them in each turn of the loop, so that all
    others need not wait for thousands. Whatever happens to one is told by `tell` as well, and so comes behind.
    """

    AT_ONCE = 50

    def __init__(self, board: Switchboard, tell: Callable[[Tapped], None]) -> None:
        self._board = board
        self._tell = tell
        self._waiting: deque[Tapped] = deque()

    def add(self, connections: Sequence[Tapped]) -> None:
        """Some more."""
        if connections and not self._waiting:
            self._board.call_at(trio.current_time(), self._some)
        self._waiting.extend(connections)

    def _some(self) -> None:
        for _ in range(min(self.AT_ONCE, len(self._waiting))):
            self._tell(self._waiting.popleft())
        if self._waiting:
            self._board.call_at(trio.current_time(), self._some)


class Settling:
    """What is to be changed where faults have come or gone, for the connections that it takes. `new` makes one known to the register;
    `everything`: whether every segment is met, whatever faults want.
    """

    def __init__(self, register: Register, everything: bool, new: Callable[[Connection, int, str], Tapped]) -> None:
        self._register = register
        self._everything = everything
        self._new = new
        self.met: list[Key] = []
        """Flows that are to be met from now on."""
        self.unmet: list[Key] = []
        """Flows that are not any more."""
        self.untold: list[Tapped] = []
        """Connections of which something was learnt."""

    def is_otherwise(self, core: Connection) -> bool:
        """Whether anything is to be done. Usually not, and this is asked of every connection."""
        tapped, faults = self._register.by_core.get(id(core)), core.packets
        if core.over or (tapped is not None and self._everything):
            return False
        watched = faults.watched if faults is not None else frozenset()
        met = {flow.tap for flow in tapped.flows} if tapped is not None else set()
        if tapped is not None and tapped.patient != bool(watched):
            return True  # it has been dialling, and so was not met yet
        return watched != met or (faults is not None and any(faults.begun(tap) is None for tap in watched))

    def take(self, found: Open) -> None:
        """Finds out what is to be changed for this one, and sets its sockets up."""
        faults = found.core.packets
        watched = faults.watched if faults is not None else frozenset()
        tapped = self._register.by_core.get(id(found.core))
        if tapped is None:
            tapped = self._new(found.core, found.ordinal, found.name)
            tapped.waiting = None
        self.unmet += [self._register.unwatch(flow) for flow in list(tapped.flows) if flow.tap not in watched]
        for leg in found.legs():
            with suppress(OSError):  # closed meanwhile
                sockets.endure(leg.sock, bool(watched))
                if faults is not None:
                    self._meet(tapped, leg, faults)
        if tapped.stands:
            self.untold.append(tapped)
        tapped.patient = bool(watched)
        tapped.epoch = -1

    def _meet(self, tapped: Tapped, leg: OpenLeg, faults: PacketSide) -> None:
        wanted = [(tap, key) for tap, key in places(leg) if tap in faults.watched]
        if any(faults.begun(tap) is None for tap, _ in wanted) and (known := how_it_stands(leg)) is not None:
            tapped.stands.append(known)  # as it is before the flow is named: what is sent meanwhile goes by unseen, and not twice
        there = {flow.tap for flow in tapped.flows}
        for tap, key in wanted:
            if tap not in there:
                self._register.watch(tapped, tap, key)
                self.met.append(key)
