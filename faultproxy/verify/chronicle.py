"""What happened on each connection, in bounded memory, for reports: marks for a ladder diagram, and curves. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from faultproxy.core import actions as do
from faultproxy.core import events as ev
from faultproxy.core.actions import Action
from faultproxy.core.connection import Connection
from faultproxy.core.events import SENDER, SINK, SOURCE, Tap
from faultproxy.core.header import Packet
from faultproxy.core.run import Happening, Knock, Watch
from faultproxy.core.shape import FIN, RST, SYN
from faultproxy.verify.census import Census, Entry
from faultproxy.verify.outcome import Mark, Track
from faultproxy.verify.world import Label, Look, NotYet, Unknown

CONNECTIONS = 1000
"""Connections that are followed one by one; of all others only the sums are known."""
MARKS = 2000
"""Marks of one connection that are kept, the first: beyond it a note says how many are left out."""
POINTS = 2000
"""Points of one curve that are kept."""
CURVES = (
    "tcp_state", "bytes_sent", "bytes_received", "send_queue", "recv_queue", "unacked", "retransmits", "backoff", "rtt", "peer_window",
    "zero_window"
)  # fmt: skip
BANDS = 5000
"""Starts of faults that are kept with their times."""


@dataclass(slots=True)
class _Story:
    entry: Entry
    marks: list[Mark] = field(default_factory=list)
    left_out: int = 0
    ended: set[str] = field(default_factory=set)
    """Sides that the proxy has sent a FIN to."""
    curves: dict[str, list[tuple[float, float | str]]] = field(default_factory=dict)
    looked: float = -math.inf
    """When its values were read last."""
    ends: dict[tuple[str, str], Mark] = field(default_factory=dict)
    """The FIN or RST of each way, the first."""

    def add(self, mark: Mark) -> None:
        if len(self.marks) < MARKS:
            self.marks.append(mark)
            if mark.what in ("FIN", "RST") and not mark.lost:
                self.ends.setdefault((mark.where, mark.to), mark)
        else:
            self.left_out += 1

    def add_sample(self, mark: Mark) -> None:
        """Data that has gone by since the last look, and so at an unknown time. In its stream it stands before a FIN or RST."""
        way = mark.where, mark.to
        end = self.ends.get(way)
        if end is None or end.time > mark.time or len(self.marks) >= MARKS:
            self.add(mark)
        elif end.where != "proxy" or end.what == "RST" or end.time > self.looked:
            self.marks.insert(self.marks.index(end), replace(mark, time=end.time))
        elif end.fault:
            self.add(mark)  # that very segment was seen, and what comes now has been sent again
        else:
            # Our FIN was ordered then, and the kernel has sent it behind what was still queued.
            self.marks.remove(end)
            self.ends[way] = replace(end, time=mark.time)
            self.marks += [mark, self.ends[way]]

    def track(self) -> Track:
        marks = sorted(self.marks, key=lambda mark: mark.time)
        if self.left_out:
            marks.append(Mark(marks[-1].time, "proxy", "", "note", note=f"{self.left_out} more are left out"))
        return Track(str(self.entry.label), self.entry.peer.role, self.entry.opened, self.entry.closed, marks, self.curves)


@dataclass(slots=True)
class Band:
    """A fault that was active on a connection (empty: on the listener)."""

    fault: str
    label: str
    start: float
    heal: float | None = None


class Chronicle:
    """Hears of everything and keeps what a report shows."""

    def __init__(self) -> None:
        self.bands: list[Band] = []
        self.passed_over = 0
        """Connections that are not followed, because there are too many."""
        self._stories: dict[Label, _Story] = {}
        self.needs = frozenset(f"{side}.{name}" for side in ("client", "server") for name in CURVES)

    @property
    def tracks(self) -> list[Track]:
        """All connections that were followed."""
        return [story.track() for story in self._stories.values()]

    @property
    def roles(self) -> set[str]:
        """Who has connected: as `Peer.role`."""
        return {story.entry.peer.role for story in self._stories.values()}

    @property
    def notes(self) -> list[str]:
        """What a reader should know of it."""
        if not self.passed_over:
            return []
        return [f"the first {CONNECTIONS} connections were followed one by one; of the other {self.passed_over} only the sums are known"]

    def opened(self, entry: Entry) -> None:
        """A connection has opened."""
        if len(self._stories) < CONNECTIONS:
            story = self._stories[entry.label] = _Story(entry)
            story.add(Mark(entry.opened, "client", "proxy", "SYN"))
        else:
            self.passed_over += 1

    def watch(self, census: Census, clock: Callable[[], float]) -> Watch:
        """A watch for a run: the census hears everything, and what can be drawn is kept."""

        def watch(now: float, connection: Connection | None, what: Happening, actions: Sequence[Action]) -> None:
            entry = census.of(connection)
            census(now, connection, what, actions)
            entry = entry or census.of(connection)
            story = self._stories.get(entry.label) if entry is not None else None
            if story is not None and not isinstance(what, Knock):
                _draw(story, now - clock(), what, actions)

        return watch

    def heard(self, label: Label | None, action: Action, time: float) -> None:
        """A fault has started, acted or healed."""
        where = "" if label is None else str(label)
        match action:
            case do.Started(fault) if len(self.bands) < BANDS:
                self.bands.append(Band(fault, where, time))
            case do.Healed(fault):
                for band in reversed(self.bands):
                    if (band.fault, band.label, band.heal) == (fault, where, None):
                        band.heal = time
                        break
            case do.Fired(fault, what, size=size, tap=None) if label is not None and (story := self._stories.get(label)) is not None:
                story.add(Mark(time, "proxy", "", "note", size or 0, fault=fault, note=what))

    def look(self, look: Look) -> None:
        """Values have been read."""
        for label, values in look.connections.items():
            story = self._stories.get(label)
            if story is None:
                continue
            for name, value in values.items():
                if isinstance(value, Unknown | NotYet) or name not in self.needs:
                    continue
                curve = story.curves.setdefault(name, [])
                point = value if isinstance(value, str) else float(value)
                if (not curve or curve[-1][1] != point) and len(curve) < POINTS:
                    _data(story, look.time, name, curve[-1][1] if curve else 0.0, point)
                    curve.append((look.time, point))
            story.looked = look.time


def _data(story: _Story, time: float, name: str, before: float | str, now: float | str) -> None:
    # Bytes go by unseen where no fault acts on them: that there were some is read off the kernel's counters.
    if isinstance(before, str) or isinstance(now, str) or now <= before:
        return
    arrows = {"client.bytes_sent": ("client", "proxy"), "client.bytes_received": ("proxy", "client")}
    arrows |= {"server.bytes_sent": ("server", "proxy"), "server.bytes_received": ("proxy", "server")}
    if name in arrows:
        where, to = arrows[name]
        story.add_sample(Mark(time, where, to, "data", int(now - before)))


def _draw(story: _Story, time: float, what: Happening, actions: Sequence[Action]) -> None:
    match what:
        case ev.Dialled():
            story.add(Mark(time, "proxy", "server", "SYN"))
        case ev.DialFailed(why):
            story.add(Mark(time, "proxy", "server", "SYN", lost=True, note=why))
        case ev.Eof(direction):
            story.add(Mark(time, SOURCE[direction], "proxy", "FIN"))
        case ev.PeerReset(side, why):
            story.add(Mark(time, side, "proxy", "RST", note="" if why == "ECONNRESET" else why))
        case ev.Seen(tap, packet):
            fired = next((action for action in actions if isinstance(action, do.Fired)), None)
            if fired is not None:
                lost = any(isinstance(action, do.Lose) and not action.held for action in actions)
                story.add(_segment(time, tap, packet, fired, lost))
    for action in actions:
        match action:
            case do.SendFin(direction):
                story.ended.add(SINK[direction])
                story.add(Mark(time, "proxy", SINK[direction], "FIN"))
            case do.ResetLeg(side):
                story.add(Mark(time, "proxy", side, "RST"))
            case do.CloseLeg(side) if side not in story.ended:
                story.add(Mark(time, "proxy", side, "FIN", note="close"))


def _segment(time: float, tap: Tap, packet: Packet, fired: do.Fired, lost: bool) -> Mark:
    flags = packet.flags
    what = "RST" if flags & RST else "SYN" if flags & SYN else "FIN" if flags & FIN else "data" if packet.size else "ACK"
    sender = SENDER[tap]
    where, to = (sender, "proxy") if sender is not None else ("proxy", tap.removeprefix("to_"))
    return Mark(time, where, to, what, packet.size, fault=fired.fault, lost=lost, note=fired.what)
