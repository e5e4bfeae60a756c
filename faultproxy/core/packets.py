"""The segments of one connection: at each tap the stages of the packet faults, in file order, and what is in somebody's hand.

Whoever feeds segments in (`net/plane.py`) waits for a verdict on each: `Pass`, `Change` or `Lose`, at once or later, and carries out
`Inject`. A segment that is held on its way in gets its verdict when it is let go: its sender sees it late, and resends it. On its way
out that would not do: the kernel knows that its own segment still waits to be sent, so it would not resend it, and small queues would
throttle it (`tcp_limit_output_bytes`). So it is lost there by verdict, and a copy is sent when its time has come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from faultproxy.core.actions import Action, Change, Fired, Inject, Lose, Pass
from faultproxy.core.events import FLOW, LEGS, SENDER, TAPS, Direction, Standing, Tap
from faultproxy.core.header import Packet, before
from faultproxy.core.match import Pattern
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
        self.active = False
        self.behind: int | None = None
        """The fault begins with this sequence number: what started it is still to be sent, and passes."""
        self.put(stage, payload)

    def put(self, stage: PacketStage, payload: Pattern | None) -> None:
        """Another stage stands here."""
        self.stage = stage
        self.payload = payload
        self.timed = type(stage).deadline is not PacketStage.deadline
        """It may want to be called at some time."""

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

    __slots__ = ("back", "live", "pending", "scanned", "slots", "tap", "timed", "way")

    def __init__(self, tap: Tap, way: Way, back: Way) -> None:
        self.tap = tap
        self.way = way
        self.back = back
        """The other way of the leg."""
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
        self.sort()

    def sort(self) -> None:
        """After a change to the slots."""
        self.live = [place for place, slot in enumerate(self.slots) if slot.active]
        self.timed = [slot for slot in self.slots if slot.active and slot.timed]
        self.scanned = [(slot.name, slot.payload) for slot in self.slots if slot.payload is not None]


class Packets:
    """All taps of one connection. `chances` gives the stream of a (tap, fault)."""

    __slots__ = ("_emit", "_legs", "_used", "_wires")

    def __init__(self, plans: Sequence[tuple[str, PacketPlan]], chances: Mapping[tuple[str, str], Chance], emit: Emit) -> None:
        self._emit = emit
        self._legs: dict[Tap, Leg] = {}
        self._wires: dict[Tap, _Wire] = {}
        """Both made when somebody first asks: thousands of connections may get a fault at once, and most faults stand at one leg."""
        self._used: tuple[_Wire, ...] = ()
        """Those that have slots."""
        for name, plan in plans:
            self.add(name, plan, chances)

    # -------------------------------------------------- faults come and go

    def add(self, name: str, plan: PacketPlan, chances: Mapping[tuple[str, str], Chance]) -> None:
        """Its stages behind all others, not started."""
        for tap in plan.taps:
            wire = self._wire(tap)
            wire.slots.append(_Slot(name, plan.stage(tap, chances[tap, name], self.leg(tap)), plan.payload))
            wire.sort()
        self._sort()

    def change(self, name: str, plan: PacketPlan, chances: Mapping[tuple[str, str], Chance], now: float) -> None:
        """Other stages take the place of that fault's, at the same taps. What those hold that are active is taken over, or goes on."""
        for wire in self._used:
            for index, slot in enumerate(wire.slots):
                if slot.name == name:
                    before = slot.stage
                    slot.put(plan.stage(wire.tap, chances[wire.tap, name], self.leg(wire.tap)), plan.payload)
                    wire.sort()
                    if slot.active and not slot.stage.inherit(before):
                        self._results(wire, index, before.heal(now), now)
                        self._results(wire, index, slot.stage.start(now), now)

    def remove(self, name: str) -> None:
        """Takes out the stages of a fault that has healed, and so hold nothing."""
        for wire in self._used:
            wire.slots = [slot for slot in wire.slots if slot.name != name]
            wire.sort()
        self._sort()

    def _sort(self) -> None:
        self._used = tuple(wire for tap in TAPS if (wire := self._wires.get(tap)) is not None and wire.slots)

    def _wire(self, tap: Tap) -> _Wire:
        wire = self._wires.get(tap)
        if wire is None:
            leg = self.leg(tap)
            wire = self._wires[tap] = _Wire(tap, leg.ways[tap], leg.opposite(tap))
        return wire

    # ------------------------------------------------------------ questions

    def leg(self, tap: Tap) -> Leg:
        """What has been seen of the leg to which the tap belongs."""
        leg = self._legs.get(tap)
        if leg is None:
            taps = next(taps for taps in LEGS if tap in taps)
            leg = Leg(*taps)
            self._legs |= dict.fromkeys(taps, leg)
        return leg

    def active(self, tap: Tap) -> bool:
        """Whether any fault acts there now."""
        wire = self._wires.get(tap)
        return wire is not None and bool(wire.live)

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
        scanned = self._wire(tap).scanned
        return tuple(name for name, pattern in scanned if pattern.stands_in(packet.payload)) if scanned else ()

    # --------------------------------------------------------------- events

    def stands(self, event: Standing, now: float) -> None:
        """The segments of a leg are going to be met that has been open for a while."""
        wire, packet = self._wire(event.tap), event.packet
        scale, scale_back = (None if scale < 0 else scale for scale in (event.scale, event.scale_back))
        wire.way.stands(event.begun, packet.seq, packet.ack, packet.window, scale)
        wire.way.last = packet
        wire.back.stands(event.begun_back, packet.ack, event.unacked, event.window_back, scale_back)
        for each in self._used:
            if each.way is wire.way or each.way is wire.back:
                for index in tuple(each.live):
                    self._results(each, index, each.slots[index].stage.known(now), now)

    def look_away(self, tap: Tap) -> None:
        """Nobody wants to see the segments of that tap any more."""
        self._wire(tap).way.look_away()

    def note(self, tap: Tap, packet: Packet) -> None:
        """A segment has gone by; the latest of those that nobody had to look at."""
        wire = self._wire(tap)
        wire.way.skip_to(packet)
        if packet.flags & ACK:
            wire.back.skipped(packet.ack)

    def push(self, tap: Tap, packet: Packet, matched: Sequence[str], now: float) -> None:
        """A segment is met."""
        wire = self._wires.get(tap) or self._wire(tap)
        packet.marks = wire.way.see(packet)
        if wire.back.isn is None and packet.flags & ACK:  # nobody has seen it open, so what is acknowledged may have gone by unseen
            wire.back.skipped(packet.ack)
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
                fits = slot.payload is None or (slot.payload.stands_in(packet.payload) if matched is None else slot.name in matched)
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
