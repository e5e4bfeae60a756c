"""Plays one scenario: server, proxies, baseline, faults, healing, recovery, in this order, and says how it ended.

This process is the scenario's own (`pool.py`), and where it needs a network of its own it has entered that before (`ground.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext

import trio

from faultproxy.core import actions as do
from faultproxy.core.actions import Action
from faultproxy.errors import FaultproxyError
from faultproxy.kernel.sockdiag import Diag
from faultproxy.net.proxy import Proxy
from faultproxy.scenario.sections import Proxy as ProxyTable
from faultproxy.verify import last_states
from faultproxy.verify.cast import Cast, Settings, port_of
from faultproxy.verify.census import Census, Entry
from faultproxy.verify.chronicle import Chronicle
from faultproxy.verify.judge import Judge
from faultproxy.verify.observers import Observers, Place
from faultproxy.verify.outcome import Finding, Outcome, Result
from faultproxy.verify.players import Players
from faultproxy.verify.remote import remote
from faultproxy.verify.server import NotReady
from faultproxy.verify.telling import Telling
from faultproxy.verify.verdict import Played, verdict
from faultproxy.verify.world import Player

LOOK_EVERY = 0.02
"""Seconds between two looks, unless looking itself takes long."""
SHARE = 0.2
"""Of the time that may go into looking."""
LOOK_AT_LEAST_EVERY = 0.5
"""Seconds between two looks at the most: a single one that took long, because the machine was busy, must not blind us for seconds."""
PATIENCE = 5.0
"""Seconds for which a fault that has never started is still waited for when nothing else is."""
ARRIVAL = 2.0
"""Seconds in which all members of crowds should have connected, so that what is expected of them has somebody to be judged on."""


class Interrupted(Exception):
    """The scenario cannot go on; the outcome and the reason."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(outcome, reason)
        self.outcome, self.reason = outcome, reason


