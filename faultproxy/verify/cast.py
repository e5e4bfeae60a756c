"""Who takes part in a scenario: server, proxies, players and client, made from its tables and from what the command line says instead."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from faultproxy.core.plan import FaultPlan, Sockets
from faultproxy.core.run import Watch
from faultproxy.errors import ScenarioError, UpstreamError
from faultproxy.net import addresses
from faultproxy.net.intercept import AnyProxy, Intercept
from faultproxy.net.proxy import Proxy
from faultproxy.scenario import Scenario, substitute
from faultproxy.scenario.sections import Crowd, Probe
from faultproxy.scenario.sections import Proxy as ProxyTable
from faultproxy.scenario.variables import Value, references
from faultproxy.verify.client import Client, environment
from faultproxy.verify.observers import Program
from faultproxy.verify.players import Players
from faultproxy.verify.players.fate import Roll
from faultproxy.verify.server import Server, free_port

KNOWN = ("proxy_host", "proxy_port", "server_port", "seed")
"""What ``${name}`` can be in a command of the command line."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is played, and how. `again` is the command that repeats it; `server` and `client` take the place of the file's commands,
    which they can take in as ``${server}`` and ``${client}``."""

    scenario: Scenario
    seed: int
    again: str
    upstream: str | None = None
    server: str | None = None
    client: str | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    """Each fault in words, by name."""

    @property
    def of_outsiders(self) -> bool:
        """Whether `connections = [1]` means the first outsider alone: where there is a client, it is his connections that are counted.

        Without one nobody else comes than members of crowds, and it is their own numbers.
        """
        return self.client is not None or self.scenario.client is not None

    def plans(self, proxy: str) -> tuple[FaultPlan, ...]:
        """The faults of that proxy."""
        plans = self.scenario.plans(proxy)
        return tuple(replace(plan, selection=plan.selection.counting(of_outsiders=self.of_outsiders)) for plan in plans)


class Cast:
    """Makes everybody, and remembers who is whose. `notify` hears what a person should know."""

    def __init__(self, settings: Settings, notify: Callable[[str], None]) -> None:
        self.server: Server | None = None
        self.client: Client | None = None
        self.proxies: list[AnyProxy] = []
        self.roll = Roll()
        self._settings = settings
        self._scenario = settings.scenario
        self._notify = notify
        self._proxy_port = 0
        """Chosen beforehand where the server is told about it."""

    def make_server(self) -> Server | None:
        """The server, not started yet, with the port that it is to listen on."""
        table, given = self._scenario.server, self._settings.server
        if table is None and given is None:
            return None
        upstream = self._settings.upstream or self._scenario.proxies[0].upstream
        port = addresses.parse(upstream).port if upstream and not upstream.startswith("unix:") else free_port()
        command = _words(given, "server", table.command if table is not None else ())
        if any("proxy_port" in references(word) for word in command):
            self._proxy_port = free_port()
        values = self.values() | {"server_port": port}
        self.server = Server(
            _found(substitute(tuple(command), values)),
            port=port,
            folder=self._folder,
            connect=table.ready.connect if table is not None else True,
            log=substitute(table.ready.log, values) if table is not None and table.ready.log is not None else None,
            within=table.ready.within if table is not None else 10.0,
            notify=self._notify,
        )
        return self.server

    def upstream(self, table: ProxyTable) -> str:
        """What a proxy connects to. Raises UpstreamError where nothing says it."""
        found = self._settings.upstream or table.upstream or (f"127.0.0.1:{self.server.port}" if self.server is not None else None)
        if found is None:
            raise UpstreamError(
                "nothing says what the proxy connects to: give --upstream or --server, or `upstream` in [proxy], or a [server]"
            )
        return found

    def make_proxy(self, table: ProxyTable, watch: Watch) -> AnyProxy:
        """A proxy, or who stands aside, unarmed."""
        plans, upstream = self._settings.plans(table.name), self.upstream(table)
        seed, name, fail_open = self._settings.seed, table.name, table.fail_open
        proxy: AnyProxy
        if table.listen is None:
            proxy = Intercept(
                plans,
                upstream=upstream,
                seed=seed,
                watch=watch,
                notify=self._notify,
                name=name,
                fail_open=fail_open,
                who=self.roll.who,
                armed=False,
            )
        else:
            host, _, port = table.listen.rpartition(":")
            proxy = Proxy(
                plans,
                listen=f"{host}:{self._proxy_port}" if port == "0" and not self.proxies else table.listen,
                upstream=upstream,
                seed=seed,
                sockets=Sockets(table.rcvbuf, table.sndbuf, table.rcvbuf, table.sndbuf),
                watch=watch,
                notify=self._notify,
                name=name,
                fail_open=fail_open,
                who=self.roll.who,
                armed=False,
                tells_all=True,
            )
        self.proxies.append(proxy)
        return proxy

    def make_players(self, probes: Sequence[Probe], crowds: Sequence[Crowd], now: Callable[[], float]) -> Players:
        """Probes and crowds, who connect to the first proxy. Those of before must be gone."""
        self.roll.clear()
        return Players(probes, crowds, self.proxies[0].address, now=now, enroll=self.roll.enroll, values=self.values())

    @property
    def has_client(self) -> bool:
        """Whether a program is under test."""
        return self._scenario.client is not None or self._settings.client is not None

    def make_client(self, told: Mapping[str, str]) -> Client | None:
        """The program under test, not started yet. `told`: what else is in its environment."""
        table, given = self._scenario.client, self._settings.client
        if not self.has_client:
            return None
        command = _words(given, "client", table.command if table is not None else ())
        host, _, port = self.proxies[0].address.rpartition(":")
        self.client = Client(
            _found(substitute(tuple(command), self.values())),
            folder=self._folder,
            timeout=table.timeout if table is not None else None,
            environment=environment(
                host.strip("[]"),
                int(port) if port.isdigit() else 0,
                upstream=self.upstream(self._scenario.proxies[0]),
                seed=self._settings.seed,
                scenario=self._scenario.id,
                server_pid=self.server.pid if self.server is not None else None,
            )
            | dict(told),
        )
        return self.client

    def values(self) -> dict[str, Value]:
        """What ``${name}`` stands for, as far as it is known by now."""
        own = self._scenario.proxies[0]
        host, _, port = (self.proxies[0].address if self.proxies else own.listen or "").rpartition(":")
        if port == "0":
            port = str(self._proxy_port)
        values: dict[str, Value] = {"seed": self._settings.seed, "proxy_host": host.strip("[]"), "proxy_port": port}
        return values | ({"server_port": self.server.port} if self.server is not None else {})

    def programs(self) -> dict[str, Program]:
        """The processes that run, or have run."""
        both = (("server", self.server), ("client", self.client))
        return {name: Program(one.pid, one.exit, one.output) for name, one in both if one is not None and one.pid is not None}

    @property
    def _folder(self) -> Path | None:
        return self._scenario.path.parent if self._scenario.path is not None else None


def port_of(address: str) -> int:
    """The port of an address; 0 for a unix socket, which has none."""
    return 0 if address.startswith("unix:") else addresses.parse(address).port


def _words(given: str | None, role: str, own: Sequence[str]) -> list[str]:
    # The words of the command line instead of the file's, which they can take in: --server '${server} --naive'.
    if given is None:
        return list(own)
    try:
        words = shlex.split(given)
    except ValueError as error:
        raise ScenarioError(f"--{role} {given!r} cannot be split into words, as a shell would do it ({error})") from error
    known = (role, *KNOWN)
    if unknown := [name for word in words for name in references(word) if name not in known]:
        raise ScenarioError(f"--{role} {given!r}: unknown name ${{{unknown[0]}}}; known here: {', '.join(known)}")
    itself = f"${{{role}}}"
    if any(itself in word and word != itself for word in words):
        raise ScenarioError(f"--{role} {given!r}: {itself} stands for several words, and so must be a word by itself")
    if not words or (itself in words and not own):
        raise ScenarioError(f"--{role} {given!r} comes to nothing" + (f": the file has no [{role}]" if words else ""))
    return [word for each in words for word in (own if each == itself else (each,))]


def _found(command: Sequence[str]) -> list[str]:
    # A program that is installed beside this Python need not be on PATH.
    program, *arguments = command
    if shutil.which(program) is None and os.sep not in program:
        beside = Path(sys.executable).parent / program
        if beside.exists():
            return [str(beside), *arguments]
        if program == "faultproxy-arena":  # we may run without being installed
            return [sys.executable, "-m", "faultproxy.arena.server", *arguments]
    return [program, *arguments]
