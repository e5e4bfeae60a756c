"""One expectation, judged for one connection (or for what is not a connection) since one moment.

Looks are samples, and between two of them nothing is known. So `within` is fulfilled by a look whose time lies in the window, or by
the first one behind it if that comes at most `TOLERANCE` late; `throughout` by every look in the span; and `at` by the first look from that
moment on, or, if that comes late, by those around it if they say the same. What cannot be seen is never taken for true: it leaves the
trial undecided, and if that lasts to the end it is inconclusive.
"""

from __future__ import annotations

from typing import Literal

from faultproxy.verify import wording
from faultproxy.verify.claim import Claim
from faultproxy.verify.conditions import Reading, Truth
from faultproxy.verify.measures import Mark
from faultproxy.verify.world import Label, Look

TOLERANCE = 0.05
"""Seconds by which the look at the end of a window may be late: two rounds of the observers, and what a busy machine adds."""
BLIND = 0.5
"""Seconds for which a value may be out of sight, while it must be so throughout: a socket that is just being found, a table that was read
while it changed."""

State = Literal["passed", "failed", "inconclusive", "too_short"]
"""`too_short`: the phase ended before enough was seen. Beside trials that were decided it says nothing; alone, it is inconclusive."""


class Trial:
    """Give it each look, in order; `state` is None until it is decided, and then stays. Times are seconds of the run's clock."""

    __slots__ = (
        "_begins", "_blind", "_changed", "_claim", "_dark", "_marks", "_readings", "_truth",
        "anchor", "at", "deadline", "label", "reason", "state",
    )  # fmt: skip

    def __init__(self, claim: Claim, label: Label | None, anchor: float, begins: float, marks: list[Mark | None]) -> None:
        self._claim = claim
        self._marks = marks
        self._begins = begins
        """When there was something to see: later than `anchor` for a connection that opened later."""
        self.label = label
        self.anchor = anchor
        self.deadline = None if claim.limit is None else anchor + claim.limit
        """When it is decided at the latest; None: at the end of the phase."""
        self.state: State | None = None
        self.at: float | None = None
        self.reason = ""
        self._readings: list[Reading] = []
        self._truth: Truth | None = None
        self._changed = anchor
        self._dark: float | None = None
        self._blind = 0.0

    @property
    def got(self) -> str:
        """What was seen, and when."""
        words = wording.got(self._claim.demands, self._readings)
        if self.at is None or not self._readings:
            return words
        lasted = wording.lasting(self._claim.demands) and self._changed < self.at
        return f"{words}{f' (since {wording.clock(self._changed)})' if lasted else ''}, at {wording.clock(self.at)}"

    def look(self, look: Look) -> None:
        """What a look says. One from before the moment only shows where counters stood."""
        if look.time <= self.anchor:
            marks = self._claim.mark(look, self.label, fresh=False)
            self._marks = [old if new is None else new for old, new in zip(self._marks, marks, strict=True)]
        if self.state is not None or look.time < self.anchor:
            return
        match self._claim.when:
            case "within":
                self._look_within(look)
            case "throughout":
                self._look_throughout(look)
            case "at":
                self._look_at(look)

    def end(self, time: float) -> None:
        """The phase has ended: no more looks come."""
        if self.state is not None:
            return
        whole = self.deadline is None or time >= self.deadline
        if self._truth is None:
            self._decide("too_short", "it came too late to be looked at")
        elif self._claim.when == "at":
            if self.deadline is not None and self.at is not None and self.deadline - self.at <= TOLERANCE:
                self._close_at()  # the phase ended between the last look and the moment
            else:
                self._decide("too_short", f"the phase ended at {wording.clock(time)}, before its time had come")
        elif self._claim.when == "throughout":
            if whole:
                self._close_throughout()
            else:
                self._decide("too_short", f"the phase ended at {wording.clock(time)}, before its time was over")
        elif whole:
            self._close_within()
        else:
            limit = self._claim.limit or 0.0
            # One that has hardly begun is no loss; one that had half of its time and still is not so, is.
            young = time - self.anchor < limit / 2
            self._decide("too_short" if young else "inconclusive", f"the phase ended at {wording.clock(time)}, before its time was over")

    # ----------------------------------------------------------- within

    def _look_within(self, look: Look) -> None:
        last = self.deadline
        assert last is not None, "`within` is always bounded"
        if look.time > last + TOLERANCE:
            self._late(look, last)
            return
        before, truth = self._truth, self._read(look)
        early = self.anchor + self._claim.first
        if truth is Truth.YES:
            if look.time < early:
                self._decide("failed", "it was so too early")
            elif self._begins < early and before not in (Truth.NO, Truth.NOT_YET):
                self._decide("inconclusive", "it is so in its time, but nobody could see whether it was before")
            else:
                self._decide("passed")
        elif look.time >= last:
            self._close_within()

    def _late(self, look: Look, last: float) -> None:
        truth = self._claim.truth(self._claim.read(look, self.label, self._marks, self.anchor))
        if self._truth is None or (truth is Truth.YES and self._truth is not Truth.UNKNOWN):
            seen = f"before {wording.clock(look.time)}" if self._truth is None else f"between {wording.clock(self.at or 0.0)} and then"
            self._read(look)
            self._decide("inconclusive", f"its time ended at {wording.clock(last)}, and nobody looked {seen}")
        else:
            self._close_within()

    def _close_within(self) -> None:
        if self._truth is Truth.UNKNOWN:
            self._decide("inconclusive", self._missing)
        else:
            self._decide("failed", "it never was so in its time")

    # ------------------------------------------------------- throughout

    def _look_throughout(self, look: Look) -> None:
        if self.deadline is None or look.time <= self.deadline:
            truth = self._read(look)
            if truth is Truth.NO:
                self._decide("failed", "it was not so throughout")
                return
            if truth is Truth.UNKNOWN:
                self._dark = look.time if self._dark is None else self._dark
                self._blind = max(self._blind, look.time - self._dark)
            elif self._dark is not None:
                self._blind = max(self._blind, look.time - self._dark)
                self._dark = None
        if self.deadline is not None and look.time >= self.deadline:
            self._close_throughout()

    def _close_throughout(self) -> None:
        if self._truth is None:
            self._decide("inconclusive", "nobody looked in its time")
        elif self._truth is Truth.UNKNOWN or self._truth is Truth.NOT_YET:
            self._decide("inconclusive", self._missing)
        elif self._blind > BLIND:
            self._decide("inconclusive", f"it was out of sight for {wording.span(round(self._blind, 2))}")
        else:
            self._decide("passed")

    # --------------------------------------------------------------- at

    def _look_at(self, look: Look) -> None:
        moment = self.deadline
        assert moment is not None, "`at` is a moment"
        seen, before = self.at, self._truth
        truth = self._read(look)
        if look.time < moment:
            return
        if look.time <= moment + TOLERANCE or before is truth:
            self._close_at()
        else:
            since = (
                f"before {wording.clock(look.time)}" if seen is None else f"between {wording.clock(seen)} and {wording.clock(look.time)}"
            )
            self._decide("inconclusive", f"its time was {wording.clock(moment)}, and nobody looked {since}")

    def _close_at(self) -> None:
        if self._truth is Truth.YES:
            self._decide("passed")
        elif self._truth is Truth.UNKNOWN:
            self._decide("inconclusive", self._missing)
        else:
            self._decide("failed", "it was not so then")

    # ------------------------------------------------------------------

    def _read(self, look: Look) -> Truth:
        readings = self._claim.read(look, self.label, self._marks, self.anchor)
        truth = self._truth
        if truth is None or readings != self._readings:
            self._readings = readings
            self._changed = look.time
            truth = self._truth = self._claim.truth(readings)
        self.at = look.time
        return truth

    @property
    def _missing(self) -> str:
        return next((reading.missing for reading in self._readings if reading.missing), "nothing was asked of it since")

    def _decide(self, state: State, reason: str = "") -> None:
        self.state = state
        self.reason = reason
        self._marks = []
        if state == "passed":
            self.reason = ""
