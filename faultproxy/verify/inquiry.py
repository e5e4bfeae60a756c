"""One expectation: when it begins to be judged and for whom, and what is found in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from faultproxy.core.chooser import Chooser
from faultproxy.verify import wording
from faultproxy.verify.claim import Claim
from faultproxy.verify.episode import Episode
from faultproxy.verify.outcome import Finding, Judged
from faultproxy.verify.scene import Known, Scene
from faultproxy.verify.trial import Trial
from faultproxy.verify.world import Label

ROUNDS_JUDGED = 1000
"""Starts of one fault that are judged; a fault that starts more often than that is told of, and the rest is not judged. Bounds memory."""

_NO_CONNECTION = "no connection was chosen"


class Inquiry:
    """`opens` is told of every new trial, to be given looks until it is decided."""

    def __init__(self, claim: Claim, scene: Scene, seed: int, opens: Callable[[Trial], None]) -> None:
        self.claim = claim
        self._scene = scene
        self._opens = opens
        # Named by the fault, so that the same `connections` choose here whom they choose there.
        self._chooser = None if claim.selection is None else Chooser(claim.selection, seed, claim.fault or "expect")
        self._chosen: set[Label] = set()
        self._episodes: dict[int, Episode] = {}
        self._left_out = 0
        self._ended: float | None = None
        if claim.fault is None and not claim.healing:
            self.begins(0.0)

    # ------------------------------------------------------- what happens

    def opened(self, known: Known) -> None:
        """A connection has been opened."""
        if self._chooser is not None and self._chooser.chooses(known.peer, known.ordinal):
            self._chosen.add(known.label)
        if self._ended is not None or not self.claim.per_connection:
            return
        for episode in self._episodes.values():
            if episode.elsewhere is not None and episode.admits(known.opened) and self._belongs(known, episode):
                self._try(episode, known, episode.elsewhere)

    def begins(self, time: float) -> None:
        """The moment of `since` has come, and it is no fault's."""
        self.turned(0, None, time, settled=True)

    def turned(self, number: int, label: Label | None, time: float, *, settled: bool) -> None:
        """The fault of `since` has started, or healed, there (None: for everybody), in that round.

        `settled`: for whoever is not concerned himself, this is the moment that counts.
        """
        if self._ended is not None:
            return
        episode = self._episodes.get(number)
        if episode is None:
            if len(self._episodes) >= ROUNDS_JUDGED:
                self._left_out += 1
                return
            episode = self._episodes[number] = Episode(self.claim, self._scene, number, time)
        if label is not None and self.claim.per_connection:
            known = self._scene.known.get(label)
            if known is not None and (self.claim.selection is None or label in self._chosen):
                self._try(episode, known, time)
        if settled and (episode.elsewhere is None or (label is None and not episode.everybody)):
            episode.elsewhere = time
            episode.everybody = label is None
            self._try_others(episode, time)

    def end(self, time: float) -> None:
        """The phase in which it is decided has ended."""
        if self._ended is None:
            self._ended = time
            for episode in self._episodes.values():
                for trial in episode.trials.values():
                    trial.end(time)

    def _try_others(self, episode: Episode, time: float) -> None:
        if not self.claim.per_connection:
            self._try(episode, None, time)
            return
        for known in self._scene.known.values():
            # What a fault has done is no matter of a connection that was over before. (To the start and to healing, it may well be.)
            over = self.claim.fault is not None and known.closed is not None and known.closed < time
            if not over and self._belongs(known, episode):
                self._try(episode, known, time)

    def _belongs(self, known: Known, episode: Episode) -> bool:
        """Whether it concerns a connection on which the fault of `since` does not start itself."""
        if not episode.everybody and (self.claim.selection is None or self.claim.fault in known.hit_by):
            return False
        return known.peer.role != "probe" if self.claim.selection is None else known.label in self._chosen

    def _try(self, episode: Episode, known: Known | None, anchor: float) -> None:
        trial = episode.try_it(known, anchor)
        if trial is not None:
            self._opens(trial)

    # ------------------------------------------------- what is still to come

    @property
    def waits(self) -> bool:
        """Whether it has a bounded time and is not decided: its time has not come, or somebody may still come."""
        if self.claim.limit is None or self._ended is not None:
            return False
        if any(episode.undecided for episode in self._episodes.values()):
            return True
        if self.claim.fault is None:
            return not self._episodes
        rounds = self._scene.rounds[self.claim.fault]
        if self.claim.healing:
            return not self._episodes and bool(rounds.active)
        if rounds.may_not_fire:
            return not self._episodes and rounds.comes_by_clock(self._scene.now)
        return not self._episodes or not rounds.fired

    @property
    def hopes(self) -> bool:
        """Whether it has a bounded time that has not begun, and perhaps never will: its fault may not fire, and has not even started."""
        claim = self.claim
        if claim.limit is None or claim.fault is None or claim.healing or self._ended is not None:
            return False
        return not self._episodes and self._scene.rounds[claim.fault].may_not_fire

    # --------------------------------------------------------- what is found

    @property
    def counted(self) -> Iterator[Trial]:
        """The trials by which it is decided."""
        return (trial for episode in self._episodes.values() for trial in episode.counted)

    def findings(self) -> Iterator[Finding]:
        """One for each round, in order of time; the whole is inconclusive where nothing could be judged."""
        if self.claim.fault is not None and not self._scene.rounds[self.claim.fault].fired:
            yield self._finding("not_judged", f"{self.claim.fault} never fired")
            return
        episodes = sorted(self._episodes.values(), key=lambda episode: episode.number)
        judged = [episode for episode in episodes if episode.counted]
        if not judged:
            short = next((episode for episode in episodes if episode.subjects), None)
            yield self._finding("inconclusive", self._why_nothing()) if short is None else short.finding(self._since(short))
            return
        for episode in episodes:
            if episode.counted:
                yield episode.finding(self._since(episode))
            else:
                reason = "the phase ended before its time was over" if episode.subjects else f"{self.claim.fault} did nothing in this round"
                yield self._finding("not_judged", reason, self._since(episode))
        if self._left_out:
            yield self._finding("not_judged", f"only the first {ROUNDS_JUDGED} starts are judged; there were {self._left_out} more")

    def _why_nothing(self) -> str:
        if self._episodes:
            return _NO_CONNECTION
        if self.claim.fault is None:
            return "the run ended before everything healed"
        return f"{self.claim.fault} {'did not heal' if self.claim.healing else 'did not start'} in its time"

    def _since(self, episode: Episode) -> str:
        start = f", start {episode.number}" if len(self._episodes) > 1 or episode.number > 1 else ""
        return self.claim.since + start + (f", at {wording.clock(episode.time)}" if self.claim.since != "the start" else "")

    def _finding(self, judged: Judged, reason: str, since: str = "") -> Finding:
        claim = self.claim
        return Finding(claim.index, claim.what, judged, wanted=claim.wanted, since=since or claim.since, reason=reason)
