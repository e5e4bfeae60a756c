"""When a fault starts and heals in one connection (or on the listener),
a clock-free account of `at`, `after`, `lasts`, `every`, `times`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from faultproxy.core.events import Direction, Side
from faultproxy.core.match import Pattern


@dataclass(frozen=True, slots=True)
class Opens:
    """The connection opens (or, on the listener, the clock starts)."""


@dataclass(frozen=True, slots=True)
class At:
    """`time` seconds after the clock has started, for every connection that is open then or opens while the fault lasts."""

    time: float


@dataclass(frozen=True, slots=True)
class AfterBytes:
    """`count` bytes have been sent in one of `directions`; with `times`, again at each further multiple."""

    directions: tuple[Direction, ...]
    count: int


@dataclass(frozen=True, slots=True)
class OnMatch:
    """`pattern` has been sent in one of `directions`."""

    directions: tuple[Direction, ...]
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class OnFin:
    """That side has sent its FIN."""

    side: Side


@dataclass(frozen=True, slots=True)
class OnOther:
    """Another fault starts, or heals."""

    fault: str
    heals: bool


@dataclass(frozen=True, slots=True)
class Manual:
    """Nothing in the file starts it."""


Trigger = Opens | At | AfterBytes | OnMatch | OnFin | OnOther | Manual


@dataclass(frozen=True, slots=True)
class Schedule:
    """What starts a fault, how long it lasts, how often. Seconds; `times` None means without limit.

    A `momentary` fault acts as it starts: it can start again without having healed, and whoever comes later has missed it.
    """

    trigger: Trigger = Opens()
    after: float = 0.0
    lasts: float | None = None
    every: float | None = None
    times: int | None = 1
    momentary: bool = False


Step = Literal["start", "again", "heal"]
"""`again`: a momentary fault starts that has not healed since its last start."""


class Timeline:
    """The life of one fault in one place. Ask `deadline()`, then take steps with `step(now)` until it returns None."""

    __slots__ = ("_heal_at", "_next", "_resting", "_schedule", "_stopped", "active", "starts")

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._next: float | None = None
        self._heal_at: float | None = None
        self._stopped = False
        self._resting = False
        """Healed by hand: only a hand starts it again."""
        self.active = False
        self.starts = 0

    def opened(self, now: float, clock_start: float) -> None:
        """The place exists from `now` on; the clock started at `clock_start`."""
        schedule = self._schedule
        if self._resting:
            return
        if isinstance(schedule.trigger, Opens):
            self._arm(now + schedule.after)
        elif isinstance(schedule.trigger, At):
            self._arm(clock_start + schedule.trigger.time + schedule.after)
            self._skip_to(now)

    def trigger(self, now: float, since: float | None = None) -> bool:
        """What starts the fault has happened. False if that changes nothing: it is active or armed already, or `times` is used up.

        `since`: it happened at that time, before this place existed; what is over by now is not made up for.
        """
        if not self.waiting:
            return False
        self._arm((now if since is None else since) + self._schedule.after)
        if since is not None:
            self._skip_to(now)
        return True

    @property
    def waiting(self) -> bool:
        """Whether a trigger would still start it."""
        return (not self.active or self._schedule.momentary) and self._next is None and not self._used_up and not self._resting

    def deadline(self) -> float | None:
        """When the next step is due."""
        if self._heal_at is None:
            return self._next
        return self._heal_at if self._next is None else min(self._heal_at, self._next)

    def step(self, now: float) -> Step | None:
        """Takes the next step that is due at `now`, and says which."""
        if self._heal_at is not None and self._heal_at <= now and (self._next is None or self._heal_at <= self._next):
            self.heal()
            return "heal"
        if self._next is not None and self._next <= now:
            started, schedule, again = self._next, self._schedule, self.active
            if again and not schedule.momentary:  # it starts again before it has healed
                self.heal()
                return "heal"
            self.active = True
            self.starts += 1
            self._heal_at = None if schedule.lasts is None else self._until(started, now)
            self._next = None
            if schedule.every is not None and not self._used_up:
                self._next = started + schedule.every
                self._skip_to(now, counted=False)
            return "again" if again else "start"
        return None

    def heal(self) -> None:
        """It ends now; what is still to come by `every` comes."""
        self.active = False
        self._heal_at = None

    def order(self, now: float) -> bool:
        """A hand starts it, however often it has started and however it ended. False: it is active already, or over for good."""
        if self._stopped or (self.active and not self._schedule.momentary):
            return False
        self._resting = False
        self._arm(now + self._schedule.after)
        return True

    def rest(self) -> None:
        """A hand has healed it: nothing but a hand starts it again."""
        self.heal()
        self._next = None
        self._resting = True

    def stop(self) -> None:
        """It ends now and never starts again."""
        self.heal()
        self._next = None
        self._stopped = True

    @property
    def _used_up(self) -> bool:
        return self._stopped or (self._schedule.times is not None and self.starts >= self._schedule.times)

    def _arm(self, start: float) -> None:
        self._next = start

    def _until(self, started: float, now: float) -> float:
        # A machine that was so late that the round would be over takes place late: to start and heal at once would be no round at all.
        lasts = self._schedule.lasts or 0.0
        return started + lasts if started + lasts > now else now + lasts

    def _skip_to(self, now: float, *, counted: bool = True) -> None:
        # A place that opens late has missed the rounds that are wholly over, and they count: they have taken place elsewhere. Those that a
        # late machine has slept through took place nowhere, and do not.
        schedule, start = self._schedule, self._next
        lasts = 0.0 if schedule.momentary and schedule.lasts is None else schedule.lasts
        if start is None or lasts is None or start >= now or start + lasts > now:
            return
        if schedule.every is None:
            self._next = None
            self.starts += 1
            return
        rounds = math.floor((now - lasts - start) / schedule.every) + 1 if lasts else math.ceil((now - start) / schedule.every)
        self.starts += rounds * counted
        self._next = None if self._used_up else start + rounds * schedule.every
