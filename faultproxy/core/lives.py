"""The lives of all faults of one connection: who starts and heals when, in which order, and what that starts in turn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from faultproxy.core.events import Direction
from faultproxy.core.timeline import OnOther
from faultproxy.core.triggers import LocalFault

STEPS_AT_ONCE = 10_000
"""Starts and heals taken in one go: far more than any sane file asks for, so that an insane one cannot hang the proxy."""

Begin = Callable[[LocalFault, float, bool], None]
"""A fault starts, at that time; `True`: again, without having healed."""
End = Callable[[LocalFault, str, float, bool], None]
"""A fault has healed: why, when, and whether that is final, so that it starts nothing."""


class Lives:
    """`begin` and `end` do what is to be done when a fault starts and when it has healed; chains are followed here."""

    __slots__ = ("_begin", "_deadline", "_end", "_faults", "_turned")

    def __init__(self, faults: Iterable[LocalFault], begin: Begin, end: End) -> None:
        self._faults = {fault.plan.name: fault for fault in faults}
        self._begin = begin
        self._end = end
        self._deadline: float | None = None
        self._turned = True
        """A timeline has taken a step since its deadline was last asked."""

    def opened(self, now: float, clock_start: float, ordered: Mapping[str, tuple[float, str]], resting: Collection[str]) -> None:
        """The connection opens. `ordered`: faults started by hand for everybody, since when and why; `resting`: those healed by hand."""
        for name, fault in self._faults.items():
            if name in resting:
                fault.timeline.rest()
            fault.timeline.opened(now, clock_start)
            if name in ordered:
                since, why = ordered[name]
                if fault.timeline.trigger(now, since):
                    fault.why = why
        self._turned = True

    def join(self, fault: LocalFault, now: float, clock_start: float) -> None:
        """One more fault, the last of the file. What has happened before is over: for it, the connection opens now."""
        self._faults[fault.plan.name] = fault
        fault.timeline.opened(now, clock_start)
        self._turned = True

    def leave(self, fault: LocalFault, why: str, now: float) -> None:
        """It heals, and is none of this connection's faults any more."""
        self.heal(fault, why, now)
        del self._faults[fault.plan.name]
        self._turned = True

    def deadline(self) -> float | None:
        """When `advance` is wanted."""
        if self._turned:
            self._ask()
        return self._deadline

    def advance(self, now: float) -> None:
        """Whatever is due starts and heals, in the order of time.

        At the same time, the last of the file comes first: what an earlier one then puts in or lets go meets those behind it as they are to
        be from now on.
        """
        for _ in range(STEPS_AT_ONCE):
            if not self._turned and (self._deadline is None or self._deadline > now):
                break
            due = [(t, fault) for fault in reversed(self._faults.values()) if (t := fault.timeline.deadline()) is not None and t <= now]
            if not due:
                self._ask()
                break
            self._turned = True
            fault = min(due, key=lambda pair: pair[0])[1]
            step = fault.timeline.step(now)
            if step == "heal":
                self._healed(fault, "its time is over", now, final=False)
            elif step is not None:
                self._start(fault, now, again=step == "again")

    def trigger(self, fault: LocalFault, why: str, now: float, direction: Direction | None = None, offset: int | None = None) -> bool:
        """What starts a fault has happened, behind byte `offset` of `direction` if bytes did it. False: that changes nothing."""
        return fault.timeline.trigger(now) and self._armed(fault, why, now, direction, offset)

    def order(self, fault: LocalFault, heal: bool, why: str, now: float) -> bool:
        """A hand starts or heals a fault. False: that changes nothing."""
        if not heal:
            return fault.timeline.order(now) and self._armed(fault, why, now)
        self.heal(fault, why, now)
        fault.timeline.rest()
        self._turned = True
        return True

    def _armed(self, fault: LocalFault, why: str, now: float, direction: Direction | None = None, offset: int | None = None) -> bool:
        self._turned = True
        fault.why = why
        fault.where, fault.offset = (direction, offset) if not fault.plan.schedule.after else (None, None)
        step = fault.timeline.step(now)
        if step is not None:
            self._start(fault, now, again=step == "again")
        return True

    def heal(self, fault: LocalFault, why: str, now: float, *, final: bool = False) -> None:
        """Ends a fault, if it is active."""
        if fault.timeline.active:
            fault.timeline.heal()
            self._turned = True
            self._healed(fault, why, now, final)

    def finish(self, why: str, now: float) -> None:
        """Everything heals, for good: that starts nothing, and nothing starts again.

        The last of the file first: what an earlier one then lets go meets no fault that is about to end as well.
        """
        for fault in reversed(self._faults.values()):
            self.heal(fault, why, now, final=True)
            self.stop(fault)

    def stop(self, fault: LocalFault) -> None:
        """It never starts again."""
        fault.timeline.stop()
        self._turned = True

    def _start(self, fault: LocalFault, now: float, again: bool) -> None:
        self._begin(fault, now, again)
        fault.where = fault.offset = None
        self._chain(fault, heals=False, now=now)

    def _healed(self, fault: LocalFault, why: str, now: float, final: bool) -> None:
        self._end(fault, why, now, final)
        if not final:
            self._chain(fault, heals=True, now=now)

    def _chain(self, cause: LocalFault, heals: bool, now: float) -> None:
        name = cause.plan.name
        for fault in reversed(self._faults.values()):
            if fault.trigger == OnOther(name, heals):
                self.trigger(fault, f"{name} {'healed' if heals else 'started'}", now)

    def _ask(self) -> None:
        self._turned = False
        deadlines = [deadline for fault in self._faults.values() if (deadline := fault.timeline.deadline()) is not None]
        self._deadline = min(deadlines, default=None)
