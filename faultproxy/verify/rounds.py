"""The starts of one fault, in rounds: what starts on several connections for the same reason is one round, to be judged together."""

from __future__ import annotations

import math

from faultproxy.core.plan import FaultPlan
from faultproxy.core.timeline import At
from faultproxy.verify.world import Label

_EARLY = 0.005
"""Seconds by which a start may be told before the clock says so: rounding, and a timer that was a little early."""


class Rounds:
    """What one fault has done, and where. A label of None means the listener, or everybody.

    A round is the n-th start on a connection; where the clock starts the fault it is the n-th time at all, also for a connection that
    opened later.
    """

    def __init__(self, plan: FaultPlan | None) -> None:
        self.may_not_fire = plan is not None and plan.may_not_fire
        self._schedule = None if plan is None else plan.schedule
        self._latest: dict[Label | None, int] = {}
        self._active: dict[Label | None, int] = {}
        self._fired: set[tuple[int, Label | None]] = set()
        self.fired = False
        """Whether it has acted at all."""

    def start(self, label: Label | None, time: float) -> int:
        """It starts there: the number of the round, from 1."""
        number = max(self._latest.get(label, 0) + 1, self._by_clock(time))
        self._latest[label] = self._active[label] = number
        return number

    def fire(self, label: Label | None) -> None:
        """It has acted there."""
        self.fired = True
        where = label if label in self._latest else None
        if where in self._latest:
            self._fired.add((self._latest[where], label))

    def heal(self, label: Label | None) -> int | None:
        """It has healed there: the number of the round; None if it was not active."""
        return self._active.pop(label, None)

    @property
    def active(self) -> list[Label | None]:
        """Where it is active."""
        return list(self._active)

    def is_active(self, number: int) -> bool:
        """Whether that round still lasts anywhere."""
        return number in self._active.values()

    def comes_by_clock(self, now: float) -> bool:
        """Whether it is the clock that starts it, and it is not time yet."""
        schedule = self._schedule
        return schedule is not None and isinstance(schedule.trigger, At) and now < schedule.trigger.time + schedule.after + _EARLY

    def has_fired(self, number: int, label: Label | None) -> bool:
        """Whether it has acted there in that round."""
        return (number, label) in self._fired or (number, None) in self._fired

    def _by_clock(self, time: float) -> int:
        schedule = self._schedule
        if schedule is None or schedule.every is None or not isinstance(schedule.trigger, At):
            return 1
        return math.floor((time - schedule.trigger.time - schedule.after + _EARLY) / schedule.every) + 1
