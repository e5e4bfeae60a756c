"""Replays a journal: the same events at the same times into a new run, and every decision compared with the one on record.

What a run is *told* (a connect, bytes, a FIN, a timer, an order) is fed to it again; what it *decides* in answer, chains to other
connections included, must come out again in the same order. Bytes are fed as zeros, for no decision looks at them: what a pattern found is
on record. A journal that ends early, because its writer was killed, is replayed as far as it goes.

One thing that a run is told is not on record: bytes that a peer does not take count in the same budget as bytes that faults hold. A run
that has met that bound (`limits.HELD_TOTAL`) may differ in where it stopped reading.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from faultproxy.core import journal_read as read
from faultproxy.core.actions import Action
from faultproxy.core.connection import Connection
from faultproxy.core.journal import Entries, Entry, Header, text
from faultproxy.core.plan import Dial, FaultPlan
from faultproxy.core.run import Happening, Run
from faultproxy.errors import JournalError

Build = Callable[[Sequence[Mapping[str, Any]]], Sequence[FaultPlan]]
"""Makes plans of a header's fault tables. Raises ValueError or a FaultproxyError for tables that it cannot read."""

REMARKS = ("listening", "message", "left_out", "summary")
"""What ``run --json`` tells besides the journal; it decides nothing."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first line (counted from 1) at which the replay decided otherwise. `wanted` is on record, `got` came out; empty: nothing."""

    line: int
    time: float
    connection: int | str
    wanted: str
    got: str

    def __str__(self) -> str:
        place = "the listener" if self.connection == 0 else f"connection {self.connection}"
        return (
            f"line {self.line}, at {self.time:.6f} s, {place}:\n"
            f"  on record: {self.wanted or 'nothing'}\n"
            f"  replayed:  {self.got or 'nothing'}"
        )


@dataclass(slots=True)
class Replay:
    """How it went: what was compared, and the first difference.

    `truncated`: the journal ends in the middle of a line, or before the last decision was written, as after a kill.
    """

    headers: list[Header] = field(default_factory=list)
    lines: int = 0
    connections: int = 0
    decisions: int = 0
    truncated: bool = False
    difference: Difference | None = None


def replay(lines: Iterable[str], build: Build) -> Replay:
    """Replays the lines of a journal. Raises JournalError, with the line, for what is none or is damaged."""
    result = Replay()
    runs: dict[str, _Replayed] = {}
    for number, line in enumerate(lines, 1):
        result.lines = number
        try:
            entry = read.parse(line)
        except ValueError as exc:
            if number > 1 and not line.endswith("\n"):
                result.truncated = True
                result.lines -= 1
                break
            raise _damaged(number, exc) from exc
        try:
            if entry.get("event") in REMARKS and "connection" not in entry:
                continue
            if Header.MARK in entry:
                header = read.header(entry)
                result.headers.append(header)
                runs[header.proxy] = _Replayed(header, build)
                continue
            if not runs:
                raise ValueError("no header: a journal of faultproxy begins with one")
            run = runs.get(read.get(entry, "proxy", str, "")) or next(iter(runs.values()))
            wanted, got = run.take(entry)
        except ValueError as exc:
            raise _damaged(number, exc) from exc
        if wanted != got:
            result.difference = Difference(number, entry["time"], entry["connection"], _told(wanted), _told(got))
            break
        result.connections += entry["event"] == "connect"
        result.decisions += len(entry.get("actions", ()))
    if not result.lines:
        raise JournalError("the file is empty: a journal has at least its header line")
    if result.difference is None and any(run.coming for run in runs.values()):
        result.truncated = True
    return result


class _Replayed:
    """The run of one proxy, once more. `coming`: what it has decided and the journal has not been compared with yet."""

    def __init__(self, header: Header, build: Build) -> None:
        self._start = header.start
        plans = [replace(plan, filtered=plan.name in header.filtered) for plan in build(header.faults)]
        self._faults = {plan.name for plan in plans}
        self._build = build
        self._run = Run(plans, header.seed, header.start, sockets=header.sockets, watch=self._watch, tells_all=header.tells_all)
        self._entries = Entries(header.start)
        self._connections: dict[int | str, Connection] = {}
        self.coming: deque[Entry] = deque()

    def take(self, entry: Entry) -> tuple[Entry | None, Entry | None]:
        """What the journal says happened next, and what happens now. Raises ValueError where the entry makes no sense."""
        label: int | str = read.get(entry, "connection", (int, str))
        now = self._start + read.get(entry, "time", (int, float))
        event = read.get(entry, "event", str)
        if not self.coming and (label == 0 or event == "connect"):
            self._tell_run(event, entry, now)
        elif not self.coming and event not in ("open", "order", "add", "change", "remove", "run_ends"):  # these follow from something
            self._tell(label, event, entry, now)
        wanted = {key: value for key, value in entry.items() if key not in ("time", "proxy")}
        got = self.coming.popleft() if self.coming else None
        return wanted, got

    def _watch(self, now: float, connection: Connection | None, what: Happening, actions: Sequence[Action]) -> None:
        entry = self._entries.entry(now, connection, what, actions)
        if entry is not None:
            entry = json.loads(text(entry))
            del entry["time"]
            self.coming.append(entry)
            if connection is not None:
                self._connections[entry["connection"]] = connection

    def _tell_run(self, event: str, entry: Entry, now: float) -> None:
        run = self._run
        match event:
            case "open":
                run.open(now)
            case "timer":
                run.due(now)
            case "waiting":
                run.waiting(now)
            case "heal":
                run.heal(now)
            case "end":
                run.end(now)
            case "connect":
                run.admit(read.peer(entry), now)
            case "order" if "fault" in entry:  # without, it follows from a chain
                run.order(read.fault(entry, self._faults), read.get(entry, "heal", bool), read.get(entry, "why", str), now)
            case "order":
                pass
            case "add":
                table = read.get(entry, "fault", dict)
                plan = self._plan(entry, table)
                self._faults.add(plan.name)
                run.add(plan, table, now)
            case "change":
                table = read.get(entry, "fault", dict)
                plan = self._plan(entry, table)
                read.fault({"fault": plan.name}, self._faults)
                run.change(plan, table, now)
            case "remove":
                drain = read.get(entry, "drain", bool, False)
                run.remove(read.fault(entry, self._faults), read.get(entry, "why", str), now, drain=drain)
                self._faults.discard(entry["fault"])
            case _:
                raise ValueError(f"unknown event {event!r}")

    def _plan(self, entry: Entry, table: Entry) -> FaultPlan:
        (plan,) = self._build([table])
        return replace(plan, filtered=read.get(entry, "filtered", bool, False))

    def _tell(self, label: int | str, event: str, entry: Entry, now: float) -> None:
        connection = self._connections.get(label)
        if connection is None:
            raise ValueError(f"connection {label} was never opened, or no fault has to do with it")
        if event == "dial":
            _, actions = connection.dial(Dial(), now)
            self._run.dial(connection, actions, now)
        elif event == "close":
            self._run.close(connection)
            del self._connections[label]
        else:
            self._run.handle(connection, read.event(event, entry, connection.faults), now)


def _told(entry: Entry | None) -> str:
    return text(entry).strip() if entry is not None else ""


def _damaged(number: int, exc: ValueError) -> JournalError:
    if number == 1:
        return JournalError(f"line 1: this is no journal of faultproxy: {exc}")
    return JournalError(f"line {number}: the journal is damaged here: {exc}")
