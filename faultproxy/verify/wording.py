"""Expectations and what became of them, in words that a person reads."""

from __future__ import annotations

import math
from collections.abc import Sequence

from faultproxy.core.units import show_duration, show_size
from faultproxy.scenario.expect import Expect, Plain
from faultproxy.scenario.observables import Sort
from faultproxy.verify.conditions import Demand, Reading, Value
from faultproxy.verify.world import Label, NotYet, Unknown

_TAIL = 60
"""Characters shown of an output."""


def clock(time: float) -> str:
    """A time of the run's clock: ``"0.2 s"``."""
    return f"{round(float(time), 2)} s"


def span(seconds: float) -> str:
    """A length of time: ``"5 s"``, ``"50 ms"``."""
    shown = show_duration(seconds)
    number = shown.rstrip("smu")
    unit = shown.removeprefix(number)
    return f"{number} {'min' if unit == 'm' else unit}"


def shortened(text: str, width: int) -> str:
    """At most `width` characters: of a longer text the beginning and the end, for both may be what matters."""
    if len(text) <= width:
        return text
    end = width // 3
    return f"{text[: width - end - 3].rstrip()} … {text[-end:].lstrip()}"


def connection(label: Label | None) -> str:
    """``"connection 3"``, ``"lurkers 7"``."""
    return "" if label is None else f"connection {label}" if isinstance(label, int) else label


# ----------------------------------------------------------------- wanted


def wanted(expect: Expect, demands: Sequence[Demand], since: str) -> str:
    """The whole expectation as a sentence; `since` is what its time counts from."""
    joint = " or " if expect.any_ else " and "
    claims = joint.join(f"{demand.what} {_comparison(demand)}" for demand in demands)
    together = ", at one moment," if len(demands) > 1 else ""
    return f"{claims}{together}{_whom(expect.holds_for)}{_when(expect, since)}"


def _when(expect: Expect, since: str) -> str:
    if expect.at is not None:
        return f" {span(expect.at)} after {since}"
    if expect.throughout is True:
        return f" from {since} to the end of the phase"
    if expect.throughout is not None:
        return f" throughout {span(expect.throughout)} from {since}"
    if isinstance(expect.within, tuple):
        first, last = expect.within
        return f" between {span(first)} and {span(last)} after {since}, and not before"
    return f" within {span(expect.within)} of {since}"


def _whom(holds_for: str | int | float) -> str:
    match holds_for:
        case "all":
            return ""
        case "any":
            return " for any connection"
        case int():
            return f" for {holds_for} connection{'s' if holds_for > 1 else ''}"
        case float():
            return f" for {_percent(holds_for)} of the connections"
    raise AssertionError(f"checked on loading: {holds_for!r}")


def _comparison(demand: Demand) -> str:
    values = [_plain(demand.about.sort, one) for one in demand.wanted]
    match demand.comparison:
        case "is":
            return f"is {' or '.join(values)}"
        case "not":
            return f"is not {values[0]}" if len(values) == 1 else f"is neither {' nor '.join(values)}"
        case "at_least":
            return f"is at least {values[0]}"
        case "at_most":
            return f"is at most {values[0]}"
        case "between":
            return f"is between {values[0]} and {values[1]}"
        case "contains":
            return f"contains {values[0]}"


# -------------------------------------------------------------------- got


def got(demands: Sequence[Demand], readings: Sequence[Reading]) -> str:
    """What was read; where there are several conditions, each with what it is about."""
    if not readings:
        return "nothing was seen of it"
    shown = [_reading(demand, reading) for demand, reading in zip(demands, readings, strict=True)]
    if len(shown) == 1:
        return shown[0]
    return ", ".join(f"{demand.what} {one}" for demand, one in zip(demands, shown, strict=True))


def lasting(demands: Sequence[Demand]) -> bool:
    """Whether it is worth telling since when a value has been so: a state has lasted, a counter is only not counting."""
    return all(demand.about.sort in ("state", "truth") for demand in demands)


def _reading(demand: Demand, reading: Reading) -> str:
    value = reading.value
    if isinstance(value, Unknown):
        return f"not to be seen ({value.why})"
    if isinstance(value, NotYet):
        return f"no value ({value.why})"
    if isinstance(value, tuple):
        return _times(value)
    if demand.about.sort == "text":
        return _text(str(value), str(demand.wanted[0]))
    if demand.in_shares and not isinstance(value, str):
        return f"{_percent(value / reading.total)} ({value} of {reading.total})" if reading.total else "nothing was asked since"
    return _plain(demand.about.sort, value)


def _times(value: Sequence[float]) -> str:
    if len(value) == 1:
        return span(value[0])
    return f"{span(min(value))} to {span(max(value))} ({len(value)} connections)"


def _text(text: str, wanted: str) -> str:
    if wanted in text:
        return _quoted(wanted)
    if not text:
        return "nothing was written"
    return f"{len(text)} characters without it, at the end {_quoted(text.rstrip()[-_TAIL:])}"


def _plain(sort: Sort, value: Value | Plain) -> str:
    if isinstance(value, bool) or sort == "truth":
        return "true" if value else "false"
    if isinstance(value, int | float):
        if sort == "time":
            return span(value) if value < math.inf else "no answer"
        if sort == "tally" and isinstance(value, float):
            return _percent(value)
        if sort == "size":
            return f"{value} B" if value < 2**20 else f"{show_size(value)} ({value} B)"
        return f"{value:g}" if isinstance(value, float) else str(value)
    return _quoted(str(value)) if sort == "text" else str(value)


def _quoted(text: str) -> str:
    escaped = text.translate({ord('"'): '\\"', ord("\\"): "\\\\", ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"})
    return f'"{escaped}"'


def _percent(share: float) -> str:
    return f"{round(share * 100, 1):g}%"
