"""What happened in a run, for a person: a crowd that does the same at one moment is one line, and not a thousand."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from faultproxy.verify.world import Label

KEPT = 200
"""Lines that are kept, the last."""
TOGETHER = 0.1
"""Seconds within which the same counts as one event: a crowd is let in, or healed, in one go that takes so long."""
NEAR = 4
"""Lines among which the same is looked for: what happens to members in turn (started, acted, started, …) is still put together."""
NAMED = 3
"""Members of a group that are named."""

_MEMBER = re.compile(r"(?P<name>.+) (?P<number>\d+(?: \(\d+\))?)")


@dataclass(slots=True)
class _Line:
    time: float
    last: float
    what: str
    who: dict[Label | None, int] = field(default_factory=dict)
    """How often it happened to each; None is the listener."""


class Telling:
    """Told what happens, in order of time; `lines()` are what a report shows. Times are seconds of the run's clock."""

    def __init__(self) -> None:
        self._lines: deque[_Line] = deque(maxlen=KEPT)

    def add(self, time: float, who: Label | None, what: str) -> None:
        """`what` happened to connection `who`; None: to the listener."""
        for number in range(-1, -1 - min(NEAR, len(self._lines)), -1):
            line = self._lines[number]
            if line.what == what and time - line.last <= TOGETHER:
                line.last = time
                line.who[who] = line.who.get(who, 0) + 1
                return
        self._lines.append(_Line(time, time, what, {who: 1}))

    def lines(self) -> Sequence[str]:
        """``"    0.015 s  leavers 1, 2, 3 and 7 more: left started (matched /^STREAM/ in c2s)"``"""
        return tuple(_shown(line) for line in self._lines)


def _shown(line: _Line) -> str:
    times = sum(line.who.values())
    often = f", {times} times" if times > len(line.who) else ""
    return f"{line.time:9.3f} s  {named(line.who)}: {line.what}{often}"


def named(labels: Iterable[Label | None]) -> str:
    """Connections in a few words: ``"connections 1, 2 and 4"``, ``"lurkers 1, 2, 3 and 97 more"``, ``"the listener"``."""
    groups: dict[str, list[str]] = {}
    for label in labels:
        name, number = _parts(label)
        groups.setdefault(name, []).append(number)
    return "; ".join(_group(name, numbers) for name, numbers in groups.items())


def _parts(label: Label | None) -> tuple[str, str]:
    if label is None:
        return "the listener", ""
    found = _MEMBER.fullmatch(str(label))
    return (found["name"], found["number"]) if found else ("connection", str(label))


def _group(name: str, numbers: Sequence[str]) -> str:
    if not numbers[0]:
        return name
    plural = "s" if name == "connection" and len(numbers) > 1 else ""
    if len(numbers) > NAMED + 1:
        listed = f"{', '.join(numbers[:NAMED])} and {len(numbers) - NAMED} more"
    else:
        listed = " and ".join(filter(None, (", ".join(numbers[:-1]), numbers[-1])))
    return f"{name}{plural} {listed}"
