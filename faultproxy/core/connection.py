"""One proxied connection: two pipes, the timelines of the faults that chose it, and the rules of closing.

`handle(event, now)` answers with actions, `deadline()` says when to come back with `Timer`, and `quiet_until(direction)` how many bytes
may pass without asking at all. Closing follows TCP (RFC 9293, 3.6): each direction ends on its own, a FIN is passed on as a FIN
behind the last byte and a RST as a RST; a leg is closed when it has had both FINs. A leg that a fault has ended leaves the other one
open, read and unanswered, until its peer ends it too. `docs/closing.md` tells why.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from faultproxy.core import events as ev
from faultproxy.core.actions import Action, CloseLeg, Fired, Healed, Pause, ResetLeg, Resume, Send, SendFin, Started
from faultproxy.core.events import DIRECTIONS, FROM, SIDES, SINK, SOURCE, TO, Direction, Hit, Side
from faultproxy.core.limits import Budget
from faultproxy.core.pipe import AFTER_FIN, Pipe
from faultproxy.core.plan import Dial, FaultPlan, Peer, Sockets
from faultproxy.core.rng import Chance
from faultproxy.core.stage import Act, Chunk, Close, Fin, Item, Rst
from faultproxy.core.timeline import AfterBytes, OnFin, OnMatch, OnOther, Timeline

ALL = sys.maxsize
"""As an offset: any number of bytes."""


class _Leg:
    __slots__ = ("gone", "got_fin", "sent_fin")

    def __init__(self) -> None:
        self.got_fin = self.sent_fin = self.gone = False


class _Fault:
    """One fault in this connection."""

    __slots__ = ("chance", "offset", "plan", "timeline", "trigger", "where", "why")

    def __init__(self, plan: FaultPlan, chance: Chance) -> None:
        self.plan = plan
        self.chance = chance
        self.timeline = Timeline(plan.schedule)
        self.trigger = plan.schedule.trigger
        self.why = "connection opened"
        self.where: Direction | None = None
        self.offset: int | None = None


class _Search:
    """One pattern looked for in one direction. Where bytes went by unseen, it begins anew: a match never spans what was not read."""

    __slots__ = ("_next", "_scanner", "fault", "pattern")

    def __init__(self, fault: _Fault, trigger: OnMatch) -> None:
        self.fault = fault
        self.pattern = trigger.pattern
        self._scanner = trigger.pattern.scanner()
        self._next = 0

    def feed(self, offset: int, data: bytes | memoryview) -> list[int]:
        if offset != self._next:
            self._scanner = self.pattern.scanner()
        self._next = offset + len(data)
        return [offset + end for end in self._scanner.feed(data)]


class Connection:
    """One connection. `chances` gives the stream of a (direction or purpose, fault); `shared` what a fault shares with all connections."""

    def __init__(
        self,
        ordinal: int,
        peer: Peer,
        plans: Sequence[FaultPlan],
        *,
        chances: Mapping[tuple[str, str], Chance],
        shared: Mapping[tuple[Direction, str], object],
        clock_start: float = 0.0,
        budget: Budget | None = None,
    ) -> None:
        self.ordinal = ordinal
        self.peer = peer
        self.over = False
        self._actions: list[Action] = []
        self._faults = {plan.name: _Fault(plan, chances["", plan.name]) for plan in plans}
        self._clock_start = clock_start
        self._legs: dict[Side, _Leg] = {"client": _Leg(), "server": _Leg()}
        self._early: list[Action] | None = []
        self._paused: dict[Direction, bool] = {"c2s": False, "s2c": False}
        self._reset_in: dict[Direction, bool] = {"c2s": False, "s2c": False}
        self._deadline: float | None = None
        budget = budget or Budget()
        self._pipes: dict[Direction, Pipe] = {}
        for direction in DIRECTIONS:
            stages = [
                (plan.name, plan.stage(direction, chances[direction, plan.name], shared.get((direction, plan.name))))
                for plan in plans
                if plan.stage is not None and direction in plan.directions
            ]
            emit = self._emit_c2s if direction == "c2s" else self._emit_s2c
            report = self._report_c2s if direction == "c2s" else self._report_s2c
            self._pipes[direction] = Pipe(stages, emit, report, budget)
        self._searches: dict[Direction, list[_Search]] = {d: [] for d in DIRECTIONS}
        self._counts: dict[Direction, list[tuple[_Fault, AfterBytes]]] = {d: [] for d in DIRECTIONS}
        for fault in self._faults.values():
            if isinstance(fault.trigger, OnMatch):
                for direction in fault.trigger.directions:
                    self._searches[direction].append(_Search(fault, fault.trigger))
            elif isinstance(fault.trigger, AfterBytes):
                for direction in fault.trigger.directions:
                    self._counts[direction].append((fault, fault.trigger))

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
        if self._pipes[direction].busy:
            return -1
        if any(search.fault.timeline.waiting for search in self._searches[direction]):
            return -1
        limit = ALL
        for fault, trigger in self._counts[direction]:
            if fault.timeline.waiting:
                limit = min(limit, trigger.count * (fault.timeline.starts + 1) - 1)
        return limit

    def busy(self, direction: Direction) -> bool:
        """Whether bytes of this direction must go through `handle` even where `scan` finds nothing in them."""
        return self._pipes[direction].busy

    def scan(self, direction: Direction, offset: int, data: bytes | memoryview) -> tuple[Hit, ...]:
        """What the triggers of this direction find in bytes that stand at `offset`. No byte is to be shown twice."""
        hits: list[Hit] = []
        for search in self._searches[direction]:
            if search.fault.timeline.waiting:
                hits += [Hit(search.fault.plan.name, end, f"matched {search.pattern} in {direction}") for end in search.feed(offset, data)]
        return tuple(hits)

    def sockets(self, base: Sockets) -> Sockets:
        """The kernel buffers that the faults of this connection want, over those of `base`."""
        for fault in self._faults.values():
            if fault.plan.sockets is not None:
                base = fault.plan.sockets(base)
        return base

    # --------------------------------------------------------------- events

    def open(self, now: float) -> list[Action]:
        """The client has been accepted; nothing is dialled yet."""
        for fault in self._faults.values():
            fault.timeline.opened(now, self._clock_start)
        return self._settled(now)

    def dial(self, plan: Dial, now: float) -> tuple[Dial, list[Action]]:
        """How to dial the upstream, by the faults that are active; asked once, when it is about to be dialled."""
        self._actions = []
        for fault in self._faults.values():
            if fault.plan.dial is not None and fault.timeline.active:
                changed = fault.plan.dial(plan, fault.chance)
                if changed != plan:
                    self._actions.append(Fired(fault.plan.name, _difference(plan, changed)))
                plan = changed
        return plan, self._actions

    def handle(self, event: ev.Event, now: float) -> list[Action]:
        """What is to be done about `event` at time `now`. Whatever was due before now happens before it."""
        self._actions = []
        if self.over:
            return self._actions
        if self._deadline is not None and self._deadline <= now:
            self._advance(now)
        kind = type(event)
        if kind is ev.Data:
            self._data(event, now)  # type: ignore[arg-type]
        elif kind is not ev.Timer:
            self._other(event, now)
        return self._settled(now)

    def _other(self, event: ev.Event, now: float) -> None:
        match event:
            case ev.Eof(direction, offset):
                self._eof(direction, offset, now)
            case ev.PeerReset(side):
                self._died(side, now)
            case ev.Dialled():
                early, self._early = self._early, None
                self._actions += early or ()
            case ev.DialFailed():
                self._early = None
                self._died("server", now)
            case ev.Waiting(direction):
                self._pipes[direction].waiting(now)
            case ev.Order(name, heal, why):
                self._order(self._faults.get(name), heal, why, now)
            case ev.RunEnds():
                for fault in self._faults.values():
                    self._heal(fault, "the run ends", now, final=True)
                    fault.timeline.stop()

    def _data(self, event: ev.Data, now: float) -> None:
        direction, offset, data = event.direction, event.offset, event.data
        pipe = self._pipes[direction]
        pipe.entered = offset
        end = offset + len(data)
        if not event.hits and not self._counts[direction]:
            pipe.push(Chunk(offset, data), now)
            return
        # Cut behind every byte that may start something, so that what follows meets the fault and what came before does not.
        for hit in sorted([*event.hits, *self._count_hits(direction, offset, end)], key=lambda hit: hit.offset):
            fault = self._faults[hit.fault]
            if not fault.timeline.waiting:
                continue
            if hit.offset > offset:
                pipe.push(Chunk(offset, data[: hit.offset - offset]), now)
                data, offset = data[hit.offset - offset :], hit.offset
            self._trigger(fault, hit.why, now, direction, hit.offset)
        if data:
            pipe.push(Chunk(offset, data), now)

    def _count_hits(self, direction: Direction, offset: int, end: int) -> list[Hit]:
        hits = []
        for fault, trigger in self._counts[direction]:
            count = trigger.count
            first = max(offset // count + 1, fault.timeline.starts + 1)
            hits += [Hit(fault.plan.name, at, f"{at} bytes sent in {direction}") for at in range(first * count, end + 1, count)]
        return hits

    def _eof(self, direction: Direction, offset: int, now: float) -> None:
        side = SOURCE[direction]
        leg = self._legs[side]
        if leg.got_fin or leg.gone:
            return
        leg.got_fin = True
        pipe = self._pipes[direction]
        pipe.entered = offset
        pipe.push(Fin(), now)
        for fault in self._faults.values():
            if isinstance(fault.trigger, OnFin) and fault.trigger.side == side:
                self._trigger(fault, f"the {side} has sent its FIN", now, direction, AFTER_FIN)

    def _died(self, side: Side, now: float) -> None:
        if not self._legs[side].gone:
            self._leg_gone(side)
            self._reset_in[FROM[side]] = True
            self._pipes[FROM[side]].push(Rst(), now)

    def _order(self, fault: _Fault | None, heal: bool, why: str, now: float) -> None:
        if fault is None:
            return
        if heal:
            self._heal(fault, why, now)
        else:
            self._trigger(fault, why, now)

    # ----------------------------------------------------- starting, healing

    def _advance(self, now: float) -> None:
        # Whatever is due, in the order of time; at the same time, faults in file order and before what stages hold.
        for _ in range(10_000):
            due = [(t, fault) for fault in self._faults.values() if (t := fault.timeline.deadline()) is not None and t <= now]
            if not due:
                break
            fault = min(due, key=lambda pair: pair[0])[1]
            step = fault.timeline.step(now)
            if step == "start":
                self._start(fault, now)
            elif step == "heal":
                self._healed(fault, "its time is over", now)
        for direction in DIRECTIONS:
            self._pipes[direction].due(now)

    def _trigger(self, fault: _Fault, why: str, now: float, direction: Direction | None = None, offset: int | None = None) -> None:
        if not fault.timeline.trigger(now):
            return
        fault.why = why
        fault.where, fault.offset = (direction, offset) if not fault.plan.schedule.after else (None, None)
        if fault.timeline.step(now) == "start":
            self._start(fault, now)

    def _start(self, fault: _Fault, now: float) -> None:
        name, where, offset = fault.plan.name, fault.where, fault.offset
        self._actions.append(Started(name, fault.why, None if offset == AFTER_FIN else offset))
        for direction in DIRECTIONS:
            self._pipes[direction].start(name, offset if direction == where else None, now)
        fault.where = fault.offset = None
        self._chain(name, heals=False, now=now)

    def _heal(self, fault: _Fault, why: str, now: float, final: bool = False) -> None:
        if fault.timeline.active:
            fault.timeline.heal()
            self._healed(fault, why, now, final)

    def _healed(self, fault: _Fault, why: str, now: float, final: bool = False) -> None:
        name = fault.plan.name
        self._actions.append(Healed(name, why, final))
        for direction in DIRECTIONS:
            self._pipes[direction].heal(name, now)
        if not final:
            self._chain(name, heals=True, now=now)

    def _chain(self, name: str, heals: bool, now: float) -> None:
        for fault in self._faults.values():
            if fault.trigger == OnOther(name, heals):
                self._trigger(fault, f"{name} {'healed' if heals else 'started'}", now)

    # -------------------------------------------------------------- outcome

    def _emit_c2s(self, item: Item) -> None:
        self._emit("c2s", item)

    def _emit_s2c(self, item: Item) -> None:
        self._emit("s2c", item)

    def _report_c2s(self, fault: str, act: Act) -> None:
        self._actions.append(Fired(fault, act.what, "c2s", act.offset, act.size))

    def _report_s2c(self, fault: str, act: Act) -> None:
        self._actions.append(Fired(fault, act.what, "s2c", act.offset, act.size))

    def _emit(self, direction: Direction, item: Item) -> None:
        sink = SINK[direction]
        leg = self._legs[sink]
        match item:
            case _ if leg.gone:
                return
            case Chunk():
                self._do(sink, Send(direction, item.data))
            case Fin():
                leg.sent_fin = True
                self._do(sink, SendFin(direction))
            case Rst():
                self._do(sink, ResetLeg(sink))
                self._leg_gone(sink)
            case Close(linger):
                self._do(sink, CloseLeg(sink, linger))
                self._leg_gone(sink)
            case _:  # Broken: bytes are missing, and both ends must know
                for side in SIDES:
                    if not self._legs[side].gone:
                        self._do(side, ResetLeg(side))
                        self._leg_gone(side)

    def _do(self, side: Side, action: Action) -> None:
        if side == "server" and self._early is not None:
            self._early.append(action)
        else:
            self._actions.append(action)

    def _leg_gone(self, side: Side) -> None:
        self._legs[side].gone = True
        self._pipes[TO[side]].discard()

    def _settled(self, now: float) -> list[Action]:
        self._advance(now)
        self._close_finished_legs()
        if self.over:
            self._end(now)
        else:
            self._flow()
        self._set_deadline()
        return self._actions

    def _close_finished_legs(self) -> None:
        client, server = self._legs["client"], self._legs["server"]
        pairs: tuple[tuple[Side, _Leg, _Leg], ...] = (("client", client, server), ("server", server, client))
        for side, leg, other in pairs:
            # With both FINs through, the leg is done. Where a fault has ended the other leg without a FIN, nothing more can come for
            # this peer: when it ends its own half, so do we.
            orphan = other.gone and not other.got_fin and self._pipes[TO[side]].held == 0
            if not leg.gone and leg.got_fin and (leg.sent_fin or (orphan and not self._expects(side))):
                self._do(side, CloseLeg(side))
                self._leg_gone(side)
        self.over = client.gone and server.gone

    def _expects(self, side: Side) -> bool:
        """Whether a RST is still on its way to `side`, or was swallowed by a fault that will answer for it."""
        return self._reset_in[TO[side]] and not self._pipes[TO[side]].dead

    def _end(self, now: float) -> None:
        for fault in self._faults.values():
            if fault.timeline.active:
                self._actions.append(Healed(fault.plan.name, "the connection has ended", final=True))
            fault.timeline.stop()
        for pipe in self._pipes.values():
            pipe.release()

    def _flow(self) -> None:
        for direction in DIRECTIONS:
            leg = self._legs[SOURCE[direction]]
            if leg.gone or leg.got_fin:
                continue
            paused = not self._pipes[direction].reading
            if paused != self._paused[direction]:
                self._paused[direction] = paused
                self._actions.append(Pause(direction) if paused else Resume(direction))

    def _set_deadline(self) -> None:
        earliest = None
        if not self.over:
            for fault in self._faults.values():
                deadline = fault.timeline.deadline()
                if deadline is not None and (earliest is None or deadline < earliest):
                    earliest = deadline
            for pipe in (self._pipes["c2s"], self._pipes["s2c"]):
                deadline = pipe.deadline()
                if deadline is not None and (earliest is None or deadline < earliest):
                    earliest = deadline
        self._deadline = earliest


def _difference(before: Dial, after: Dial) -> str:
    parts = []
    if after.delay != before.delay:
        parts.append(f"dialled {after.delay:.3f} s late")
    if after.address != before.address or after.ports != before.ports:
        ports = f" port {after.ports[0]}-{after.ports[1]}" if after.ports else ""
        parts.append(f"dialled from {after.address or 'any address'}{ports}")
    return ", ".join(parts)
