"""The segments of one connection: at each tap the stages of the packet faults, in file order, and what is in somebody's hand.

Whoever feeds segments in (`net/plane.py`) waits for a verdict on each: `Pass`, `Change` or `Lose`, at once or later, and carries out
`Inject`. A segment that is held on its way in gets its verdict when it is let go: its sender sees it late, and resends it. On its way
out that would not do: the kernel knows that its own segment still waits to be sent, so it would not resend it, and small queues would
throttle it (`tcp_limit_output_bytes`). So it is lost there by verdict, and a copy is sent when its time has come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from faultproxy.core.actions import Action, Change, Fired, Inject, Lose, Pass
from faultproxy.core.events import FLOW, LEGS, SENDER, Direction, Tap
from faultproxy.core.header import Packet, before
from faultproxy.core.match import Literal, Pattern
from faultproxy.core.packet_stage import Broken, Items, Lost, PacketPlan, PacketStage
from faultproxy.core.rng import Chance
from faultproxy.core.shape import ACK
from faultproxy.core.stage import Act
from faultproxy.core.track import Leg, Way

Emit = Callable[[Action], None]

_LONG_PAST = 2**30
"""Numbers behind the one at which a fault has begun from which nothing earlier can come any more. After 2**31 all would look earlier."""


class _Slot:
    """A stage in its place at a tap."""

    __slots__ = ("active", "behind", "name", "payload", "stage", "timed")

    def __init__(self, name: str, stage: PacketStage, payload: Pattern | None) -> None:
        self.name = name
        self.stage = stage
        self.payload = payload
        self.timed = type(stage).deadline is not PacketStage.deadline
        """It may want to be called at some time."""
        self.active = False
        self.behind: int | None = None
        """The fault begins with this sequence number: what started it is still to be sent, and passes."""

    def is_earlier(self, packet: Packet) -> bool:
        """Whether the segment carries what came before the fault."""
        if self.behind is None or not packet.size:
            return False
        if not before(packet.seq, self.behind):
            if (packet.seq - self.behind) & 0xFFFFFFFF > _LONG_PAST:
                self.behind = None
            return False
        return True


class _Wire:
    """One tap: its slots, what was seen there, and the segments that wait for a verdict."""

    __slots__ = ("live", "pending", "scanned", "slots", "tap", "timed", "way")

    def __init__(self, tap: Tap, way: Way) -> None:
        self.tap = tap
        self.way = way
        self.slots: list[_Slot] = []
        self.live: list[int] = []
        """Places of the active slots."""
        self.timed: list[_Slot] = []
        """Those of them that may want to be called at some time."""
        self.scanned: list[tuple[str, Pattern]] = []
        """Faults that look for something in payloads, active or not."""
        self.pending: dict[int, Packet] = {}

    def turn(self, index: int, active: bool) -> None:
        """The slot in that place begins to act, or ends."""
        self.slots[index].active = active
        self.live = [place for place, slot in enumerate(self.slots) if slot.active]
        self.timed = [slot for slot in self.slots if slot.active and slot.timed]


class Packets:
    """All taps of one connection. `chances` gives the stream of a (tap, fault)."""

    __slots__ = ("_emit", "_used", "_wires", "legs")

    def __init__(self, plans: Sequence[tuple[str, PacketPlan]], chances: Mapping[tuple[str, str], Chance], emit: Emit) -> None:
        self._emit = emit
        self.legs = {tap: leg for one, other in LEGS for leg in [Leg(one, other)] for tap in (one, other)}
        self._wires: dict[Tap, _Wire] = {tap: _Wire(tap, leg.ways[tap]) for tap, leg in self.legs.items()}
        for name, plan in plans:
            for tap in plan.taps:
                stage = plan.stage(tap, chances[tap, name], self.legs[tap])
                self._wires[tap].slots.append(_Slot(name, stage, plan.payload))
                if plan.payload is not None:
                    self._wires[tap].scanned.append((name, plan.payload))
        self._used = tuple(wire for wire in self._wires.values() if wire.slots)

    # ------------------------------------------------------------ questions

    def active(self, tap: Tap) -> bool:
        """Whether any fault acts there now."""
        return bool(self._wires[tap].live)

    @property
    def held(self) -> int:
        """Segments that wait for a verdict."""
        return sum(len(wire.pending) for wire in self._wires.values())

    def deadline(self) -> float | None:
        """When `due` is wanted."""
        earliest: float | None = None
        for wire in self._used:
            for slot in wire.timed:
                deadline = slot.stage.deadline()
                if deadline is not None and (earliest is None or deadline < earliest):
                    earliest = deadline
        return earliest

    def scan(self, tap: Tap, packet: Packet) -> tuple[str, ...]:
        """The faults at that tap whose `payload` pattern is in the segment."""
        scanned = self._wires[tap].scanned
        return tuple(name for name, pattern in scanned if _found(pattern, packet.payload)) if scanned else ()

    # --------------------------------------------------------------- events

    def note(self, tap: Tap, packet: Packet) -> None:
        """A segment has gone by; the latest of those that nobody had to look at."""
        self._wires[tap].way.skip_to(packet)
        if packet.flags & ACK:
            self.legs[tap].opposite(tap).skipped(packet.ack)

    def push(self, tap: Tap, packet: Packet, matched: Sequence[str], now: float) -> None:
        """A segment is met."""
        wire = self._wires[tap]
        packet.marks = wire.way.see(packet)
        if wire.live:
            ref = packet.ref
            self._meet(wire, packet, matched, now)
            if ref is not None and packet.ref is not None:
                self._hold(wire, packet)
        elif packet.ref is not None:
            self._leave(wire, packet)

    def start(self, fault: str, now: float, place: tuple[Direction, int] | None = None) -> None:
        """Starts every stage of that fault; behind that byte of a direction, where its own segments are still to be sent."""
        for wire in self._used:
            for index, slot in enumerate(wire.slots):
                if slot.name == fault:
                    slot.behind = None
                    if place is not None and SENDER[wire.tap] is None and FLOW[wire.tap] == place[0] and wire.way.isn is not None:
                        slot.behind = (wire.way.isn + 1 + place[1]) & 0xFFFFFFFF
                    if not slot.active:
                        wire.turn(index, True)
                    self._results(wire, index, slot.stage.start(now), now)

    def heal(self, fault: str, now: float) -> None:
        """Ends every stage of that fault; what it holds goes on to the faults behind it."""
        for wire in self._used:
            for index, slot in enumerate(wire.slots):
                if slot.name == fault and slot.active:
                    wire.turn(index, False)
                    self._results(wire, index, slot.stage.heal(now), now)
            if not wire.live:
                self._let_go(wire)

    def due(self, now: float) -> None:
        """Lets every stage do what is due."""
        for wire in self._used:
            for index in tuple(wire.live):
                stage = wire.slots[index].stage
                deadline = stage.deadline()
                if deadline is not None and deadline <= now:
                    self._results(wire, index, stage.due(now), now)

    # ------------------------------------------------------------------

    def _meet(self, wire: _Wire, packet: Packet, matched: Sequence[str], now: float) -> None:
        # As `_enter` from the first slot on, for a segment that most let pass as it is: this runs once for each.
        for index in wire.live:
            slot = wire.slots[index]
            if slot.behind is not None and slot.is_earlier(packet):
                continue
            items = slot.stage.packet(packet, slot.payload is None or slot.name in matched, now)
            if len(items) != 1 or items[0] is not packet:
                self._enter(wire, index + 1, self._taken(wire, slot, items), matched, now)
                return
        self._leave(wire, packet)

    def _enter(self, wire: _Wire, first: int, packets: Sequence[Packet], matched: Sequence[str] | None, now: float) -> None:
        # Shows segments to the slots from place `first` on; what comes through leaves. `matched` None: they are still to be scanned.
        for index in wire.live:
            if index < first or not packets:
                continue
            slot = wire.slots[index]
            through: list[Packet] = []
            for packet in packets:
                if slot.behind is not None and slot.is_earlier(packet):
                    through.append(packet)
                    continue
                fits = slot.payload is None or (_found(slot.payload, packet.payload) if matched is None else slot.name in matched)
                items = slot.stage.packet(packet, fits, now)
                if len(items) == 1 and items[0] is packet:
                    through.append(packet)
                else:
                    through += self._taken(wire, slot, items)
            packets = through
        for packet in packets:
            self._leave(wire, packet)

    def _results(self, wire: _Wire, index: int, items: Items, now: float) -> None:
        if items:
            self._enter(wire, index + 1, self._taken(wire, wire.slots[index], items), None, now)

    def _taken(self, wire: _Wire, slot: _Slot, items: Items) -> list[Packet]:
        through: list[Packet] = []
        for item in items:
            match item:
                case Act(what, _, size):
                    self._emit(Fired(slot.name, what, FLOW[wire.tap], None, size, wire.tap))
                case Lost(packet):
                    if packet.ref is not None:
                        self._emit(Lose(wire.tap, packet.ref))
                        self._settled(wire, packet)
                case Broken(packet):
                    self._leave(wire, packet, broken=True)
                case _:
                    through.append(item)
        return through

    def _leave(self, wire: _Wire, packet: Packet, broken: bool = False) -> None:
        ref = packet.ref
        if ref is not None:
            changed = (packet.changed or broken) and packet.whole
            self._emit(Change(wire.tap, ref, packet.encode(broken=broken)) if changed else Pass(wire.tap, ref))
            self._settled(wire, packet)
        elif packet.whole:
            # Even if nothing was changed: its checksum may have been left to the device, and a raw socket sends it as it is.
            self._emit(Inject(wire.tap, packet.encode(broken=broken)))

    def _hold(self, wire: _Wire, packet: Packet) -> None:
        assert packet.ref is not None
        if packet.outbound:
            self._emit(Lose(wire.tap, packet.ref, held=True))
            packet.ref = None
        else:
            wire.pending[packet.ref] = packet

    def _settled(self, wire: _Wire, packet: Packet) -> None:
        if packet.ref is not None:
            wire.pending.pop(packet.ref, None)
            packet.ref = None

    def _let_go(self, wire: _Wire) -> None:
        # Nobody is left to give a verdict: whatever a stage has forgotten must not wait for ever.
        for packet in list(wire.pending.values()):
            self._leave(wire, packet)


def _found(pattern: Pattern, payload: bytes) -> bool:
    if isinstance(pattern, Literal):
        return pattern.data in payload
    return any(pattern.expression.search(line.removesuffix(b"\r")) for line in payload.split(b"\n"))
