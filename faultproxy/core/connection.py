"""One proxied connection: two pipes, the timelines of the faults that chose it, and the rules of closing.

`handle(event, now)` answers with actions, `deadline()` says when to come back with `Timer`, and `quiet_until(direction)` how many bytes
may pass without asking at all. Closing follows TCP (RFC 9293, 3.6): each direction ends on its own, a FIN is passed on as a FIN
behind the last byte and a RST as a RST; a leg is closed when it has had both FINs. A leg that a fault has ended leaves the other one
open, read and unanswered, until its peer ends it too. `docs/closing.md` tells why.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence

from faultproxy.core import events as ev
from faultproxy.core.actions import Action, Fired, Healed, Started
from faultproxy.core.connection_outlets import Outlets
from faultproxy.core.events import DIRECTIONS, FLOW, FROM, SOURCE, Direction, Hit, Side
from faultproxy.core.limits import LASTS, Budget
from faultproxy.core.lives import Lives
from faultproxy.core.mechanism import by
from faultproxy.core.packet_side import PacketSide
from faultproxy.core.pipe import AFTER_FIN
from faultproxy.core.plan import Chances, Dial, FaultPlan, Peer, Shared, Sockets
from faultproxy.core.stage import Chunk, Close, Fin, Rst
from faultproxy.core.timeline import OnFin
from faultproxy.core.triggers import LocalFault, Triggers


class Connection(Outlets):
    """One connection. `chances` gives the stream of a (direction or purpose, fault); `shared` what a fault shares with all connections."""

    def __init__(
        self,
        ordinal: int,
        peer: Peer,
        plans: Sequence[FaultPlan],
        *,
        chances: Chances,
        shared: Shared,
        clock_start: float = 0.0,
        budget: Budget | None = None,
    ) -> None:
        super().__init__(budget or Budget())
        self.ordinal = ordinal
        self.peer = peer
        self._faults = {plan.name: LocalFault(plan, chances["", plan.name]) for plan in plans}
        self._triggers = Triggers(self._faults.values())
        self._clock_start = clock_start
        self._deadline: float | None = None
        self._lives = Lives(self._faults.values(), self._start, self._healed)
        for plan in plans:
            for direction, stage in plan.stages(chances, shared):
                self._pipes[direction].add(plan.name, stage)
        self.packets: PacketSide | None = None
        """The packet faults, if it has any."""
        if any(plan.packet is not None for plan in plans):
            self.packets = PacketSide(self._faults.values(), chances, self._say)
        self.lasting = False
        """It is over for its sockets, but faults still have to do with its last segments."""
        self._lasts_until = 0.0

    # ------------------------------------------------------------ questions

    @property
    def faults(self) -> frozenset[str]:
        """The names of the faults that chose this connection."""
        return frozenset(self._faults)

    @property
    def active(self) -> tuple[str, ...]:
        """The names of the faults that are active now, in file order."""
        return tuple(name for name, fault in self._faults.items() if fault.timeline.active)

    @property
    def held(self) -> int:
        """Bytes that faults hold, both directions."""
        return self._pipes["c2s"].held + self._pipes["s2c"].held

    def deadline(self) -> float | None:
        """When `Timer` is wanted; None: not at all."""
        return self._deadline

    def quiet_until(self, direction: Direction) -> int:
        """The offset up to which bytes of this direction may pass unseen (`ALL`: any number). A FIN or RST must always be told."""
        pipe = self._pipes[direction]
        return -1 if pipe.busy else self._triggers.quiet_until(direction, pipe.entered)

    def busy(self, direction: Direction) -> bool:
        """Beyond `quiet_until`: whether bytes of this direction must go through `handle` even where `scan` finds nothing in them."""
        return self._pipes[direction].busy or self._triggers.next_place(direction, 0) is not None

    def scan(self, direction: Direction, offset: int, data: bytes | memoryview) -> tuple[Hit, ...]:
        """What the triggers of this direction find in bytes that stand at `offset`. No byte is to be shown twice."""
        return self._triggers.scan(direction, offset, data)

    def sockets(self, base: Sockets) -> Sockets:
        """The kernel buffers that the faults of this connection want, over those of `base`."""
        for fault in self._faults.values():
            if fault.plan.sockets is not None:
                base = fault.plan.sockets(base)
        return base

    # --------------------------------------------------------------- events

    def open(self, now: float, ordered: Mapping[str, tuple[float, str]] | None = None, resting: Collection[str] = ()) -> list[Action]:
        """The client has been accepted; nothing is dialled yet. `ordered` and `resting` as in `Lives.opened`."""
        self._lives.opened(now, self._clock_start, ordered or {}, resting)
        return self._settled(now)

    def join(self, plan: FaultPlan, chances: Chances, shared: Shared, now: float) -> list[Action]:
        """A fault is added behind all others."""
        self.handle(ev.Timer(), now)
        fault = self._faults[plan.name] = LocalFault(plan, chances["", plan.name], "added")
        for direction, stage in plan.stages(chances, shared):
            self._pipes[direction].add(plan.name, stage)
        if plan.packet is not None:
            if self.packets is None:
                self.packets = PacketSide((), {}, self._say)
            self.packets.add(fault, chances)
        self._triggers.add(fault)
        self._lives.join(fault, now, self._clock_start)
        self.epoch += 1
        return self._settled(now)

    def leave(self, name: str, why: str, now: float, drain: bool = False) -> list[Action]:
        """A fault heals and is taken out. `drain`: bytes that it holds until a certain time keep that time."""
        self.handle(ev.Timer(), now)
        fault = self._faults.pop(name)
        for pipe in self._pipes.values() if drain else ():
            pipe.let_go(name)
        self._lives.leave(fault, why, now)
        self._triggers.remove(fault)
        for pipe in self._pipes.values():
            pipe.remove(name)
        if self.packets is not None:
            self.packets.remove(fault)
            if self.packets.empty:
                self.packets = None
        self.epoch += 1
        return self._settled(now)

    def change(self, plan: FaultPlan, chances: Chances, shared: Shared, now: float) -> list[Action]:
        """A fault goes on with other figures, and keeps what it holds; when it acts, and where, is as before."""
        self.handle(ev.Timer(), now)
        fault = self._faults[plan.name]
        before, fault.plan = fault.plan, plan
        for direction, stage in plan.stages(chances, shared):
            self._pipes[direction].change(plan.name, stage, now)
        if self.packets is not None:
            self.packets.change(fault, before, chances, now, self._is_gone)
        self.epoch += 1
        return self._settled(now)

    def dial(self, plan: Dial, now: float) -> tuple[Dial, list[Action]]:
        """How to dial the upstream, by the faults that are active; asked once, when it is about to be dialled."""
        self._actions = []
        for fault in self._faults.values():
            if fault.plan.dial is not None and fault.timeline.active:
                before, plan = plan, fault.plan.dial(plan, fault.chance)
                if plan != before:
                    self._actions.append(Fired(fault.plan.name, plan.difference(before)))
        return plan, self._actions

    def handle(self, event: ev.Event, now: float) -> list[Action]:
        """What is to be done about `event` at time `now`. Whatever was due before now happens before it."""
        self._actions = []
        if self.over and not self.lasting:
            return self._actions
        kind = type(event)
        if kind is ev.Noted and self.packets is not None:  # it went by before whatever is due by now, and decides nothing
            self.packets.note(event.tap, event.packet)  # type: ignore[union-attr]
            return self._actions
        if self._deadline is not None and self._deadline <= now:
            self._advance(now)
        if kind is ev.Seen:
            if not self._seen(event, now):  # type: ignore[arg-type]
                return self._actions
        elif kind is ev.Data:
            self._data(event, now)  # type: ignore[arg-type]
        elif kind is not ev.Timer:
            self._other(event, now)
        return self._settled(now)

    def _other(self, event: ev.Event, now: float) -> None:
        match event:
            case ev.Filtered() if self.packets is not None:
                self.packets.filtered(event)
            case ev.Standing() if self.packets is not None:
                self.packets.stands(event, now)
            case ev.Eof(direction, offset):
                self._eof(direction, offset, now)
            case ev.PeerReset(side):
                self._died(side, now)
            case ev.Dialled():
                early, self._early = self._early, None
                self._actions += early or ()
            case ev.DialFailed(_, orderly):
                self._early = None
                self._died("server", now, orderly)
            case ev.Waiting(direction):
                self._pipes[direction].waiting(now)
            case ev.Order(name, heal, why, by_hand) if (ordered := self._faults.get(name)) is not None:
                if by_hand:
                    self.epoch += self._lives.order(ordered, heal, why, now)
                elif heal:
                    self._lives.heal(ordered, why, now)
                else:
                    self._trigger(ordered, why, now)
            case ev.RunEnds() | ev.Forgotten():
                self._lives.finish("the run ends" if isinstance(event, ev.RunEnds) else "it is forgotten", now)
                for pipe in self._pipes.values():
                    pipe.heal("", now)  # what was leaving

    def _seen(self, event: ev.Seen, now: float) -> bool:
        # True: more is to be settled than when to come back.
        assert self.packets is not None
        started = self.packets.seen(event, now)
        for fault in started:
            self._trigger(fault, f"the {SOURCE[FLOW[event.tap]]} has sent its FIN", now)
        if started or self.lasting:
            return True
        self._set_deadline()
        return self._deadline is not None and self._deadline <= now

    def _data(self, event: ev.Data, now: float) -> None:
        direction, offset, data = event.direction, event.offset, event.data
        pipe = self._pipes[direction]
        pipe.entered = offset
        end = offset + len(data)
        if event.hits or self._triggers.counts(direction):
            # Cut behind every byte that starts something, so that what follows meets the fault and what came before does not.
            found = deque(sorted(event.hits, key=lambda hit: hit.offset))
            while (hits := self._triggers.next_hits(found, self._faults, direction, offset, end)) is not None:
                place = hits[0].offset
                if place > offset:
                    pipe.push(Chunk(offset, data[: place - offset]), now)
                    data, offset = data[place - offset :], place
                for hit in hits:
                    self._trigger(self._faults[hit.fault], hit.why, now, direction, place)
                self._advance(now)  # as it would be had the bytes come one by one
        if data:
            pipe.push(Chunk(offset, data), now)

    def _eof(self, direction: Direction, offset: int, now: float) -> None:
        side = SOURCE[direction]
        leg, pipe = self._legs[side], self._pipes[direction]
        if leg.got_fin or leg.gone:
            return
        leg.got_fin = True
        pipe.entered = offset
        pipe.push(Fin(), now)
        for fault in reversed(self._faults.values()):
            if isinstance(fault.trigger, OnFin) and fault.trigger.side == side and fault.plan.queued is None:
                self._trigger(fault, f"the {side} has sent its FIN", now, direction, AFTER_FIN)

    def _died(self, side: Side, now: float, orderly: bool = False) -> None:
        if not self._legs[side].gone:
            self._leg_gone(side)
            self._legs[side].reset = True
            self._pipes[FROM[side]].push(Close() if orderly else Rst(), now)

    # ----------------------------------------------------- starting, healing

    def _advance(self, now: float) -> None:
        # At the same time, faults before what stages hold.
        self._lives.advance(now)
        for direction in DIRECTIONS:
            self.epoch += self._pipes[direction].due(now)
        if self.packets is not None:
            self.packets.due(now)

    def _trigger(self, fault: LocalFault, why: str, now: float, direction: Direction | None = None, offset: int | None = None) -> None:
        if self._lives.trigger(fault, why, now, direction, offset):
            self.epoch += 1

    def _start(self, fault: LocalFault, now: float, again: bool) -> None:
        name, where, offset = fault.plan.name, fault.where, fault.offset
        self.epoch += 1
        if again:  # only said: places that the stream has still to come to remain
            self._actions.append(Healed(name, "it starts again", final=True))
        self._actions.append(Started(name, fault.why, None if offset == AFTER_FIN else offset, by(fault.plan)))
        if self.packets is not None:
            self.packets.start(fault, now, self._is_gone)
        for direction in DIRECTIONS:
            self._pipes[direction].start(name, offset if direction == where else None, now)

    def _healed(self, fault: LocalFault, why: str, now: float, final: bool) -> None:
        name = fault.plan.name
        self.epoch += 1
        self._actions.append(Healed(name, why, final))
        if self.packets is not None:
            self.packets.heal(fault, now, self._is_gone)
        for direction in DIRECTIONS:
            self._pipes[direction].heal(name, now)

    # -------------------------------------------------------------- outcome

    def _settled(self, now: float) -> list[Action]:
        self._set_deadline()
        if self._deadline is not None and self._deadline <= now:
            self._advance(now)
            self._set_deadline()
        self._close_finished_legs()
        if not self.over:
            self._flow()
        elif not self.lasting:
            self._end(now)
        elif now >= self._lasts_until or self.packets is None or not self.packets.matter:
            self._let_go(now)
        return self._actions

    def _end(self, now: float) -> None:
        for pipe in self._pipes.values():
            pipe.release(now)
        for fault in self._faults.values():
            if fault.plan.queued is None:
                if fault.timeline.active:
                    self._actions.append(Healed(fault.plan.name, "the connection has ended", final=True))
                self._lives.stop(fault)
        if self.packets is not None and self.packets.matter:
            # The kernel goes on closing: a FIN is resent, the last ACK is still to come.
            self.lasting = True
            self._lasts_until = now + LASTS
            self._set_deadline()
        else:
            self._let_go(now)

    def _let_go(self, now: float) -> None:
        self._lives.finish("the connection has ended", now)
        self.lasting = False
        self.epoch += 1
        self._deadline = None

    def _set_deadline(self) -> None:
        # Asked for every segment that is met, and for all that is read where a fault acts: hence no list and no min().
        earliest = self._lives.deadline()
        other = self._pipes["c2s"].deadline()
        if other is not None and (earliest is None or other < earliest):
            earliest = other
        other = self._pipes["s2c"].deadline()
        if other is not None and (earliest is None or other < earliest):
            earliest = other
        if self.packets is not None:
            other = self.packets.deadline()
            if other is not None and (earliest is None or other < earliest):
                earliest = other
            if self.lasting and (earliest is None or self._lasts_until < earliest):
                earliest = self._lasts_until
        self._deadline = earliest
