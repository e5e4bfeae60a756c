"""The judge: told what happens and what is seen, it decides what must be true. It has no clock and touches nothing.

An expectation (`claim`) is judged anew for each round of the fault that its time counts from (`episode`), and in each for every connection
(`trial`). Which connections those are may turn out late, because by default they are those on which the fault has acted; so trials are held
for all on which it has started, and only in the end it is asked which of them count.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import count

from faultproxy.core.chooser import Chooser
from faultproxy.core.plan import FaultPlan, Peer
from faultproxy.scenario.expect import Expect
from faultproxy.verify.claim import Claim
from faultproxy.verify.inquiry import Inquiry
from faultproxy.verify.outcome import Finding
from faultproxy.verify.rounds import Rounds
from faultproxy.verify.scene import Known, Scene
from faultproxy.verify.trial import Trial
from faultproxy.verify.world import Label, Look


class Judge:
    """Tell it everything in order of time (seconds of the run's clock: 0 is when the faults were armed), a look at time 0 included.

    `only_fault` is what `since` stands for where it is not written, None the start. `seed` is that of the run: whom a `share` of
    connections chooses depends on it. `of_outsiders`: `connections = [1]` means the first outsider, and no member of a crowd.
    """

    def __init__(
        self, expects: Sequence[Expect], faults: Sequence[FaultPlan], *, only_fault: str | None, seed: int = 0, of_outsiders: bool = False
    ) -> None:
        claims = [Claim.of(index, expect, only_fault, of_outsiders=of_outsiders) for index, expect in enumerate(expects)]
        rounds = {plan.name: Rounds(plan) for plan in faults}
        rounds |= {claim.fault: Rounds(None) for claim in claims if claim.fault is not None and claim.fault not in rounds}
        self._scene = Scene(rounds)
        self._choosers = {plan.name: Chooser(plan.selection, seed, plan.name) for plan in faults if plan.listen is None}
        self._open: list[Trial] = []
        self._deadlines: list[tuple[float, int, Trial]] = []
        self._numbers = count()
        self._faults_over = self._is_over = False
        self._inquiries = [Inquiry(claim, self._scene, seed, self._take) for claim in claims]

    # --------------------------------------------------------- what happens

    def opened(self, label: Label, peer: Peer, ordinal: int, time: float) -> None:
        """A connection has been opened; `ordinal` is that of an outsider, or the own number of a member of a crowd or a probe."""
        self._scene.now = time
        hit_by = frozenset(name for name, chooser in self._choosers.items() if chooser.chooses(peer, ordinal))
        known = self._scene.known[label] = Known(label, peer, ordinal, time, hit_by)
        for inquiry in self._inquiries:
            inquiry.opened(known)

    def closed(self, label: Label, time: float) -> None:
        """The proxy's part of a connection is over; its ends may live on in their kernels."""
        self._scene.now = time
        if label in self._scene.known:
            self._scene.known[label].closed = time

    def started(self, fault: str, label: Label | None, time: float) -> None:
        """A fault has started, on a connection or for everybody (None)."""
        self._scene.now = time
        number = self._rounds(fault).start(label, time)
        for inquiry in self._of(fault, healing=False):
            inquiry.turned(number, label, time, settled=True)

    def fired(self, fault: str, label: Label | None, time: float) -> None:
        """A fault has acted."""
        self._scene.now = time
        self._rounds(fault).fire(label)

    def healed(self, fault: str, label: Label | None, time: float) -> None:
        """A fault has healed. Where it was not active, that is no news."""
        self._scene.now = time
        rounds = self._rounds(fault)
        number = rounds.heal(label)
        if number is None:
            return
        for inquiry in self._of(fault, healing=True):
            # For whoever looks on, it has healed when it has healed everywhere.
            inquiry.turned(number, label, time, settled=not rounds.is_active(number))

    def look(self, look: Look) -> None:
        """Somebody has looked."""
        self._scene.now = look.time
        for trial in self._open:
            trial.look(look)
        self._open = [trial for trial in self._open if trial.state is None]
        self._scene.saw(look)

    def faults_end(self, time: float) -> None:
        """The fault phase ends. What is not about healing is decided by what has been seen, so look once more right before."""
        self._scene.now = time
        self._faults_over = True
        for inquiry in self._inquiries:
            if not inquiry.claim.healing:
                inquiry.end(time)
        self._open = [trial for trial in self._open if trial.state is None]

    def heals(self, time: float) -> None:
        """Everything heals now, also what is not said to heal by `healed`."""
        for name, rounds in self._scene.rounds.items():
            for label in rounds.active:
                self.healed(name, label, time)
        self._scene.now = time
        for inquiry in self._inquiries:
            if inquiry.claim.healing and inquiry.claim.fault is None:
                inquiry.begins(time)

    def over(self, time: float) -> None:
        """Nothing more comes."""
        self._scene.now = time
        self._faults_over = self._is_over = True
        for inquiry in self._inquiries:
            inquiry.end(time)
        self._open = []

    # ------------------------------------------------------- what is wanted

    @property
    def waits_for_faults(self) -> bool:
        """Whether an expectation with a bounded time and not about healing is undecided: its time has not come, or nobody has come yet
        that it could be judged for. Who may still come besides those who did, it cannot know: let the crowds connect before you ask."""
        return not self._faults_over and any(inquiry.waits for inquiry in self._inquiries if not inquiry.claim.healing)

    @property
    def hopes(self) -> bool:
        """Whether an expectation has not begun because its fault has not started, and may not: worth some patience, and no more."""
        return not self._faults_over and any(inquiry.hopes for inquiry in self._inquiries)

    @property
    def waits_for_healing(self) -> bool:
        """The same, of those about healing."""
        return not self._is_over and any(inquiry.waits for inquiry in self._inquiries if inquiry.claim.healing)

    def deadline(self) -> float | None:
        """When a look is wanted at the latest, because somebody's time is over; None: at no time."""
        while self._deadlines and self._deadlines[0][2].state is not None:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def needs(self) -> frozenset[str]:
        """Every `what` that has to be observed."""
        return frozenset(demand.what for inquiry in self._inquiries for demand in inquiry.claim.demands)

    @property
    def troubled(self) -> frozenset[Label]:
        """The connections for which an expectation does not hold, or could not be decided."""
        trials = [trial for inquiry in self._inquiries for trial in inquiry.counted]
        return frozenset(trial.label for trial in trials if trial.label is not None and trial.state != "passed")

    def findings(self) -> list[Finding]:
        """What became of the expectations, in file order; before `over`, what is not decided is inconclusive."""
        return [finding for inquiry in self._inquiries for finding in inquiry.findings()]

    # ------------------------------------------------------------------

    def _take(self, trial: Trial) -> None:
        self._open.append(trial)
        if trial.deadline is not None:
            heapq.heappush(self._deadlines, (trial.deadline, next(self._numbers), trial))

    def _rounds(self, fault: str) -> Rounds:
        rounds = self._scene.rounds
        assert fault in rounds, f"no fault of the scenario is called {fault}"
        return rounds[fault]

    def _of(self, fault: str, *, healing: bool) -> list[Inquiry]:
        return [inquiry for inquiry in self._inquiries if inquiry.claim.fault == fault and inquiry.claim.healing == healing]
