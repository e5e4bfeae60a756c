"""What the packet faults of one connection have to do with its segments: which taps must be watched, when faults begin, how they act."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from faultproxy.core.actions import Action, Filter, Fired
from faultproxy.core.events import FROM, INTERCEPTED, SENDER, Filtered, Seen, Side, Standing, Tap
from faultproxy.core.header import Packet
from faultproxy.core.packets import Packets
from faultproxy.core.pipe import AFTER_FIN
from faultproxy.core.plan import Chances, FaultPlan
from faultproxy.core.shape import FIN
from faultproxy.core.timeline import OnFin
from faultproxy.core.triggers import LocalFault

Gone = Callable[[Side], bool]
"""Whether the leg to that side has ended."""


class PacketSide:
    """The packet faults of a connection. `emit` takes what they decide."""

    def __init__(self, faults: Iterable[LocalFault], chances: Chances, emit: Callable[[Action], None]) -> None:
        self._faults: list[LocalFault] = []
        self._queued: list[LocalFault] = []
        self._emit = emit
        self._packets = Packets((), {}, emit)
        self.watched: frozenset[Tap] = frozenset()
        """The taps where any fault may have to do with segments."""
        for fault in faults:
            self._put(fault, chances)
        self._survey()

    # -------------------------------------------------- faults come and go

    def add(self, fault: LocalFault, chances: Chances) -> None:
        """One more, behind all others, not started."""
        self._put(fault, chances)
        self._survey()

    def remove(self, fault: LocalFault) -> None:
        """One that has healed is taken out."""
        if fault in self._faults:
            self._faults.remove(fault)
            self._packets.remove(fault.plan.name)
            self._survey()

    def change(self, fault: LocalFault, before: FaultPlan, chances: Chances, now: float, gone: Gone) -> None:
        """It has another plan than `before`: at the same taps, and perhaps by other means."""
        if fault.plan.packet is None:
            return
        if fault.plan.queued is not None and before.queued is not None:
            self._packets.change(fault.plan.name, fault.plan.queued, chances, now)
        elif fault.timeline.active and fault.plan.filtered and before.filtered:
            self._filter(fault, gone, on=True)
        elif fault.plan.filtered != before.filtered:
            self._change_means(fault, before, chances, now, gone)
        self._survey()

    @property
    def empty(self) -> bool:
        """Whether no fault is left."""
        return not self._faults

    def stands(self, event: Standing, now: float) -> None:
        """A leg has been open for a while, and is going to be watched."""
        self._packets.stands(event, now)

    def _put(self, fault: LocalFault, chances: Chances) -> None:
        if fault.plan.packet is not None:
            self._faults.append(fault)
            if fault.plan.queued is not None:
                self._packets.add(fault.plan.name, fault.plan.queued, chances)

    def _change_means(self, fault: LocalFault, before: FaultPlan, chances: Chances, now: float, gone: Gone) -> None:
        active, after = fault.timeline.active, fault.plan
        if active:
            fault.plan = before
            self.heal(fault, now, gone)
            fault.plan = after
        if after.queued is None:
            self._packets.remove(after.name)
        else:
            self._packets.add(after.name, after.queued, chances)
        if active:
            self.start(fault, now, gone)

    def _survey(self) -> None:
        self._queued = [fault for fault in self._faults if not fault.plan.filtered]
        before = self.watched
        self.watched = frozenset[Tap]().union(*(fault.plan.watches for fault in self._queued))
        for tap in before - self.watched:
            self._packets.look_away(tap)

    @property
    def intercepted(self) -> bool:
        """Whether its segments are not the proxy's own: it has no socket in the connection."""
        return not self.watched.isdisjoint(INTERCEPTED)

    # ------------------------------------------------------------ questions

    def acts(self, tap: Tap) -> bool:
        """Whether a fault acts on segments there now: each is to be told, and waits for a verdict."""
        return self._packets.active(tap)

    @property
    def needs_whole(self) -> bool:
        """Whether a fault that is active now needs segments copied whole, and one by one."""
        return any(fault.timeline.active and fault.plan.packet is not None and fault.plan.packet.whole for fault in self._queued)

    @property
    def needs_single(self) -> bool:
        """Whether a fault that is active now needs them one by one."""
        return any(fault.timeline.active and fault.plan.packet is not None and not fault.plan.packet.bundles for fault in self._queued)

    @property
    def matter(self) -> bool:
        """Whether segments still have to do with a fault that acts or is sure to start."""
        return any(fault.timeline.active or fault.timeline.deadline() is not None for fault in self._queued)

    def deadline(self) -> float | None:
        """When `due` is wanted."""
        return self._packets.deadline()

    def due(self, now: float) -> None:
        """Lets go what is due."""
        self._packets.due(now)

    def scan(self, tap: Tap, packet: Packet) -> tuple[str, ...]:
        """The faults that look for something in the payload and find it in this segment."""
        return self._packets.scan(tap, packet)

    def heeds(self, tap: Tap, reset: Packet) -> bool:
        """Whether a RST ends the connection (`Leg.heeds`)."""
        return self._packets.leg(tap).heeds(tap, reset)

    def begun(self, tap: Tap) -> int | None:
        """The number of the SYN that was seen there."""
        return self._packets.leg(tap).ways[tap].isn

    def carried(self, tap: Tap) -> int:
        """How many numbers have been used there since the SYN: bytes and the FIN, modulo 4 GiB."""
        way = self._packets.leg(tap).ways[tap]
        return 0 if way.isn is None or way.top is None else (way.top - way.isn - 1) % 2**32

    def note(self, tap: Tap, packet: Packet) -> None:
        """A segment has gone by."""
        self._packets.note(tap, packet)

    def seen(self, event: Seen, now: float) -> list[LocalFault]:
        """A segment is met. Returns the faults that it starts: those that wait for a FIN, for which it is one.

        The FIN has passed then; the acknowledgement that the kernel is about to send already meets the fault.
        """
        self._packets.push(event.tap, event.packet, event.matched, now)
        side = SENDER[event.tap]
        if not event.packet.flags & FIN or side is None:
            return []
        return [fault for fault in reversed(self._queued) if isinstance(fault.trigger, OnFin) and fault.trigger.side == side]

    def filtered(self, event: Filtered) -> None:
        """A socket filter has dropped something."""
        what = f"dropped {event.count} segment{'s' if event.count > 1 else ''} in the socket filter"
        tap: Tap = "from_client" if event.side == "client" else "from_server"
        self._emit(Fired(event.fault, what, FROM[event.side], tap=tap))

    def start(self, fault: LocalFault, now: float, gone: Gone) -> None:
        """The fault begins, behind the byte that started it, if one did."""
        place = (fault.where, fault.offset) if fault.where is not None and fault.offset is not None else None
        if fault.plan.filtered:
            self._filter(fault, gone, on=True)
        elif fault.plan.packet is not None:
            self._packets.start(fault.plan.name, now, place if place is not None and place[1] != AFTER_FIN else None)

    def heal(self, fault: LocalFault, now: float, gone: Gone) -> None:
        """The fault ends; what it holds goes on."""
        if fault.plan.filtered:
            self._filter(fault, gone, on=False)
        elif fault.plan.packet is not None:
            self._packets.heal(fault.plan.name, now)

    def _filter(self, fault: LocalFault, gone: Gone, *, on: bool) -> None:
        packet = fault.plan.packet
        assert packet is not None
        for tap in packet.taps:
            side = SENDER[tap]
            if side is not None and not gone(side):
                self._emit(Filter(fault.plan.name, side, (packet.shapes or ()) if on else ()))
