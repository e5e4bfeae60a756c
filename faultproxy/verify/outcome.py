"""How a scenario ended: the outcomes, worst first, the exit codes, and all that a report can tell of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from faultproxy.errors import Mistake

Outcome = Literal["error", "failed", "fault_not_fired", "inconclusive", "skipped", "passed"]
OUTCOMES: tuple[Outcome, ...] = ("error", "failed", "fault_not_fired", "inconclusive", "skipped", "passed")
"""Worst first."""

Judged = Literal["passed", "failed", "inconclusive", "not_judged"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one expectation (or of what is expected without being written: recovery, the client's exit).

    `index` is its place in the file, None for what is not written there; `what` its words; `subject` the connection that it was judged for.
    Times are seconds of the run's clock.
    """

    index: int | None
    what: str
    judged: Judged
    wanted: str = ""
    got: str = ""
    at: float | None = None
    subject: str = ""
    since: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FaultReport:
    """What one fault has done. `bands` are (start, heal or None, connection) in seconds of the run's clock."""

    name: str
    kind: str
    words: str
    starts: int
    fired: int
    heals: int
    bands: Sequence[tuple[float, float | None, str]] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened on a connection, for the ladder diagram.

    `where` is client, proxy or server; `to` is where an arrow points, empty for what only concerns `where`. `what` is data, FIN, RST,
    SYN, ACK, or a note; `size` bytes; `count` how many such were taken together; `fault` the one that had a hand in it.
    """

    time: float
    where: str
    to: str
    what: str
    size: int = 0
    count: int = 1
    fault: str = ""
    lost: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Track:
    """One connection in a report: marks in order of time, and curves, each a list of (time, value), by the name of what was observed."""

    label: str
    role: str
    opened: float
    closed: float | None
    marks: Sequence[Mark] = ()
    curves: Mapping[str, Sequence[tuple[float, float | str]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario, played once."""

    scenario: str
    title: str
    outcome: Outcome
    seconds: float
    seed: int
    again: str
    """The command that repeats it."""
    reason: str = ""
    """Why it is not `passed`; its first line says it."""
    lacking: bool = False
    """This machine or this user cannot do what it needs: it was not played."""
    mistake: bool = False
    """It is a mistake of faultproxy itself, and says nothing of the scenario or the server."""
    covers: Sequence[str] = ()
    findings: Sequence[Finding] = ()
    faults: Sequence[FaultReport] = ()
    journal: Sequence[str] = ()
    """The last lines, in words."""
    sockets: Sequence[str] = ()
    """The last states of the sockets involved, a line each."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """The last that server and client have written."""
    tracks: Sequence[Track] = ()
    phases: Mapping[str, float] = field(default_factory=dict)
    """When each phase began: baseline, faults, healing, recovery, end; seconds of the run's clock."""
    notes: Sequence[str] = ()
    unjudged: Mapping[str, int] = field(default_factory=dict)
    """By the name of a fault that may not fire and did not: how many expectations wait for it, and so were not judged."""

    @property
    def begun(self) -> bool:
        """Whether it has come to the faults; otherwise nothing is to be said of them, nor of what is expected since. Unknown is yes."""
        return not self.phases or "faults" in self.phases

    @property
    def left_open(self) -> Sequence[str]:
        """What was not judged, in words: ``"2 expectations not judged: cut never fired, as it may"``."""
        return [
            f"{count} expectation{'' if count == 1 else 's'} not judged: {fault} never fired, as it may"
            for fault, count in self.unjudged.items()
        ]

    def table(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst of them; of none, `passed`."""
    return min(outcomes, key=OUTCOMES.index, default="passed")


def exit_code(results: Sequence[Result], *, lacking: bool = False) -> int:
    """0 all passed (or were skipped), 1 something failed or never fired, 3 inconclusive, 4 (`lacking`) a capability is missing,
    70 a mistake of faultproxy itself."""
    if any(result.mistake for result in results):
        return Mistake.exit_code
    outcomes = {result.outcome for result in results}
    if outcomes & {"error", "failed", "fault_not_fired"}:
        return 1
    if lacking:
        return 4
    return 3 if "inconclusive" in outcomes else 0
