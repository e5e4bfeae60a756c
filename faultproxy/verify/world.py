"""What is observed of a run: the vocabulary of expectations (`scenario/observables.py`) with values, at one moment after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Label = int | str
"""A connection as the journal calls it: the ordinal of an outsider, ``"lurkers 3"`` for a member of a crowd or a probe."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """It cannot be observed here, and why: who owns the socket is on another machine, there is no /proc, …"""

    why: str


@dataclass(frozen=True, slots=True)
class NotYet:
    """It has no value yet, and why: the process is still running, nothing has been answered, …"""

    why: str


Seen = str | bool | int | float | Unknown | NotYet


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a probe or a crowd. Times are seconds of the run's clock; `took` is None where no right answer came."""

    at: float
    took: float | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A connection of a probe or a crowd that has ended: when, after how long, and whether the server ended it."""

    at: float
    after: float
    by_server: bool


@dataclass(frozen=True, slots=True)
class Player:
    """A probe or a crowd so far. Counters count from the start of the run.

    `total` is what a share is of: a crowd's count, what a probe has asked.
    """

    total: int
    ok: int = 0
    failures: int = 0
    open: int = 0
    closed_by_server: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    asked: Sequence[Asked] = ()
    """The latest, bounded."""
    ended: Sequence[Ended] = ()
    """The latest, bounded."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at everything that the expectations name. Counters count from the start of the run; whoever judges takes the difference."""

    time: float
    """Seconds of the run's clock: 0 is when the faults were armed."""
    connections: Mapping[Label, Mapping[str, Seen]] = field(default_factory=dict)
    """Of each connection that has ever been opened: ``{"client.tcp_state": "ESTABLISHED", "server.unacked": 3, …}``."""
    others: Mapping[str, Seen] = field(default_factory=dict)
    """What is not of a connection: ``{"server.sockets.CLOSE_WAIT": 3, "client.process.exit": 0, "host.TCPTimeouts": 7}``."""
    players: Mapping[str, Player] = field(default_factory=dict)
    """``{"probe.healthy": …, "crowd.lurkers": …}``."""
