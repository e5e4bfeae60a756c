"""Who is connected, and what the proxy has seen of it: made of all that a run tells its watch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from faultproxy.core import actions as do
from faultproxy.core import events as ev
from faultproxy.core.actions import Action
from faultproxy.core.connection import Connection
from faultproxy.core.events import SENDER, SINK, SOURCE, Side
from faultproxy.core.plan import Peer
from faultproxy.core.run import Happening, Knock
from faultproxy.core.shape import RST
from faultproxy.verify.players.fate import Fate
from faultproxy.verify.world import Label

OWN_FAILURES = {"ETIMEDOUT", "EADDRNOTAVAIL", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"}
"""Errors of the proxy's own sockets that no fault asks for: no port, no memory, or a time-out of the sandbox's settings."""


@dataclass(slots=True)
class Entry:
    """One connection. Times are seconds of the run's clock; ports are what the kernel's tables know it by."""

    label: Label
    peer: Peer
    ordinal: int
    opened: float
    server_port: int = 0
    """The proxy's own port of the server's leg; 0 while there is none."""
    reached: bool = False
    """The server's kernel has had its half of it: our dial has succeeded, or, where nobody stands between, the server has sent."""
    closed: float | None = None
    failed: str = ""
    fins: set[tuple[Side, str]] = field(default_factory=set)
    """Whether a side has ``sent`` or ``received`` a FIN, as far as the proxy knows."""
    rsts: set[tuple[Side, str]] = field(default_factory=set)
    fate: Fate | None = None
    """What a player of ours has had of it; None: the client is a program that does not tell."""

    @property
    def is_probe(self) -> bool:
        """Whether it is a healthy player's, who does not count."""
        return self.peer.role == "probe"


Told = Callable[[Entry | None, Action, float], None]
"""Hears of each start, act and heal of a fault, with the connection (None: the listener's)."""


class Census:
    """The watch of one proxy: give it to the run. `clock` says when the run's clock started; `told` hears what faults do.

    `prefix` stands before each label, where there are several proxies.
    """

    def __init__(
        self, clock: Callable[[], float], told: Told, opened: Callable[[Entry], None], closed: Callable[[Entry], None], *, prefix: str = ""
    ) -> None:
        self.entries: dict[Label, Entry] = {}
        self.failures: list[str] = []
        """What went wrong with the proxy's own legs."""
        self._clock = clock
        self._prefix = prefix
        self._told = told
        self._opened = opened
        self._closed = closed
        self._by_core: dict[int, Entry] = {}
        self._knocking: Entry | None = None
        self._again: Counter[str] = Counter()

    def count(self) -> dict[str, int]:
        """How many connections have opened, are open and have failed, without the probes'."""
        mine = [entry for entry in self.entries.values() if not entry.is_probe]
        return {
            "connections.opened": len(mine),
            "connections.open": sum(entry.closed is None for entry in mine),
            "connections.failed": sum(bool(entry.failed) for entry in mine),
        }

    def of(self, connection: Connection | None) -> Entry | None:
        """The entry of a connection that it has heard of."""
        return None if connection is None else self._by_core.get(id(connection))

    def __call__(self, now: float, connection: Connection | None, what: Happening, actions: Sequence[Action]) -> None:
        """`core.run.Watch`."""
        time = now - self._clock()
        if isinstance(what, Knock):
            self._knocking = Entry(self._label(what), what.peer, what.ordinal, time)
            self.entries[self._knocking.label] = self._knocking
            self._opened(self._knocking)
            return
        entry = None if connection is None else self._entry(connection)
        if entry is not None:
            self._note(entry, what, time)
        if connection is not None and what == "close":
            del self._by_core[id(connection)]
        for action in actions:
            if isinstance(action, do.Started | do.Fired | do.Healed):
                self._told(entry, action, time)
            elif entry is not None:
                _sent(entry, action)

    def _entry(self, connection: Connection) -> Entry | None:
        entry = self._by_core.get(id(connection))
        if entry is None and self._knocking is not None:
            entry = self._by_core[id(connection)] = self._knocking
            self._knocking = None
        return entry

    def _note(self, entry: Entry, what: Happening, time: float) -> None:
        match what:
            case ev.Dialled(_, port):
                entry.server_port = port
                entry.reached = entry.reached or bool(port)  # without one nobody has dialled: the client's own SYN has been seen
            case ev.Seen(tap, packet) | ev.Noted(tap, packet):
                entry.reached = entry.reached or (SENDER[tap] == "server" and not packet.flags & RST)
            case ev.DialFailed(why):
                entry.failed = why
                if why in OWN_FAILURES:
                    self.failures.append(f"connection {entry.label}: the server could not be dialled: {why}")
            case ev.Eof(direction):
                entry.fins.add((SOURCE[direction], "sent"))
            case ev.PeerReset(side, why):
                if why in OWN_FAILURES:
                    self.failures.append(f"connection {entry.label}: the proxy's own leg to the {side} has failed: {why}")
                else:
                    entry.rsts.add((side, "sent"))
            case "close":
                entry.closed = time
                self._closed(entry)

    def _label(self, knock: Knock) -> Label:
        peer = knock.peer
        if peer.role == "outsider":
            return f"{self._prefix}{knock.ordinal}" if self._prefix else knock.ordinal
        name = f"{self._prefix}{peer.name} {peer.number}"
        self._again[name] += 1
        return name if self._again[name] == 1 else f"{name} ({self._again[name]})"


def _sent(entry: Entry, action: Action) -> None:
    match action:
        case do.SendFin(direction):
            entry.fins.add((SINK[direction], "received"))
        case do.CloseLeg(side, linger):
            (entry.rsts if linger == 0 else entry.fins).add((side, "received"))
        case do.ResetLeg(side):
            entry.rsts.add((side, "received"))
