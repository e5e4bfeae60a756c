"""One expectation since one moment: a trial for each connection that it concerns, and the verdict over all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from faultproxy.verify import wording
from faultproxy.verify.claim import Claim
from faultproxy.verify.outcome import Finding
from faultproxy.verify.scene import Known, Scene
from faultproxy.verify.telling import named
from faultproxy.verify.trial import Trial
from faultproxy.verify.world import Label

Verdict = Literal["passed", "failed", "inconclusive"]

WORST = 3
"""Connections that a finding tells of, of those for which it does not hold; those of which the same is to be said count as one."""


class Episode:
    """`number` is the round of the fault of `since` (0: there is none), `time` when that began.

    `elsewhere`: the moment for connections on which that fault does not start itself; None as long as there is none.
    """

    def __init__(self, claim: Claim, scene: Scene, number: int, time: float) -> None:
        self._claim = claim
        self._scene = scene
        self.number = number
        self._time = time
        self.elsewhere: float | None = None
        self.everybody = False
        """It concerns all connections alike: the fault is the listener's, or there is none."""
        self.trials: dict[Label | None, Trial] = {}

    def try_it(self, known: Known | None, anchor: float) -> Trial | None:
        """A new trial; None if there is one already."""
        label = None if known is None else known.label
        if label in self.trials:
            return None
        base = self._scene.base(anchor)
        fresh = known is not None and self._scene.is_new(known, anchor)
        marks = self._claim.mark(base, label, fresh=fresh)
        begins = anchor if known is None else max(anchor, known.opened)
        trial = self.trials[label] = Trial(self._claim, label, anchor, begins, marks)
        return trial

    def admits(self, time: float) -> bool:
        """Whether a connection that opens then still belongs to it."""
        return self.elsewhere is not None and (self._claim.limit is None or time < self.elsewhere + self._claim.limit)

    @property
    def time(self) -> float:
        """The moment that its first trial counts from."""
        return min((trial.anchor for trial in self.trials.values()), default=self._time)

    @property
    def subjects(self) -> list[Trial]:
        """The trials that count. By default it is judged where the fault has acted, which may turn out late."""
        claim = self._claim
        if claim.fault is None or claim.selection is not None or not claim.per_connection:
            return list(self.trials.values())
        rounds = self._scene.rounds[claim.fault]
        return [trial for label, trial in self.trials.items() if rounds.has_fired(self.number, label)]

    @property
    def counted(self) -> list[Trial]:
        """The subjects without those of which too little was seen."""
        return [trial for trial in self.subjects if trial.state != "too_short"]

    def verdict(self, *, final: bool = False) -> Verdict | None:
        """What is certain so far; None if that is not enough, or if nothing counts. `final`: no connection comes any more."""
        trials = self.counted
        states = [trial.state for trial in trials]
        passed, failed = states.count("passed"), states.count("failed")
        required = self._required(len(trials))
        if not trials:
            return None
        if passed >= required:
            return "passed"
        if len(trials) - failed < required:
            # A count can be reached by others that are still to come.
            return "failed" if final or not self._by_count else None
        return None if None in states else "inconclusive"

    @property
    def undecided(self) -> bool:
        """Whether it is worth waiting for: a trial is open that could still count, or somebody could still come."""
        verdict = self.verdict()
        if verdict == "passed":
            # Enough is enough; but of "all", those must be waited for on which the fault may still act.
            return not self._by_count and self._open
        return verdict is None and (self._open or self._may_come)

    @property
    def _open(self) -> bool:
        return any(trial.state is None for trial in self.trials.values())

    @property
    def _may_come(self) -> bool:
        return self._claim.per_connection and self.admits(self._scene.now)

    @property
    def _by_count(self) -> bool:
        holds_for = self._claim.expect.holds_for
        return holds_for == "any" or isinstance(holds_for, int)

    def _required(self, count: int) -> int:
        match self._claim.expect.holds_for:
            case "any":
                return 1
            case int(number):
                return number
            case float(share):
                return math.ceil(round(share * count, 9))
        return count

    # ---------------------------------------------------------------- told

    def finding(self, since: str) -> Finding:
        """What became of it; `since` is the moment in words."""
        trials = self.counted or self.subjects
        verdict = self.verdict(final=True) or "inconclusive"
        wrong = _worst(trials, verdict)
        got = trials[0].got if len(trials) == 1 else _several(trials, wrong)
        reasons = dict.fromkeys(trial.reason or "it was not decided" for trial in wrong)
        if self._by_count and verdict == "failed" and len(trials) < self._required(len(trials)):
            reasons = {f"there were only {len(trials)}": None}
        told = wrong[-1:] if verdict == "passed" else wrong
        return Finding(
            index=self._claim.index,
            what=self._claim.what,
            judged=verdict,
            wanted=self._claim.wanted,
            got=got,
            at=max((trial.at for trial in told or trials if trial.at is not None), default=None),
            subject=_subject(trials),
            since=since,
            reason="" if verdict == "passed" else "; ".join(list(reasons)[:WORST]),
        )


def _worst(trials: Sequence[Trial], verdict: Verdict) -> list[Trial]:
    """Those for which it does not hold, the worst first: of a failure, those that failed, by time."""
    order = {"failed": 0, "inconclusive": 1, None: 2, "too_short": 3, "passed": 9}
    wrong = [trial for trial in trials if trial.state != "passed"]
    if verdict == "failed":
        wrong = [trial for trial in wrong if trial.state == "failed"] or wrong
    return sorted(wrong, key=lambda trial: (order[trial.state], trial.at if trial.at is not None else math.inf))


def _several(trials: Sequence[Trial], wrong: Sequence[Trial]) -> str:
    holds = sum(trial.state == "passed" for trial in trials)
    if holds == len(trials):
        return f"all {len(trials)}, the last at {wording.clock(max(trial.at or 0.0 for trial in trials))}"
    alike: dict[str, list[Label | None]] = {}
    for trial in wrong:
        alike.setdefault(trial.got, []).append(trial.label)
    shown = [f"{named(labels)}: {got}" for got, labels in list(alike.items())[:WORST]]
    left = sum(len(labels) for labels in list(alike.values())[WORST:])
    return f"{holds} of {len(trials)}; {'; '.join(shown)}{f'; and {left} more' if left else ''}"


def _subject(trials: Sequence[Trial]) -> str:
    return wording.connection(trials[0].label) if len(trials) == 1 else f"{len(trials)} connections"
