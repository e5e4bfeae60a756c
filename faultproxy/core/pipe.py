"""One direction of one connection: the stages of its faults, in file order, and what is on its way through them."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Sequence

from faultproxy.core.leaving import Leaving
from faultproxy.core.limits import HELD_PER_DIRECTION, Budget
from faultproxy.core.stage import Act, Broken, Chunk, Close, Fin, Item, Items, Rst, Stage

Emit = Callable[[Item], None]
"""Takes what has come through: Chunk, Fin, Rst, Close or Broken."""
Report = Callable[[str, Act], None]
"""Takes the name of a fault and what it did."""


AFTER_FIN = sys.maxsize
"""The place behind the FIN: a fault that begins there lets it pass."""


class Slot:
    """A stage in its place in the pipe, with where it begins."""

    __slots__ = ("active", "closing", "holds_fin", "name", "places", "stage")

    def __init__(self, name: str, stage: Stage) -> None:
        self.name = name
        self.stage = stage
        self.active = False
        self.places: deque[tuple[int, int]] = deque()
        """Where the fault begins, ahead of the stream, and the offset to tell; several only where a momentary one starts often."""
        self.holds_fin = False
        """A FIN has come to the stage and not left it."""
        self.closing: Close | None = None
        """The stage was shown a FIN in place of this, which is what must come out."""

    def take(self, item: Item, now: float) -> Items:
        """What passes on when `item` comes to this slot, which is active."""
        return self._approach(item, now) if self.places else self._show(item, now)

    def _show(self, item: Item, now: float) -> Items:
        stage = self.stage
        if isinstance(item, Chunk):
            return stage.chunk(item, now)
        if isinstance(item, Rst):
            return stage.rst(now)
        if isinstance(item, Fin | Close):
            self.closing = item if isinstance(item, Close) else None
            self.holds_fin = True
            return stage.fin(now)
        return (item,)  # Broken: nobody holds it up

    def _approach(self, item: Item, now: float) -> Items:
        out: list[Item] = []
        while self.places:
            place, told = self.places[0]
            if isinstance(item, Chunk) and item.offset < place:
                if item.end < place:
                    return [*out, item]
                before, item = item.split(place - item.offset)
                out.append(before)
            elif isinstance(item, Fin | Close) and place == AFTER_FIN:
                self.places.popleft()
                return [*out, item, *self.stage.reached(told, now)]
            elif isinstance(item, Rst | Broken):
                # What stood before the place was thrown away, or this would be behind it: the stream never gets there.
                self.places.clear()
                break
            self.places.popleft()
            out += self.stage.reached(told, now)
        if not isinstance(item, Chunk) or item.data:
            out += self._show(item, now)
        return out


class Pipe:
    """The stages of one direction. `emit` gets what comes out, `report` what the faults did."""

    __slots__ = ("_budget", "_counted", "_emit", "_live", "_report", "_slots", "_waits", "dead", "ended", "entered")

    def __init__(self, stages: Sequence[tuple[str, Stage]], emit: Emit, report: Report, budget: Budget) -> None:
        self._slots = [Slot(name, stage) for name, stage in stages]
        self._live: list[int] = []
        self._emit = emit
        self._report = report
        self._budget = budget
        self._counted = 0
        self._waits = False
        self.entered = 0
        """Bytes that the source has sent, as far as the core was told."""
        self.ended = False
        """A FIN has come through, or the direction is dead: no byte gets out any more."""
        self.dead = False
        """A RST or close has come through, or the sink is gone: nothing gets out any more."""

    def add(self, name: str, stage: Stage) -> None:
        """A stage behind all others, not started."""
        self._slots.append(Slot(name, stage))

    def remove(self, fault: str) -> None:
        """Takes out the stages of a fault that has healed, and so hold nothing."""
        self._keep([slot for slot in self._slots if slot.name != fault])

    def let_go(self, fault: str) -> None:
        """The fault is about to heal and to be removed: what it holds until a certain time keeps that time (`Leaving`)."""
        for slot in self._slots:
            if slot.name == fault and slot.active and slot.stage.deadline() is not None:
                slot.name, slot.stage = "", Leaving(slot.stage)
                slot.places.clear()

    def change(self, fault: str, stage: Stage, now: float) -> None:
        """Another stage takes the place of that fault's, and whatever it holds."""
        for index, slot in enumerate(self._slots):
            if slot.name == fault:
                before, slot.stage = slot.stage, stage
                if slot.active and not stage.inherit(before):
                    self._hand_over(index, before, now)
        self._count()

    def _hand_over(self, index: int, before: Stage, now: float) -> None:
        slot = self._slots[index]
        kept = before.heal(now)
        self._pass(index, slot.stage.start(now), now)
        if not slot.places:
            self._pass(index, slot.stage.reached(self.entered, now), now)
        closing = slot.closing
        for item in kept:
            if isinstance(item, Act):
                self._report(slot.name, item)
            else:
                self._pass(index, slot.take(closing if closing is not None and isinstance(item, Fin) else item, now), now)

    def _keep(self, slots: list[Slot]) -> None:
        live = [self._slots[index] for index in self._live]
        self._slots = slots
        self._live = [index for index, slot in enumerate(slots) if slot in live]

    def push(self, item: Item, now: float) -> None:
        """Something arrives from the source."""
        if isinstance(item, Chunk):
            self.entered = item.end
        self._waits = False
        if not self.dead:
            self._enter(0, item, now)
            self._count()

    def start(self, fault: str, offset: int | None, now: float) -> None:
        """Starts every stage of that fault; its place is behind byte `offset`, or None: wherever the stream is now."""
        if self.dead:
            return
        told = self.entered if offset is None or offset == AFTER_FIN else offset
        for index, slot in enumerate(self._slots):
            if slot.name != fault:
                continue
            ahead = [self._slots[live] for live in self._live if live < index]
            if not slot.active:
                slot.active = True
                self._live = sorted([*self._live, index])
                self._pass(index, slot.stage.start(now), now)
            if offset is not None and any(other.stage.held or other.holds_fin for other in ahead):
                slot.places.append((offset, told))
            else:
                self._pass(index, slot.stage.reached(told, now), now)
            if self._waits and not slot.stage.reading:  # it was told before this stage was there
                self._pass(index, slot.stage.waiting(now), now)
        self._count()

    def heal(self, fault: str, now: float) -> None:
        """Heals every stage of that fault (empty: of those that are leaving); what it held goes on to the stages behind it, in order."""
        for index, slot in enumerate(self._slots):
            if slot.active and slot.name == fault:
                slot.active = False
                slot.places.clear()
                self._live.remove(index)
                self._pass(index, slot.stage.heal(now), now)
                slot.holds_fin = False
        self._count()
        if self.reading:  # what has waited is read now, perhaps without coming by here
            self._waits = False

    def waiting(self, now: float) -> None:
        """Something waits in the kernel while the pipe is not reading."""
        self._waits = True
        for index in tuple(self._live):
            if not self._slots[index].stage.reading:
                self._pass(index, self._slots[index].stage.waiting(now), now)

    def due(self, now: float) -> bool:
        """Lets every stage act whose time has come. True: one of them was leaving, and is gone now."""
        acted = False
        gone: list[Slot] = []
        for index in tuple(self._live):
            slot = self._slots[index]
            stage = slot.stage
            while (deadline := stage.deadline()) is not None and deadline <= now:
                acted = True
                self._pass(index, stage.due(now), now)
                if stage.deadline() == deadline:
                    break
            if not slot.name and isinstance(stage, Leaving) and stage.done:
                gone.append(slot)
        if acted:
            if gone:
                self._keep([slot for slot in self._slots if slot not in gone])
            self._count()
        return acted and bool(gone)

    def deadline(self) -> float | None:
        """The earliest time that any stage waits for."""
        earliest = None
        for index in self._live:
            deadline = self._slots[index].stage.deadline()
            if deadline is not None and (earliest is None or deadline < earliest):
                earliest = deadline
        return earliest

    @property
    def held(self) -> int:
        """Bytes held by the stages."""
        total = 0
        for index in self._live:
            total += self._slots[index].stage.held
        return total

    @property
    def reading(self) -> bool:
        """Whether the source may be read: no stage forbids it, and the bounds are not met."""
        if not self._live:
            return True
        held = self._counted
        if held and (held >= HELD_PER_DIRECTION or self._budget.spent):
            return False
        return all(self._slots[index].stage.reading for index in self._live)

    @property
    def busy(self) -> bool:
        """Whether bytes must be shown to the pipe: a fault acts on them, or they would overtake what is held, or must be discarded."""
        return self.ended or any(self._slots[i].stage.touches_data or self._slots[i].places for i in self._live)

    def discard(self) -> None:
        """The sink is gone: whatever is held, and whatever still comes, has nowhere to go."""
        self.ended = self.dead = True

    def release(self, now: float) -> None:
        """The connection is over: what is held has nowhere to go, and what the stages share with other connections is given back."""
        for index in self._live:
            slot = self._slots[index]
            if slot.stage.held and slot.name:  # it has acted, although nothing of it got out
                self._report(slot.name, Act("held bytes until the connection was over", size=slot.stage.held))
            slot.stage.heal(now)
        self._live = []
        self._budget.held -= self._counted
        self._counted = 0

    def _count(self) -> None:
        held = self.held
        if held != self._counted:
            self._budget.held += held - self._counted
            self._counted = held

    def _pass(self, index: int, items: Items, now: float) -> None:
        # An Act stands behind the item it speaks of: where that was discarded, nothing was done and nothing is reported.
        slot, accepted = self._slots[index], True
        for item in items:
            if isinstance(item, Act):
                if accepted and slot.name:
                    self._report(slot.name, item)
                continue
            if isinstance(item, Fin):
                slot.holds_fin = False
                item = slot.closing or item  # noqa: PLW2901
            accepted = self._enter(index + 1, item, now)

    def _enter(self, index: int, item: Item, now: float) -> bool:
        """Takes an item to the first live slot from `index` on, or out. False if it was discarded."""
        for live in self._live:
            if live >= index:
                self._pass(live, self._slots[live].take(item, now), now)
                return True
        if self.dead or (self.ended and isinstance(item, Chunk | Fin)):
            return False
        if not isinstance(item, Chunk):
            self.ended = True
            self.dead = not isinstance(item, Fin)
        self._emit(item)
        return True
