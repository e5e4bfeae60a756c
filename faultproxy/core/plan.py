"""What the core knows of a fault: when, where, and the hooks by which it acts. Which kind it is, the core never asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal

from faultproxy.core.events import DIRECTIONS, INTERCEPTED, LEGS, SENDER, TAPS, Direction, Tap
from faultproxy.core.match import Count
from faultproxy.core.packet_stage import PacketPlan
from faultproxy.core.rng import Chance
from faultproxy.core.stage import Stage
from faultproxy.core.timeline import AfterBytes, OnFin, OnMatch, Schedule, Trigger


@dataclass(frozen=True, slots=True)
class Peer:
    """Who has connected. `address` is empty on a unix socket. A member of a crowd, or a probe, has a name and a number from 1."""

    address: str = ""
    port: int = 0
    role: Literal["outsider", "crowd", "probe"] = "outsider"
    name: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """Which connections a fault concerns. Probes only if named."""

    ordinals: frozenset[int] | None = None
    count: Count = Count()
    source: IPv4Network | IPv6Network | None = None
    crowd: str | None = None
    probe: str | None = None
    of_outsiders: bool = False
    """`ordinals` are those of outsiders alone; otherwise members of crowds are meant too, each by his own number."""

    @property
    def everybody(self) -> bool:
        """Whether it leaves nobody out (but probes)."""
        return self == Selection()

    def counting(self, *, of_outsiders: bool) -> Selection:
        """The same with `of_outsiders`, where it has ordinals."""
        return replace(self, of_outsiders=of_outsiders and self.ordinals is not None)

    def concerns(self, peer: Peer, ordinal: int) -> bool:
        """Whether the connection belongs to those that `count` then goes through."""
        if self.probe is not None:
            return peer.role == "probe" and peer.name == self.probe
        if peer.role == "probe" or (self.crowd is not None and (peer.role, peer.name) != ("crowd", self.crowd)):
            return False
        if self.ordinals is not None and (ordinal not in self.ordinals or (self.of_outsiders and peer.role != "outsider")):
            return False
        return self.source is None or (peer.address != "" and _address(peer) in self.source)


def _address(peer: Peer) -> IPv4Address | IPv6Address:
    address = ip_address(peer.address.partition("%")[0])
    # A listener for both families names IPv4 clients as ::ffff:10.0.0.1 (RFC 4291, 2.5.5.2).
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


@dataclass(frozen=True, slots=True)
class Sockets:
    """Kernel buffers of the two legs in bytes (SO_RCVBUF, SO_SNDBUF), to be set before `listen` and `connect`; None: the kernel's own."""

    client_rcvbuf: int | None = None
    client_sndbuf: int | None = None
    server_rcvbuf: int | None = None
    server_sndbuf: int | None = None


@dataclass(frozen=True, slots=True)
class Dial:
    """How the upstream is dialled: after `delay` seconds, from `address` (empty: any) and a port from `ports[0]` to `ports[1]`."""

    delay: float = 0.0
    address: str = ""
    ports: tuple[int, int] | None = None

    def difference(self, before: Dial) -> str:
        """What is otherwise than in `before`, in words."""
        parts = []
        if self.delay != before.delay:
            parts.append(f"dialled {self.delay:.3f} s late")
        if self.address != before.address or self.ports != before.ports:
            ports = f" port {self.ports[0]}-{self.ports[1]}" if self.ports else ""
            parts.append(f"dialled from {self.address or 'any address'}{ports}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Listening:
    """What the listener does: `closed` refuses (RST to the SYN), `stalled` accepts nobody, `backlog` bounds the queue (None: as usual)."""

    closed: bool = False
    stalled: bool = False
    backlog: int | None = None


Chances = Mapping[tuple[str, str], Chance]
"""The streams of chance of one connection, by direction, tap or purpose (empty: its own) and fault."""
Shared = Mapping[tuple[Direction, str], object]
"""What the stages of a fault share in all connections, by direction and fault."""
StageMaker = Callable[[Direction, Chance, object], Stage]
"""Makes the stage of one direction of one connection, from its stream of chance and what `shared` made for all connections."""


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """One fault of a scenario, ready to run. A hook that is None is not the fault's business."""

    name: str
    kind: str
    schedule: Schedule = Schedule()
    selection: Selection = Selection()
    directions: tuple[Direction, ...] = DIRECTIONS
    stage: StageMaker | None = None
    shared: Callable[[], object] | None = None
    sockets: Callable[[Sockets], Sockets] | None = None
    dial: Callable[[Dial, Chance], Dial] | None = None
    listen: Callable[[Listening], Listening] | None = None
    packet: PacketPlan | None = None
    filtered: bool = False
    """A socket filter does it (`core.mechanism`): segments need not come here."""
    may_not_fire: bool = False
    watches: frozenset[Tap] = field(init=False, compare=False)
    """The taps where it may have to do with segments, if they come to the queue."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "watches", frozenset() if self.packet is None else _watches(self.packet, self.schedule.trigger))

    def stages(self, chances: Chances, shared: Shared) -> Iterator[tuple[Direction, Stage]]:
        """Its stage in each direction of a connection in which it has one."""
        if self.stage is not None:
            for direction in self.directions:
                yield direction, self.stage(direction, chances[direction, self.name], shared.get((direction, self.name)))

    @property
    def fixed(self) -> tuple[object, ...]:
        """What stays as it is where a fault gets other figures."""
        return (self.kind, self.schedule, self.directions, self.packet.taps if self.packet is not None else None)

    def all_shared(self) -> dict[tuple[Direction, str], object]:
        """What its stages are to share from now on, in each direction."""
        return {(direction, self.name): self.shared() for direction in self.directions} if self.shared is not None else {}

    def watcher(self) -> FaultPlan | None:
        """What every connection has of a fault of the listener that bytes or a FIN start: it watches for them. None: nothing."""
        if self.listen is None or not isinstance(self.schedule.trigger, AfterBytes | OnMatch | OnFin):
            return None
        return FaultPlan(self.name, self.kind, schedule=Schedule(self.schedule.trigger, times=self.schedule.times, lasts=0.0))

    @property
    def queued(self) -> PacketPlan | None:
        """What it does to segments one by one, in the queue; None: nothing."""
        return None if self.filtered else self.packet


def _watches(packet: PacketPlan, trigger: Trigger) -> frozenset[Tap]:
    # Its own taps, the other way of their legs if it must see that, and where a FIN comes in that starts it.
    taps = set(packet.taps)
    backs = {tap for leg in LEGS if packet.back and taps.intersection(leg) for tap in leg}
    own = [tap for tap in TAPS if (tap in INTERCEPTED) == bool(taps.intersection(INTERCEPTED))]
    fins = {tap for tap in own if isinstance(trigger, OnFin) and SENDER[tap] == trigger.side}
    return frozenset(taps | backs | fins)
