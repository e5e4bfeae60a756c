"""The segments of one connection: at each tap the stages of the packet faults, in file order, and what is in somebody's hand.

Whoever feeds segments in (`net/plane.py`) waits for a verdict on each: `Pass`, `Change` or `Lose`, at once or later, and carries out
`Inject`. A segment that is held on its way in gets its verdict when it is let go: its sender sees it late, and resends it. On its way
out that would not do: the kernel knows that its own segment still waits to be sent, so it would not resend it, and small queues would
throttle it (`tcp_limit_output_bytes`). So it is lost there by verdict, and a copy is sent when its time has come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from faultproxy.core.actions import Action, Change, Fired, Inject, Lose, Pass
from faultproxy.core.events import FLOW, LEGS, Tap
from faultproxy.core.header import Packet
from faultproxy.core.match import Literal, Pattern
from faultproxy.core.packet_stage import Broken, Items, Lost, PacketPlan, PacketStage
from faultproxy.core.rng import Chance
from faultproxy.core.stage import Act
from faultproxy.core.track import Leg, Way

Emit = Callable[[Action], None]


class _Slot:
    """A stage in its place at a tap."""

    __slots__ = ("active", "name", "payload", "stage")

    def __init__(self, name: str, stage: PacketStage, payload: Pattern | None) -> None:
        self.name = name
        self.stage = stage
        self.payload = payload
        self.active = False


class _Wire:
    """One tap: its slots, what was seen there, and the segments that wait for a verdict."""

    __slots__ = ("live", "pending", "slots", "tap", "way")

    def __init__(self, tap: Tap, way: Way) -> None:
        self.tap = tap
        self.way = way
        self.slots: list[_Slot] = []
        self.live: list[int] = []
        """Places of the active slots."""
        self.pending: dict[int, Packet] = {}


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
            for index in wire.live:
                deadline = wire.slots[index].stage.deadline()
                if deadline is not None and (earliest is None or deadline < earliest):
                    earliest = deadline
        return earliest

    def scan(self, tap: Tap, packet: Packet) -> tuple[str, ...]:
        """The faults at that tap whose `payload` pattern is in the segment."""
        return tuple(slot.name for slot in self._wires[tap].slots if slot.payload is not None and _found(slot.payload, packet.payload))

    # --------------------------------------------------------------- events

    def note(self, tap: Tap, packet: Packet) -> None:
        """A segment has gone by; the latest of those that nobody had to look at."""
        self._wires[tap].way.see(packet)

    def push(self, tap: Tap, packet: Packet, matched: Sequence[str], now: float) -> None:
        """A segment is met."""
        wire = self._wires[tap]
        packet.marks = wire.way.see(packet)
        if wire.live:
            ref = packet.ref
            self._enter(wire, 0, (packet,), matched, now)
            if ref is not None and packet.ref is not None:
                self._hold(wire, packet)
        elif packet.ref is not None:
            self._leave(wire, packet)

    def start(self, fault: str, now: float) -> None:
        """Starts every stage of that fault."""
        for wire in self._used:
            for index, slot in enumerate(wire.slots):
                if slot.name == fault:
                    if not slot.active:
                        slot.active = True
                        wire.live = sorted([*wire.live, index])
                    self._results(wire, index, slot.stage.start(now), now)

    def heal(self, fault: str, now: float) -> None:
        """Ends every stage of that fault; what it holds goes on to the faults behind it."""
        for wire in self._used:
            for index, slot in enumerate(wire.slots):
                if slot.name == fault and slot.active:
                    slot.active = False
                    wire.live.remove(index)
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

    def _enter(self, wire: _Wire, first: int, packets: Sequence[Packet], matched: Sequence[str] | None, now: float) -> None:
        # Shows segments to the slots from place `first` on; what comes through leaves. `matched` None: they are still to be scanned.
        for index in wire.live:
            if index < first or not packets:
                continue
            slot = wire.slots[index]
            through: list[Packet] = []
            for packet in packets:
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
        changed = (packet.changed or broken) and packet.whole
        if ref is not None:
            self._emit(Change(wire.tap, ref, packet.encode(broken=broken)) if changed else Pass(wire.tap, ref))
            self._settled(wire, packet)
        elif packet.whole:
            self._emit(Inject(wire.tap, packet.encode(broken=broken) if changed else packet.raw))

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
