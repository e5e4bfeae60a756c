"""A playbook: what happens to one connection at which time, and what must follow. The clock is an argument, so nothing waits."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Sequence
from typing import Any

from faultproxy.core import events as ev
from faultproxy.core.actions import Action, CloseLeg, Fired, ResetLeg, Send, SendFin
from faultproxy.core.connection import Connection
from faultproxy.core.events import Direction, Side
from faultproxy.core.plan import FaultPlan, Peer
from faultproxy.core.run import Outcome, Run
from faultproxy.faults import KINDS

Line = tuple[float, Action]
"""At that time, that was decided."""
Wire = tuple[float, Direction, bytes | str]
"""At that time, these bytes left in that direction, or one of "FIN", "RST", "close"."""


def fault(kind: str, **keys: Any) -> FaultPlan:
    """The plan of a fault table, as a file would have it: ``fault("latency", delay="1s")``."""
    cls = {kind.model_fields["kind"].default: kind for kind in KINDS}[kind]
    return cls.model_validate({"kind": kind} | keys).plan()


def written(text: str) -> FaultPlan:
    """The plan of a fault table as it stands in a file, without its header."""
    table = tomllib.loads(text)
    return fault(**table)


class Playbook:
    """One connection of a run, the upstream dialled at once unless `dialled` is False. Times are seconds since the run's clock started."""

    def __init__(self, *plans: FaultPlan, seed: int = 1, opens: float = 0.0, dialled: bool = True, peer: Peer | None = None) -> None:
        self.run = Run(plans, seed, 0.0)
        self.now = opens
        self.log: list[Line] = []
        self._told = 0
        self._offsets: dict[Direction, int] = {"c2s": 0, "s2c": 0}
        self._note(self.run.open(opens))
        connection, outcome = self.run.admit(peer or Peer("127.0.0.1", 40000), opens)
        assert connection is not None, "no fault has anything to do with this connection"
        self.connection: Connection = connection
        self._note(outcome)
        if dialled:
            self.happens(opens, ev.Dialled("upstream"))

    def until(self, time: float) -> Playbook:
        """Lets the time pass up to then, with every timer on the way."""
        while (deadline := self.connection.deadline()) is not None and deadline <= time and not self.connection.over:
            self.now = max(self.now, deadline)
            self._handle(ev.Timer())
        self.now = time
        return self

    def happens(self, time: float, event: ev.Event) -> Playbook:
        """Something else than bytes."""
        self.until(time)
        self._handle(event)
        return self

    def send(self, time: float, direction: Direction, data: bytes) -> Playbook:
        """The source of that direction sends bytes, which are read at once, in one piece."""
        self.until(time)
        offset = self._offsets[direction]
        self._offsets[direction] = offset + len(data)
        self._handle(ev.Data(direction, offset, data, self.connection.scan(direction, offset, data)))
        return self

    def fin(self, time: float, direction: Direction) -> Playbook:
        """The source of that direction sends its FIN."""
        return self.happens(time, ev.Eof(direction, self._offsets[direction]))

    def rst(self, time: float, side: Side) -> Playbook:
        """That side sends a RST."""
        return self.happens(time, ev.PeerReset(side, "ECONNRESET"))

    def order(self, time: float, name: str, heal: bool = False) -> Playbook:
        """A fault is started, or healed, by hand."""
        self.until(time)
        self._note(self.run.order(name, heal, "by hand", time))
        return self

    def heal(self, time: float, name: str) -> Playbook:
        """A fault is healed by hand."""
        return self.order(time, name, heal=True)

    def must(self, *lines: Line) -> Playbook:
        """All that was decided since the last `must`, in order."""
        got, self._told = self.log[self._told :], len(self.log)
        if got != list(lines):
            raise AssertionError("the run went another way (- expected, + got):\n" + _difference(lines, got))
        return self

    @property
    def wire(self) -> list[Wire]:
        """What has left so far; bytes of one moment and direction are joined, for how they were cut does not matter."""
        return wire(self.log)

    def fired(self, name: str) -> list[tuple[float, str, int | None, int | None]]:
        """What that fault has done: time, what, offset, size."""
        return [(time, act.what, act.offset, act.size) for time, act in self.log if isinstance(act, Fired) and act.fault == name]

    def writes(self, direction: Direction) -> list[tuple[float, bytes]]:
        """Each single write in that direction."""
        return [(time, act.data) for time, act in self.log if isinstance(act, Send) and act.direction == direction]

    def _handle(self, event: ev.Event) -> None:
        self._note(self.run.handle(self.connection, event, self.now))

    def _note(self, outcome: Outcome) -> None:
        for _, actions in outcome:
            self.log += [(self.now, action) for action in actions]


def wire(log: Iterable[Line]) -> list[Wire]:
    """What of a log can be seen from outside, bytes of one moment and direction joined."""
    seen: list[Wire] = []
    for time, action in log:
        match action:
            case Send(direction, data):
                before = seen[-1][2] if seen and seen[-1][:2] == (time, direction) else ""
                if isinstance(before, bytes):
                    seen[-1] = (time, direction, before + data)
                else:
                    seen.append((time, direction, data))
            case SendFin(direction):
                seen.append((time, direction, "FIN"))
            case ResetLeg(side):
                seen.append((time, ev.TO[side], "RST"))
            case CloseLeg(side):
                seen.append((time, ev.TO[side], "close"))
    return seen


def _difference(wanted: Sequence[Line], got: Sequence[Line]) -> str:
    def lines(log: Sequence[Line]) -> list[str]:
        return [f"{time:g}: {action}" for time, action in log]

    return "\n".join(difflib.ndiff(lines(wanted), lines(got)))
