"""What is wanted of one value, and whether it is so. There are four answers, because not to see is not to see that it is false."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple

from faultproxy.scenario.expect import Comparison, Condition, Plain
from faultproxy.scenario.observables import Observable
from faultproxy.verify.world import NotYet, Seen, Unknown

Combine = Literal["any", "all"]
Value = Seen | tuple[float, ...]
"""A value of a look, or for `closed_after` all times that came since; each of them must do."""

_NEAR = 1e-9
"""Shares are quotients: two that are nearer than this are the same one."""


class Truth(Enum):
    """Whether something is so. NOT_YET: it has no value so far; UNKNOWN: it has one, which cannot be seen."""

    YES = "yes"
    NO = "no"
    NOT_YET = "not yet"
    UNKNOWN = "unknown"


_FIRST: dict[Combine, tuple[Truth, ...]] = {
    "all": (Truth.NO, Truth.UNKNOWN, Truth.NOT_YET, Truth.YES),
    "any": (Truth.YES, Truth.UNKNOWN, Truth.NOT_YET, Truth.NO),
}


def combined(combine: Combine, truths: Iterable[Truth]) -> Truth:
    """What several are together: of `all`, one that is false makes it false although another is unknown; of `any`, one that is true."""
    found = set(truths)
    return next(truth for truth in _FIRST[combine] if truth in found)


class Reading(NamedTuple):
    """A value at one moment; `total` is what a share of it is of; `joining`: it still grows by itself, for not all have come.

    (Made for each look and connection, and a tuple is made fastest.)
    """

    value: Value
    total: int = 0
    joining: bool = False

    @property
    def missing(self) -> str:
        """Why there is no value; empty if there is one."""
        return self.value.why if isinstance(self.value, Unknown | NotYet) else ""


@dataclass(frozen=True, slots=True)
class Demand:
    """One condition, read once and asked often."""

    what: str
    about: Observable
    comparison: Comparison
    wanted: tuple[Plain, ...]

    @classmethod
    def of(cls, condition: Condition) -> Demand:
        """The demand of a condition that has been checked."""
        return cls(condition.what or "", condition.observable, condition.comparison, condition.wanted)

    @property
    def in_shares(self) -> bool:
        """Whether it is compared with a share of a whole."""
        return any(self._is_share(one) for one in self.wanted)

    def truth(self, reading: Reading) -> Truth:
        """Whether the reading is as wanted."""
        value = reading.value
        if isinstance(value, Unknown):
            return Truth.UNKNOWN
        if isinstance(value, NotYet):
            return Truth.NOT_YET
        if isinstance(value, tuple):
            return Truth.YES if all(self._fits(one, 0) for one in value) else Truth.NO
        if self.in_shares and not reading.total:
            return Truth.NOT_YET
        if self._fits(value, reading.total):
            return Truth.YES
        return Truth.NOT_YET if reading.joining else Truth.NO

    def _is_share(self, wanted: Plain) -> bool:
        return self.about.sort == "tally" and isinstance(wanted, float)

    def _fits(self, value: str | bool | int | float, total: int) -> bool:
        match self.comparison:
            case "is":
                return any(self._differ(value, one, total) == 0 for one in self.wanted)
            case "not":
                return all(self._differ(value, one, total) != 0 for one in self.wanted)
            case "at_least":
                return self._differ(value, self.wanted[0], total) >= 0
            case "at_most":
                return self._differ(value, self.wanted[0], total) <= 0
            case "between":
                return self._differ(value, self.wanted[0], total) >= 0 >= self._differ(value, self.wanted[1], total)
            case "contains":
                return str(self.wanted[0]) in str(value)

    def _differ(self, value: str | bool | int | float, wanted: Plain, total: int) -> int:
        """-1, 0 or 1: the value is less, the same, more. What has no order is 0 or 1."""
        if isinstance(value, str) or isinstance(wanted, str):
            return int(value != wanted)
        if self.about.sort == "truth":
            return int(bool(value) != wanted)
        number = value / total if self._is_share(wanted) else value
        if isinstance(wanted, float) and abs(number - wanted) <= _NEAR:
            return 0
        return (number > wanted) - (number < wanted)
