"""An expectation, made ready to be judged again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from faultproxy.core.plan import Selection
from faultproxy.faults.base import selection
from faultproxy.scenario.expect import Expect, When
from faultproxy.verify import wording
from faultproxy.verify.conditions import Combine, Demand, Reading, Truth, combined
from faultproxy.verify.measures import Mark, Measure, measure
from faultproxy.verify.world import Label, Look


@dataclass(frozen=True, slots=True)
class Claim:
    """`index` is the expectation's place in the file, from 0. Times are seconds after what they count from.

    `fault` is the one of `since`, None for "start" and "heal"; `healing`: its time counts from a heal.
    """

    index: int
    expect: Expect
    demands: tuple[Demand, ...]
    measures: tuple[Measure, ...]
    combine: Combine
    fault: str | None
    healing: bool
    selection: Selection | None
    """Whom `connections` names; None: it is not written."""
    limit: float | None
    """When it is decided at the latest; None: at the end of the phase."""
    first: float
    """Before this it must not become true."""
    when: When
    """Whether it must be so once, all the time, or at one moment."""
    per_connection: bool
    """It is judged for each connection."""

    @classmethod
    def of(cls, index: int, expect: Expect, default: str | None, *, of_outsiders: bool = False) -> Claim:
        """`default` is the fault that `since` stands for where it is not written; None: the start."""
        demands = tuple(Demand.of(condition) for condition in expect.conditions)
        since = expect.since or default or "start"
        name = since.removeprefix("heal:")
        return cls(
            index=index,
            expect=expect,
            demands=demands,
            measures=tuple(measure(demand.what, demand.about) for demand in demands),
            combine="any" if expect.any_ else "all",
            fault=None if name in ("start", "heal") else name,
            healing=expect.about_healing,
            selection=None if expect.connections is None else selection(expect.connections).counting(of_outsiders=of_outsiders),
            limit=expect.limit,
            first=float(expect.within[0]) if isinstance(expect.within, tuple) else 0.0,
            when=expect.when,
            per_connection=any(demand.about.per_connection for demand in demands),
        )

    @property
    def what(self) -> str:
        """What it is about."""
        names = ", ".join(demand.what for demand in self.demands)
        return names if self.expect.what else f"{self.combine} of {names}"

    @property
    def since(self) -> str:
        """What its time counts from, in words."""
        if self.fault is None:
            return "the healing of everything" if self.healing else "the start"
        return f"the healing of {self.fault}" if self.healing else self.fault

    @property
    def wanted(self) -> str:
        """It as a sentence."""
        return wording.wanted(self.expect, self.demands, self.since)

    def mark(self, look: Look | None, label: Label | None, *, fresh: bool) -> list[Mark | None]:
        """Where its counters stand in the last look before counting begins; `fresh`: the connection was not there then."""
        marks: list[Mark | None] = []
        for one in self.measures:
            mark = one.fresh() if fresh else None
            marks.append(one.mark(look, label) if mark is None and look is not None else mark)
        return marks

    def read(self, look: Look, label: Label | None, marks: list[Mark | None], since: float) -> list[Reading]:
        """What the look says; marks that were not known are made up for."""
        readings = []
        for place, one in enumerate(self.measures):
            if marks[place] is None:
                marks[place] = one.mark(look, label)
            readings.append(one.read(look, label, marks[place], since))
        return readings

    def truth(self, readings: Sequence[Reading]) -> Truth:
        """Whether it is so at one moment."""
        if len(readings) == 1:
            return self.demands[0].truth(readings[0])
        return combined(self.combine, [demand.truth(reading) for demand, reading in zip(self.demands, readings, strict=True)])
