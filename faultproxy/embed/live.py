"""The proxy of a program, within its trio run: made of what was given, with a journal in memory and faults that come and go."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import trio

from faultproxy import __version__
from faultproxy.core.actions import Action, Fired
from faultproxy.core.connection import Connection
from faultproxy.core.journal import Header, Journal
from faultproxy.core.run import FaultStats, Happening
from faultproxy.embed.given import Given
from faultproxy.errors import FaultproxyError, ScenarioError
from faultproxy.faults.base import STARTS, Fault
from faultproxy.net.intercept import AnyProxy, make
from faultproxy.net.proxy import Proxy, mechanisms
from faultproxy.scenario.check import missing
from faultproxy.scenario.single import single

LINES = 10_000
"""Lines of the journal that are kept in memory, the newest; a file gets all."""
MESSAGES = 1000
"""Messages that are kept, the newest."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A fault to be started: `name` is one that the proxy has; or `fault` is one to be added, and `armed` by its own start."""

    name: str
    fault: Fault | None = None
    armed: bool = False
    named: bool = False
    """Its name was chosen, so it cannot have another."""


class Live:
    """One proxy. All but `serve` and `wait_fired` return at once; everything is called from the trio run that serves."""

    def __init__(self, given: Given, *, journal: Path | None = None, max_connections: int | None = None, alone: bool = False) -> None:
        self.given = given
        self.messages: deque[str] = deque((f"left out: {line}" for line in given.left_out), MESSAGES)
        self.fired: Counter[str] = Counter()
        """How often each fault has acted, by name."""
        self._header = ""
        self._lines: deque[str] = deque(maxlen=LINES)
        self._file = _opened(journal)
        self._waiting: set[trio.Event] = set()
        plans = mechanisms([fault.plan() for fault in given.faults], None)
        filtered = [plan.name for plan in plans if plan.filtered]
        table, seed = given.table, given.seed
        header = Header(
            seed,
            [fault.table() for fault in given.faults],
            given.scenario,
            table.name,
            __version__,
            sockets=given.sockets,
            filtered=filtered,
            tells_all=not table.intercept,
        )
        # Each line is written at once: who asks for the journal wants the latest.
        self._journal = Journal(header, self._write, clock=lambda: self.proxy.run.clock_start, buffer=0)
        self.proxy: AnyProxy = make(
            plans,
            listen=None if table.intercept else table.listen or "127.0.0.1:0",
            upstream=given.upstream,
            seed=seed,
            sockets=given.sockets,
            watch=self._watch,
            notify=self.messages.append,
            max_connections=max_connections,
            name=table.name,
            alone=alone,
            fail_open=table.fail_open,
            tells_all=True,
        )

    async def serve(self, *, task_status: trio.TaskStatus[Live] = trio.TASK_STATUS_IGNORED) -> None:
        """Serves until cancelled. Raises ListenError, ScenarioError or CapabilityError before it has started."""
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.proxy.serve)
                task_status.started(self)
        except BaseExceptionGroup as group:
            known = group.subgroup(FaultproxyError)
            if known is None:
                raise
            raise _first(known) from group
        finally:
            self._journal.flush()
            if self._file is not None:
                self._file.close()

    # --------------------------------------------------------------- faults

    def want(self, what: str, keys: Mapping[str, Any]) -> Wanted:
        """What `fault(what, **keys)` means: a fault that there is, or a kind. Raises ScenarioError with every mistake."""
        names = [plan.name for plan in self.proxy.plans]
        if not keys and what in names:
            return Wanted(what)
        armed = any(keys.get(key) not in (None, False) for key in STARTS)
        table = {"kind": what, **keys} | ({} if armed else {"manual": True})
        try:
            fault = single(table, names, self.given.place)
        except ScenarioError as error:
            if keys or not names:
                raise
            raise ScenarioError(f"{error}; and {missing(what, 'fault', names)}") from error
        if self.given.table.intercept:
            raise ScenarioError(f"{fault.kind}: with `intercept` there is no proxy to which it could be added")
        return Wanted(fault.name, fault, armed, bool(keys.get("name")))

    def begin(self, wanted: Wanted) -> str:
        """Starts (or adds and starts) a fault; returns its name. Raises ScenarioError for a chosen name that is taken."""
        name, fault = wanted.name, wanted.fault
        if fault is not None:
            names = {plan.name for plan in self.proxy.plans}
            if name in names and wanted.named:
                raise ScenarioError(f"there is a fault called {name!r} already: choose another name=…")
            number = 2
            while name in names:
                name, number = f"{wanted.name}-{number}", number + 1
            fault = fault.model_copy(update={"name": name})
            assert isinstance(self.proxy, Proxy)
            self.proxy.add(fault.plan(), fault.table())
        if not wanted.armed:
            self.order(name)
        return name

    def end(self, wanted: Wanted, name: str) -> None:
        """Heals what `begin` has started, and takes out what it has added."""
        if wanted.fault is None:
            self.order(name, heal=True)
        else:
            assert isinstance(self.proxy, Proxy)
            self.proxy.remove(name)

    def order(self, name: str, *, heal: bool = False) -> None:
        """Starts or heals a fault that there is."""
        self._known(name)
        self.proxy.order(name, heal=heal)

    async def wait_fired(self, name: str, times: int, within: float) -> int:
        """Waits until a fault has acted so often; returns how often it has. Raises TimeoutError, which says how it stands."""
        self._known(name)
        with trio.move_on_after(within):
            while self.fired[name] < times:
                event = trio.Event()
                self._waiting.add(event)
                try:
                    await event.wait()
                finally:
                    self._waiting.discard(event)
        if self.fired[name] < times:
            raise TimeoutError(f"{name!r} has not fired {'' if times == 1 else f'{times} times '}within {within:g} s: {self._stands(name)}")
        return self.fired[name]

    # ------------------------------------------------------------ questions

    @property
    def stats(self) -> list[FaultStats]:
        """What each fault has done, those that were added and are there still included."""
        return self.proxy.run.stats

    def never_fired(self) -> tuple[str, ...]:
        """The faults that were to act and have not, but those that the program has added."""
        given = {fault.name for fault in self.given.faults}
        return tuple(stats.name for stats in self.proxy.run.never_fired() if stats.name in given)

    def journal(self) -> list[str]:
        """The header and the lines so far (the newest, if there are very many), without their LF."""
        return [line.rstrip("\n") for line in (self._header, *self._lines) if line]

    # ------------------------------------------------------------------

    def _known(self, name: str) -> None:
        names = [plan.name for plan in self.proxy.plans]
        if name not in names:
            raise ScenarioError(missing(name, "fault", names))

    def _stands(self, name: str) -> str:
        stats = next((stats for stats in self.stats if stats.name == name), None)
        if stats is None:
            return "it has been taken out meanwhile"
        if not stats.starts:
            return f"it has not started, and concerns {stats.chosen} connection{'' if stats.chosen == 1 else 's'}"
        return f"it has started {stats.starts} times, acted {self.fired[name]} times, and is active in {stats.where} places"

    def _watch(self, now: float, connection: Connection | None, what: Happening, actions: Sequence[Action]) -> None:
        self._journal(now, connection, what, actions)
        acted = False
        for action in actions:
            if type(action) is Fired:
                acted = True
                self.fired[action.fault] += 1
        if acted:
            for event in self._waiting:
                event.set()

    def _write(self, line: str) -> None:
        if self._header:
            self._lines.append(line)
        else:
            self._header = line
        if self._file is not None:
            try:
                self._file.write(line)
            except OSError as error:
                self._file = None
                self.messages.append(f"the journal ends here: it cannot be written ({error.strerror})")


def _opened(path: Path | None) -> TextIO | None:
    try:
        return path.open("w", encoding="utf-8") if path is not None else None
    except OSError as error:
        raise ScenarioError(f"journal {path}: cannot be written ({error.strerror})") from error


def _first(group: BaseExceptionGroup[FaultproxyError]) -> FaultproxyError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
