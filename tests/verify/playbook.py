"""A playbook for the judge: what happens and what is seen at which time. Nothing waits, because the clock is an argument."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from faultproxy.core.plan import FaultPlan, Peer
from faultproxy.scenario.expect import Expect
from faultproxy.verify.judge import Judge
from faultproxy.verify.outcome import Finding
from faultproxy.verify.world import Label, Look, Player, Seen

TICK = 0.02
"""Seconds between two looks of a run."""


def expect(text: str) -> Expect:
    """The table of an expectation as it stands in a file, without its header."""
    return Expect.model_validate(tomllib.loads(text))


class Play:
    """A run with these expectations. What is observed keeps its value from look to look until something else is said."""

    def __init__(
        self, *expects: str, faults: Sequence[FaultPlan] = (), only: str | None = None, seed: int = 1, of_outsiders: bool = False
    ) -> None:
        self.judge = Judge([expect(text) for text in expects], faults, only_fault=only, seed=seed, of_outsiders=of_outsiders)
        self._connections: dict[Label, dict[str, Seen]] = {}
        self._others: dict[str, Seen] = {}
        self._players: dict[str, Player] = {}
        self._outsiders = 0

    def opens(self, time: float, label: Label | None = None, **values: Seen) -> Play:
        """A connection opens: the next outsider, or ``"lurkers 3"``; a name that begins with "probe" is that of a probe."""
        if label is None:
            self._outsiders += 1
            label, peer, ordinal = self._outsiders, Peer("127.0.0.1", 40000), self._outsiders
        else:
            name, _, number = str(label).rpartition(" ")
            ordinal = int(number)
            peer = Peer("127.0.0.1", 40000, "probe" if name.startswith("probe") else "crowd", name, ordinal)
        self.judge.opened(label, peer, ordinal, time)
        self._connections[label] = {}
        return self.sets(label, **values)

    def closes(self, time: float, label: Label) -> Play:
        self.judge.closed(label, time)
        return self

    def starts(self, time: float, fault: str, *labels: Label | None, fires: bool = True) -> Play:
        for label in labels or (1,):
            self.judge.started(fault, label, time)
            if fires:
                self.judge.fired(fault, label, time)
        return self

    def fires(self, time: float, fault: str, *labels: Label | None) -> Play:
        for label in labels or (1,):
            self.judge.fired(fault, label, time)
        return self

    def heals(self, time: float, fault: str, *labels: Label | None) -> Play:
        for label in labels or (1,):
            self.judge.healed(fault, label, time)
        return self

    def sets(self, label: Label, **values: Seen) -> Play:
        """From now on a connection has these values: ``server__tcp_state`` is ``server.tcp_state``."""
        self._connections[label] |= {key.replace("__", "."): value for key, value in values.items()}
        return self

    def has(self, what: str, value: Seen) -> Play:
        """From now on something has that value that is not of a connection."""
        self._others[what] = value
        return self

    def plays(self, who: str, player: Player) -> Play:
        self._players[who] = player
        return self

    def look(self, *times: float, **values: Seen) -> Play:
        """Looks; `values` are set on connection 1 before."""
        if values:
            self.sets(1, **values)
        for time in times:
            connections = {label: dict(seen) for label, seen in self._connections.items()}
            self.judge.look(Look(time, connections, dict(self._others), dict(self._players)))
        return self

    def until(self, first: float, last: float, step: float = 0.1) -> Play:
        """Looks again and again, from the first time to the last, both included."""
        rounds = round((last - first) / step)
        return self.look(*(round(first + step * n, 6) for n in range(rounds + 1)))

    def over(self, time: float) -> list[Finding]:
        """The fault phase ends and everything heals, and nothing more comes."""
        self.judge.faults_end(time)
        self.judge.heals(time)
        self.judge.over(time)
        return self.judge.findings()

    def result(self, time: float) -> tuple[str, str]:
        """The only finding: what was judged, and what was got or, where that says nothing, why."""
        (finding,) = self.over(time)
        return finding.judged, finding.got or finding.reason

    def judged(self, time: float) -> list[str]:
        return [finding.judged for finding in self.over(time)]


def player(total: int = 0, **values: Any) -> Player:
    return Player(total, **values)
