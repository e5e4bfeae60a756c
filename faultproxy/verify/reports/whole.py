"""What every report starts from: all results of one session, counted, and words that no format stumbles over."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from faultproxy.verify.outcome import OUTCOMES, Outcome, Result, worst
from faultproxy.verify.wording import shortened

WIDTH = 240
"""Characters of a reason in one line."""
BAD: frozenset[Outcome] = frozenset({"error", "failed", "fault_not_fired"})
"""Outcomes for which somebody must do something."""

_COLOUR = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
# ECMA-48: control sequences, and the strings by which a program sets a window's title.
_UNFIT = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# XML 1.0, section 2.2, without the C1 controls and CR: what no format here can carry, or not unharmed.


@dataclass(frozen=True, slots=True)
class Whole:
    """All that was played. `seconds` of all together, `command` as it was typed, `began` where it shall be told."""

    results: Sequence[Result]
    seconds: float
    seed: int
    command: str = ""
    began: datetime | None = None

    @property
    def outcome(self) -> Outcome:
        """The worst."""
        return worst(result.outcome for result in self.results)

    @property
    def totals(self) -> dict[Outcome, int]:
        """How many of each outcome, worst first, zeros too."""
        counts = Counter(result.outcome for result in self.results)
        return {outcome: counts[outcome] for outcome in OUTCOMES}


def clean(text: str) -> str:
    """Without colours; other control characters as ``\\x07``, so that they are seen and do nothing."""
    return _UNFIT.sub(_escaped, _COLOUR.sub("", text).replace("\r\n", "\n"))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def brief(result: Result) -> str:
    """Why it has not passed, in one line of bounded width: for places that stand beside the whole account."""
    return shortened(clean(result.reason).partition("\n")[0], WIDTH)


def said(outcome: Outcome) -> str:
    """``"fault not fired"``."""
    return outcome.replace("_", " ")


def counted(number: int, one: str, many: str = "") -> str:
    """``"1 scenario"``, ``"2 scenarios"``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def totals_line(whole: Whole) -> str:
    """``"3 scenarios in 1.2 s: 1 failed, 2 passed; 2 expectations not judged"``."""
    counts = ", ".join(f"{count} {said(outcome)}" for outcome, count in whole.totals.items() if count)
    unjudged = sum(sum(result.unjudged.values()) for result in whole.results)
    left_open = f"; {counted(unjudged, 'expectation')} not judged" if unjudged else ""
    return f"{counted(len(whole.results), 'scenario')} in {whole.seconds:.1f} s" + (f": {counts}" if counts else "") + left_open


def some(names: Iterable[str], limit: int = 5) -> str:
    """The first few, and how many more."""
    every = list(names)
    return ", ".join(every[:limit]) + (f" and {len(every) - limit} more" if len(every) > limit else "")
