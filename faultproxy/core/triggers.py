"""What bytes can start in one connection: patterns that are looked for, and counts that are waited for, in either direction."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable

from faultproxy.core.events import DIRECTIONS, Direction, Hit
from faultproxy.core.plan import FaultPlan
from faultproxy.core.rng import Chance
from faultproxy.core.timeline import AfterBytes, At, OnMatch, Timeline

ALL = sys.maxsize
"""As an offset: any number of bytes."""


class LocalFault:
    """One fault in one connection: its timeline, and what started it, where. `begun`: what it is that starts one that waits for nothing."""

    __slots__ = ("chance", "offset", "plan", "timeline", "trigger", "where", "why")

    def __init__(self, plan: FaultPlan, chance: Chance, begun: str = "connection opened") -> None:
        self.plan = plan
        self.chance = chance
        self.timeline = Timeline(plan.schedule)
        self.trigger = plan.schedule.trigger
        self.why = "the clock" if isinstance(self.trigger, At) else begun
        self.where: Direction | None = None
        self.offset: int | None = None


class _Search:
    """One pattern looked for in one direction. Where bytes went by unseen, it begins anew: a match never spans what was not read."""

    __slots__ = ("_next", "_scanner", "fault", "pattern")

    def __init__(self, fault: LocalFault, trigger: OnMatch) -> None:
        self.fault = fault
        self.pattern = trigger.pattern
        self._scanner = trigger.pattern.scanner()
        self._next = 0

    def feed(self, offset: int, data: bytes | memoryview) -> list[int]:
        if offset != self._next:
            self._scanner = self.pattern.scanner()
        self._next = offset + len(data)
        return [offset + end for end in self._scanner.feed(data)]


class Triggers:
    """The searches and counts of all faults of a connection."""

    __slots__ = ("_counts", "_searches")

    def __init__(self, faults: Iterable[LocalFault]) -> None:
        self._searches: dict[Direction, list[_Search]] = {d: [] for d in DIRECTIONS}
        self._counts: dict[Direction, list[tuple[LocalFault, int]]] = {d: [] for d in DIRECTIONS}
        for fault in faults:
            self.add(fault)

    def add(self, fault: LocalFault) -> None:
        """One more fault: from now on its pattern is looked for, and its count waited for."""
        if isinstance(fault.trigger, OnMatch):
            for direction in fault.trigger.directions:
                self._searches[direction].append(_Search(fault, fault.trigger))
        elif isinstance(fault.trigger, AfterBytes):
            for direction in fault.trigger.directions:
                self._counts[direction].append((fault, fault.trigger.count))

    def remove(self, fault: LocalFault) -> None:
        """Nothing starts that fault any more."""
        for direction in DIRECTIONS:
            self._searches[direction] = [search for search in self._searches[direction] if search.fault is not fault]
            self._counts[direction] = [pair for pair in self._counts[direction] if pair[0] is not fault]

    def quiet_until(self, direction: Direction, offset: int) -> int:
        """Up to where bytes that come after `offset` start nothing, unseen: an offset, `ALL`, or -1 for nowhere."""
        if any(search.fault.timeline.waiting for search in self._searches[direction]):
            return -1
        place = self.next_place(direction, offset)
        return ALL if place is None else place - 1

    def scan(self, direction: Direction, offset: int, data: bytes | memoryview) -> tuple[Hit, ...]:
        """What is found in bytes that stand at `offset`. No byte is to be shown twice."""
        hits: list[Hit] = []
        for search in self._searches[direction]:
            if search.fault.timeline.waiting:
                hits += [Hit(search.fault.plan.name, end, f"matched {search.pattern} in {direction}") for end in search.feed(offset, data)]
        return tuple(hits)

    def counts(self, direction: Direction) -> bool:
        """Whether any fault counts the bytes of this direction."""
        return bool(self._counts[direction])

    def next_place(self, direction: Direction, offset: int) -> int | None:
        """The first place behind `offset` where a count starts a fault that waits for it."""
        places = [(offset // count + 1) * count for fault, count in self._counts[direction] if fault.timeline.waiting]
        return min(places, default=None)

    def next_hits(self, found: deque[Hit], faults: dict[str, LocalFault], direction: Direction, offset: int, end: int) -> list[Hit] | None:
        """All that starts at the first place from behind `offset` to `end` where anything starts, the last of `faults` first.

        `found`, in the order of offsets, is what `scan` has found there; it is used up. None: nothing starts.
        """
        while found and not ((fault := faults.get(found[0].fault)) is not None and fault.timeline.waiting):
            found.popleft()
        place = self.next_place(direction, offset)
        if found and (place is None or found[0].offset < place):
            place = found[0].offset
        if place is None or place > end:
            return None
        hits = {hit.fault: hit for hit in self.counted(direction, place)}
        while found and found[0].offset == place:
            hit = found.popleft()
            hits[hit.fault] = hit
        return [hits[name] for name in reversed(faults) if name in hits]

    def counted(self, direction: Direction, place: int) -> list[Hit]:
        """The faults whose count is full at that place."""
        return [
            Hit(fault.plan.name, place, f"{place} bytes sent in {direction}")
            for fault, count in self._counts[direction]
            if place % count == 0 and fault.timeline.waiting
        ]
