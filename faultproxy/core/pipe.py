"""One direction of one connection: the stages of its faults, in file order, and what is on its way through them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from faultproxy.core.limits import HELD_PER_DIRECTION, Budget
from faultproxy.core.stage import Act, Chunk, Fin, Item, Items, Rst, Stage

Emit = Callable[[Item], None]
"""Takes what has come through: Chunk, Fin, Rst, Close or Broken."""
Report = Callable[[str, Act], None]
"""Takes the name of a fault and what it did."""


AFTER_FIN = sys.maxsize
"""The place behind the FIN: a fault that begins there lets it pass."""


class Slot:
    """A stage in its place in the pipe, with where it begins."""

    __slots__ = ("active", "begins", "name", "stage")

    def __init__(self, name: str, stage: Stage) -> None:
        self.name = name
        self.stage = stage
        self.active = False
        self.begins: int | None = None
        """The offset that the stream has not reached yet, where the fault begins; None once it has."""

    def take(self, item: Item, now: float) -> Items:
        """What passes on when `item` comes to this slot, which is active."""
        stage = self.stage
        if self.begins is not None:
            return self._approach(item, self.begins, now)
        kind = type(item)
        if kind is Chunk:
            return stage.chunk(item, now)  # type: ignore[arg-type]
        if kind is Fin:
            return stage.fin(now)
        if kind is Rst:
            return stage.rst(now)
        return (item,)

    def _approach(self, item: Item, begins: int, now: float) -> Items:
        out: list[Item] = []
        if isinstance(item, Chunk) and item.offset < begins:
            before, item = item.split(begins - item.offset)
            out.append(before)
            if before.end < begins:
                return out
        elif isinstance(item, Fin) and begins == AFTER_FIN:
            self.begins = None
            return [item, *self.stage.reached(begins, now)]
        self.begins = None
        out += self.stage.reached(begins, now)
        if not isinstance(item, Chunk) or item.data:
            out += self.take(item, now)
        return out


class Pipe:
    """The stages of one direction. `emit` gets what comes out, `report` what the faults did."""

    __slots__ = ("_budget", "_counted", "_emit", "_live", "_report", "_slots", "dead", "ended", "entered")

    def __init__(self, stages: Sequence[tuple[str, Stage]], emit: Emit, report: Report, budget: Budget) -> None:
        self._slots = [Slot(name, stage) for name, stage in stages]
        self._live: list[int] = []
        self._emit = emit
        self._report = report
        self._budget = budget
        self._counted = 0
        self.entered = 0
        """Bytes that the source has sent, as far as the core was told."""
        self.ended = False
        """A FIN has come through, or the direction is dead: no byte gets out any more."""
        self.dead = False
        """A RST or close has come through, or the sink is gone: nothing gets out any more."""

    def push(self, item: Item, now: float) -> None:
        """Something arrives from the source."""
        if isinstance(item, Chunk):
            self.entered = item.end
        if not self.dead:
            self._enter(0, item, now)
            self._count()

    def start(self, fault: str, offset: int | None, now: float) -> None:
        """Starts every stage of that fault; its place is behind byte `offset`, or None: wherever the stream is now."""
        if self.dead:
            return
        for index, slot in enumerate(self._slots):
            if slot.name != fault:
                continue
            ahead = offset is not None and any(self._slots[i].stage.held for i in self._live if i < index)
            slot.active, slot.begins = True, offset if ahead else None
            if index not in self._live:
                self._live = sorted([*self._live, index])
            self._pass(index, slot.stage.start(now), now)
            if not ahead:
                self._pass(index, slot.stage.reached(self.entered if offset is None else offset, now), now)
        self._count()

    def heal(self, fault: str, now: float) -> None:
        """Heals every stage of that fault; what it held goes on to the stages behind it, in order."""
        for index, slot in enumerate(self._slots):
            if slot.name == fault and slot.active:
                slot.active, slot.begins = False, None
                self._live.remove(index)
                self._pass(index, slot.stage.heal(now), now)
        self._count()

    def waiting(self, now: float) -> None:
        """Something waits in the kernel while the pipe is not reading."""
        for index in tuple(self._live):
            if not self._slots[index].stage.reading:
                self._pass(index, self._slots[index].stage.waiting(now), now)

    def due(self, now: float) -> None:
        """Lets every stage act whose time has come."""
        for index in tuple(self._live):
            stage = self._slots[index].stage
            while (deadline := stage.deadline()) is not None and deadline <= now:
                self._pass(index, stage.due(now), now)
                if stage.deadline() == deadline:
                    break
        self._count()

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
        held = self._counted
        if held and (held >= HELD_PER_DIRECTION or self._budget.spent):
            return False
        return all(self._slots[index].stage.reading for index in self._live)

    @property
    def busy(self) -> bool:
        """Whether bytes must be shown to the pipe: a fault acts on them, or they would overtake what is held, or must be discarded."""
        return self.ended or any(self._slots[i].stage.touches_data or self._slots[i].begins is not None for i in self._live)

    def discard(self) -> None:
        """The sink is gone: whatever is held, and whatever still comes, has nowhere to go."""
        self.ended = self.dead = True

    def release(self) -> None:
        """The connection is over: give the budget back."""
        self._budget.held -= self._counted
        self._counted = 0

    def _count(self) -> None:
        held = self.held
        self._budget.held += held - self._counted
        self._counted = held

    def _pass(self, index: int, items: Items, now: float) -> None:
        # An Act stands behind the item it speaks of: where that was discarded, nothing was done and nothing is reported.
        name, accepted = self._slots[index].name, True
        for item in items:
            if type(item) is not Act:
                accepted = self._enter(index + 1, item, now)
            elif accepted:
                self._report(name, item)

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
