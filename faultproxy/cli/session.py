"""A run: server, proxies, journal, a voice that tells of it, and the signals that end it."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

import trio

from faultproxy import __version__
from faultproxy.cli.summary import Part, Summary
from faultproxy.cli.voice import Voice
from faultproxy.cli.words import sentence
from faultproxy.core.journal import Header, Journal
from faultproxy.core.plan import Sockets
from faultproxy.core.run import Watch
from faultproxy.errors import ScenarioError
from faultproxy.net.capture import Capture
from faultproxy.net.intercept import AnyProxy, make
from faultproxy.net.proxy import mechanisms
from faultproxy.scenario import Scenario
from faultproxy.scenario.sections import Proxy as ProxyTable
from faultproxy.scenario.variables import Value, references
from faultproxy.verify.server import Server, free_port, make_server

FLUSHED = 0.5
"""Seconds between two writings of the journal: what a kill can take from it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is run, and how. `seconds` None: until it is ended. `again` is the command that repeats it."""

    scenario: Scenario
    seed: int
    again: str
    upstream: str | None = None
    journal: Path | None = None
    pcap: Path | None = None
    max_connections: int | None = None
    seconds: float | None = None


class Session:
    """One run of `settings`, told by `voice`."""

    def __init__(self, settings: Settings, voice: Voice) -> None:
        self._settings = settings
        self._scenario = _with_known_port(settings.scenario)
        self._voice = voice
        self._proxies: list[AnyProxy] = []
        self._capture: Capture | None = None
        self._journals: list[Journal] = []
        self._file: TextIO | None = None
        self._server: Server | None = None
        self._started: float | None = None

    async def run(self) -> Summary | None:
        """Runs until the time is over or a signal ends it; a second signal ends it by force. None: it was ended before it had begun."""
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with trio.open_nursery() as nursery:
                running = trio.CancelScope()
                nursery.start_soon(self._obey, signals, running)
                try:
                    with running:
                        await self._serve()
                finally:
                    self._close_journal()
                    if self._capture is not None:
                        self._capture.close()
                    with trio.CancelScope(shield=True):
                        summary = self._summary()
                        await self._voice.ended(summary)
                nursery.cancel_scope.cancel()
        return summary

    async def _obey(self, signals: AsyncIterator[int], running: trio.CancelScope) -> None:
        async for number in signals:
            if running.cancel_called:
                if self._server is not None:
                    self._server.kill()
                os._exit(128 + number)
            running.cancel()

    async def _serve(self) -> None:
        self._open_journal()
        if self._settings.pcap is not None:
            self._capture = Capture(self._settings.pcap, self._voice.notify, comment=self._settings.again)
        # The server ends after the proxies: its last words are still carried, and nobody is refused meanwhile.
        async with trio.open_nursery() as outer:
            outer.start_soon(self._voice.serve, self._proxies)
            address = await self._start_server(outer)
            async with trio.open_nursery() as nursery:
                named = len(self._scenario.proxies) > 1
                for table in self._scenario.proxies:
                    proxy, upstream = self._proxy(table, address, named)
                    await nursery.start(proxy.serve)
                    self._proxies.append(proxy)
                    self._voice.listening(proxy, upstream, named)
                self._started = trio.current_time()
                nursery.start_soon(self._flush)
                await trio.sleep(self._settings.seconds if self._settings.seconds is not None else math.inf)
                nursery.cancel_scope.cancel()
            outer.cancel_scope.cancel()

    # ---------------------------------------------------------------- parts

    async def _start_server(self, nursery: trio.Nursery) -> str | None:
        table = self._scenario.server
        if table is None:
            return None
        own = self._scenario.proxies[0]
        given = self._settings.upstream or own.upstream
        host, _, port = (own.listen or "").rpartition(":")
        values: dict[str, Value] = {"seed": self._settings.seed, "proxy_host": host.strip("[]"), "proxy_port": port}
        folder = self._scenario.folders.get("server")
        server = make_server(table, table.command, upstream=given, values=values, folder=folder, notify=self._voice.notify)
        self._server = server
        self._voice.say(f"server: {server}")
        await nursery.start(server.serve)
        return f"127.0.0.1:{server.port}"

    def _proxy(self, table: ProxyTable, server: str | None, named: bool) -> tuple[AnyProxy, str]:
        settings, scenario = self._settings, self._scenario
        upstream = settings.upstream or table.upstream or server
        if upstream is None:
            raise ScenarioError(
                f"nothing says what {'proxy ' + table.name if named else 'the proxy'} connects to: "
                "give --upstream HOST:PORT, or `upstream` in [proxy], or a [server]"
            )
        sockets = Sockets(table.rcvbuf, table.sndbuf, table.rcvbuf, table.sndbuf)
        faults = [fault.table() for fault in scenario.faults if fault.belongs_to(table.name)]
        plans = mechanisms(scenario.plans(table.name), self._capture)
        filtered = [plan.name for plan in plans if plan.filtered]
        header = Header(settings.seed, faults, scenario.id, table.name, __version__, sockets=sockets, filtered=filtered)

        def clock() -> float:
            return proxy.run.clock_start

        watches: list[Watch] = []
        if self._file is not None:
            self._journals.append(Journal(header, self._write, named=named, clock=clock))
            watches.append(self._journals[-1])
        if (told := self._voice.watch(header, clock, named)) is not None:
            watches.append(told)
        watch = _all(watches)
        notify = (lambda message: self._voice.notify(f"{table.name}: {message}")) if named else self._voice.notify
        proxy: AnyProxy = make(
            plans,
            listen=table.listen,
            upstream=upstream,
            seed=settings.seed,
            sockets=sockets,
            watch=watch,
            notify=notify,
            max_connections=settings.max_connections,
            name=table.name,
            alone=not named,
            capture=self._capture,
            fail_open=table.fail_open,
        )
        return proxy, upstream

    def _summary(self) -> Summary | None:
        if self._started is None:
            return None
        words = {fault.name: sentence(fault) for fault in self._scenario.faults}
        parts = [Part.of(proxy, words) for proxy in self._proxies]
        return Summary(trio.current_time() - self._started, self._settings.seed, self._settings.again, parts)

    # -------------------------------------------------------------- journal

    def _open_journal(self) -> None:
        path = self._settings.journal
        if path is not None:
            try:
                self._file = path.open("w", encoding="utf-8")
            except OSError as error:
                raise ScenarioError(f"--journal {path}: cannot be written ({error.strerror})") from error

    def _write(self, lines: str) -> None:
        if self._file is None:
            return
        try:
            self._file.write(lines)
            self._file.flush()
        except OSError as error:
            self._file = None
            self._voice.notify(f"the journal ends here: it cannot be written ({error.strerror})")

    async def _flush(self) -> None:
        while self._journals or self._capture is not None:
            await trio.sleep(FLUSHED)
            for journal in self._journals:
                journal.flush()
            if self._capture is not None:
                self._capture.flush()

    def _close_journal(self) -> None:
        for journal in self._journals:
            journal.flush()
        if self._file is not None:
            self._file.close()


def _all(watches: Sequence[Watch]) -> Watch | None:
    if len(watches) < 2:
        return watches[0] if watches else None

    def watch(*told: object) -> None:
        for each in watches:
            each(*told)  # type: ignore[arg-type]

    return watch


def heading(scenario: Scenario, seed: int, say: Callable[[str], None]) -> None:
    """What is told before anything starts: the seed first, then what will go wrong, and what `run` leaves out."""
    say(f"seed {seed}")
    if scenario.path is not None:
        covers = f" (covers {', '.join(scenario.covers)})" if scenario.covers else ""
        say(f"{scenario.id}: {scenario.title}{covers}" if scenario.title else f"{scenario.id}{covers}")
    for fault in scenario.faults:
        say(f"  {sentence(fault)}")
    if not scenario.faults:
        say("  no faults: a plain relay")
    for left_out in scenario.left_out_by_run():
        say(f"left out by `run`: {left_out}")


def _with_known_port(scenario: Scenario) -> Scenario:
    """The server is started before the proxy: if its command names the proxy's port, that must be chosen even earlier."""
    if scenario.server is None or not any("proxy_port" in references(word) for word in scenario.server.command):
        return scenario
    first, *others = scenario.proxies
    host, _, port = (first.listen or "").rpartition(":")
    if port != "0":
        return scenario
    known = first.model_copy(update={"listen": f"{host}:{free_port(host.strip('[]'))}"})
    return replace(scenario, proxies=(known, *others))