class Play:
    """One play of `settings`; `say` hears which phase begins."""

    def __init__(self, settings: Settings, say: Callable[[str], None] = lambda line: None) -> None:
        self._settings = settings
        self._scenario = settings.scenario
        self._say = say
        self._notes: list[str] = []
        self._cast = Cast(settings, self._notes.append)
        self._players: Players | None = None
        self._places: list[Place] = []
        self._zero = math.nan
        """When the clock started."""
        plans = [plan for proxy in self._scenario.proxies for plan in settings.plans(proxy.name)]
        names = list(dict.fromkeys(plan.name for plan in plans if not plan.name.startswith("profile:")))
        self._judge = Judge(
            self._scenario.expects,
            plans,
            only_fault=names[0] if len(names) == 1 else None,
            seed=settings.seed,
            of_outsiders=settings.has_client,
        )
        self._observers: Observers | None = None
        self._told = Telling()
        self._chronicle = Chronicle()
        self._phases: dict[str, float] = {}
        self._rows: list[Diag] = []
        """The sockets of the run as they were at last."""
        self._looked = 0.0
        """Seconds that the last look took."""

    async def run(self) -> Result:
        """Plays it. Never raises what a user should be told: that is in the result."""
        began = trio.current_time()
        outcome: Outcome = "passed"
        reason = ""
        with trio.move_on_after(self._scenario.timeout) as limit:
            try:
                await self._in_phases()
            except BaseExceptionGroup as group:
                outcome, reason = _why(group)
        if limit.cancelled_caught:
            outcome = "inconclusive"  # at the best: nobody has seen it heal and recover
            reason = f"it took longer than its timeout of {self._scenario.timeout:g} s and was ended"
            self._notes.append(reason)
        self._judge.over(self._now())
        return verdict(self._played(trio.current_time() - began), outcome, reason)

    # ------------------------------------------------------------- phases

    async def _in_phases(self) -> None:
        async with trio.open_nursery() as outer:
            self._begins("server")
            server = self._cast.make_server()
            if server is not None:
                await outer.start(server.serve)
            async with trio.open_nursery() as nursery:
                for table in self._scenario.proxies:
                    await self._start_proxy(nursery, table)
                try:
                    async with self._remote() as told:
                        await self._baseline()
                        await self._faults(nursery, told)
                        await self._healing()
                finally:
                    self._last_look()
                nursery.cancel_scope.cancel()
            outer.cancel_scope.cancel()

    async def _start_proxy(self, nursery: trio.Nursery, table: ProxyTable) -> None:
        def clock() -> float:
            return proxy.run.clock_start

        prefix = f"{table.name} " if len(self._scenario.proxies) > 1 else ""
        census = Census(clock, self._heard, self._opened, self._closed, prefix=prefix)
        proxy = self._cast.make_proxy(table, self._chronicle.watch(census, clock))
        await nursery.start(proxy.serve)
        upstream = self._cast.upstream(table)
        dialling = proxy.dialling if isinstance(proxy, Proxy) else dict
        self._places.append(Place(census, port_of(proxy.address), port_of(upstream), intercepts=table.listen is None, dialling=dialling))

    async def _baseline(self) -> None:
        self._begins("baseline")
        players = self._cast.make_players(self._scenario.probes, (), self._now)
        async with trio.open_nursery() as nursery:
            await nursery.start(players.run)
            why = await players.baseline()
            nursery.cancel_scope.cancel()
        if why:
            raise Interrupted("inconclusive", f"before any fault: {why}")

    def _remote(self) -> AbstractAsyncContextManager[Mapping[str, str]]:
        # It is there before the clock starts: what it takes to import its server is nobody's delay.
        if not self._settings.has_client:
            return nullcontext({})
        tables = zip(self._cast.proxies, self._scenario.proxies, strict=True)
        proxies = [(proxy, self._cast.upstream(table)) for proxy, table in tables if isinstance(proxy, Proxy)]
        return remote(proxies, self._scenario.faults, self._settings.seed)

    async def _faults(self, nursery: trio.Nursery, told: Mapping[str, str]) -> None:
        needs = self._judge.needs() | self._chronicle.needs
        self._observers = Observers(needs, places=self._places, players=self._seen_players, programs=self._cast.programs)
        self._players = self._cast.make_players(self._scenario.probes, self._scenario.crowds, self._now)
        self._zero = trio.current_time()
        self._begins("faults")
        for proxy in self._cast.proxies:
            proxy.arm()
        self._look()
        await nursery.start(self._players.run)
        self._players.start_crowds()
        if (client := self._cast.make_client(told)) is not None:
            await nursery.start(client.run)
        idle_since = math.inf
        while True:
            self._look()
            now = self._now()
            if self._scenario.duration is not None and now >= self._scenario.duration:
                break
            if self._client_runs() or self._judge.waits_for_faults or self._fault_runs() or not (self._all_in() or now > ARRIVAL):
                idle_since = math.inf
            elif self._scenario.duration is None:
                idle_since = min(idle_since, now)
                if not (self._fault_waits() or self._judge.hopes) or now - idle_since > PATIENCE:
                    break
            await self._pause()
        self._judge.faults_end(self._now())

    async def _healing(self) -> None:
        assert self._players is not None
        self._begins("healing")
        self._look()
        healed = self._now()
        self._judge.heals(healed)
        for proxy in self._cast.proxies:
            proxy.heal()
        self._begins("recovery")
        while self._judge.waits_for_healing or not self._players.recovered(healed):
            self._look()
            missing = self._players.missing(healed)
            if missing and self._now() - healed > self._scenario.recovery and not self._judge.waits_for_healing:
                raise Interrupted("failed", f"not recovered within {self._scenario.recovery:g} s of healing: {'; '.join(missing)}")
            await self._pause()
        self._look()
        self._begins("end")

    # ------------------------------------------------------- what is heard

    def _opened(self, entry: Entry) -> None:
        entry.fate = self._cast.roll.fate(entry.peer)
        self._judge.opened(entry.label, entry.peer, entry.ordinal, entry.opened)
        self._chronicle.opened(entry)

    def _closed(self, entry: Entry) -> None:
        self._judge.closed(entry.label, entry.closed or 0.0)
        if entry.fate is not None:
            self._cast.roll.forget(entry.peer.port, entry.fate)

    def _heard(self, entry: Entry | None, action: Action, time: float) -> None:
        label = None if entry is None else entry.label
        match action:
            case do.Started(fault, why):
                self._judge.started(fault, label, time)
                self._told.add(time, label, f"{fault} started ({why})")
            case do.Fired(fault, what):
                self._judge.fired(fault, label, time)
                self._told.add(time, label, f"{fault} {what}")
            case do.Healed(fault, why):
                self._judge.healed(fault, label, time)
                self._told.add(time, label, f"{fault} healed ({why})")
        self._chronicle.heard(label, action, time)

    # --------------------------------------------------------------- looks

    def _look(self) -> None:
        if self._observers is not None:
            began = trio.current_time()
            look = self._observers.look(self._now())
            self._judge.look(look)
            self._chronicle.look(look)
            self._looked = trio.current_time() - began

    def _last_look(self) -> None:
        if self._observers is not None:
            self._look()
            self._rows = self._observers.rows

    async def _pause(self) -> None:
        # In small steps: a fault that starts meanwhile brings expectations that may want a look sooner.
        now = self._now()
        until = now + min(max(LOOK_EVERY, self._looked / SHARE), LOOK_AT_LEAST_EVERY)
        while now < until:
            deadline = self._judge.deadline()
            if deadline is not None and deadline < until:
                until = max(deadline, now + 0.001)
            await trio.sleep(min(until - now, LOOK_EVERY))
            now = self._now()

    def _now(self) -> float:
        return 0.0 if math.isnan(self._zero) else trio.current_time() - self._zero

    def _begins(self, phase: str) -> None:
        self._phases[phase] = self._now()
        self._say(phase)

    def _seen_players(self) -> Mapping[str, Player]:
        return self._players.snapshot() if self._players is not None else {}

    def _all_in(self) -> bool:
        crowds = [player for name, player in self._seen_players().items() if name.startswith("crowd.")]
        return all(crowd.open + len(crowd.ended) + crowd.failures >= crowd.total for crowd in crowds)

    def _client_runs(self) -> bool:
        return self._cast.client is not None and self._cast.client.exit is None

    def _fault_runs(self) -> bool:
        lasting = {fault.name for fault in self._scenario.faults if fault.lasts is not None}
        return any(stats.name in lasting and stats.where for proxy in self._cast.proxies for stats in proxy.run.stats)

    def _fault_waits(self) -> bool:
        lasting = {fault.name for fault in self._scenario.faults if fault.lasts is not None and not fault.may_not_fire}
        return any(stats.name in lasting and not stats.starts for proxy in self._cast.proxies for stats in proxy.run.stats)

    # ------------------------------------------------------------- the end

    def _played(self, seconds: float) -> Played:
        programs = (("server", self._cast.server), ("client", self._cast.client))
        own = self._of_client()
        return Played(
            self._scenario,
            self._settings.seed,
            self._settings.again,
            seconds,
            self._chronicle,
            [*self._judge.findings(), *([own] if own is not None else [])],
            [stats for proxy in self._cast.proxies for stats in proxy.run.stats],
            [failure for place in self._places for failure in place.census.failures],
            self._told.lines(),
            tuple(last_states.lines(self._rows, self._places, first=self._judge.troubled)),
            {name: program.output.tail() for name, program in programs if program is not None},
            self._phases,
            self._notes,
            self._settings.words,
        )

    def _of_client(self) -> Finding | None:
        # That it ends well is expected, unless the file says what it expects instead.
        client = self._cast.client
        asked = [each.observable for expect in self._scenario.expects for each in expect.conditions]
        if client is None or any((about.of, about.value) == ("client", "process.exit") for about in asked):
            return None
        got = "it did not end in time" if client.timed_out or client.exit is None else f"exit status {client.exit}"
        return Finding(None, "client.process.exit", "passed" if client.exit == 0 else "failed", "the client exits with 0", got, self._now())


def _why(group: BaseExceptionGroup[BaseException]) -> tuple[Outcome, str]:
    # What ended it before its time; what nobody expected is raised again.
    known, unknown = group.split((Interrupted, FaultproxyError))
    if known is None or unknown is not None:
        raise group
    error: BaseException = known
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, Interrupted):
        return error.outcome, error.reason
    return "error", error.brief if isinstance(error, NotReady) else str(error)  # what the server has written stands in the result anyway
