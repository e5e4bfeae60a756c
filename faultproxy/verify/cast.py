"""Who takes part in a scenario: server, proxies, players and client, made from its tables and from what the command line says instead."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from faultproxy.core.plan import FaultPlan, Sockets
from faultproxy.core.run import Watch
from faultproxy.errors import ScenarioError, UpstreamError
from faultproxy.net import addresses
from faultproxy.net.intercept import AnyProxy, make
from faultproxy.scenario import Scenario, substitute
from faultproxy.scenario.sections import Crowd, Probe
from faultproxy.scenario.sections import Proxy as ProxyTable
from faultproxy.scenario.variables import Value, references
from faultproxy.verify import process
from faultproxy.verify.client import Client, environment
from faultproxy.verify.observers import Program
from faultproxy.verify.players import Players
from faultproxy.verify.players.fate import Roll
from faultproxy.verify.server import Server, free_port, make_server

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
    def has_client(self) -> bool:
        """Whether a program is under test.

        Then `connections = [1]` means the first outsider alone: it is the client's connections that are counted. Without one nobody else
        comes than members of crowds, and it is their own numbers.
        """
        return self.client is not None or self.scenario.client is not None

    def plans(self, proxy: str) -> tuple[FaultPlan, ...]:
        """The faults of that proxy."""
        plans = self.scenario.plans(proxy)
        return tuple(replace(plan, selection=plan.selection.counting(of_outsiders=self.has_client)) for plan in plans)


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
        command = _words(given, "server", table.command if table is not None else ())
        if any("proxy_port" in references(word) for word in command):
            self._proxy_port = free_port()
        self.server = make_server(
            table,
            command,
            upstream=self._settings.upstream or self._scenario.proxies[0].upstream,
            values=self.values(),
            folder=self._folder("server", given),
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
        listen = table.listen
        if listen is not None and not self.proxies:
            host, _, port = listen.rpartition(":")
            listen = f"{host}:{self._proxy_port}" if port == "0" else listen
        proxy = make(
            self._settings.plans(table.name),
            listen=listen,
            upstream=self.upstream(table),
            seed=self._settings.seed,
            sockets=Sockets(table.rcvbuf, table.sndbuf, table.rcvbuf, table.sndbuf),
            watch=watch,
            notify=self._notify,
            name=table.name,
            fail_open=table.fail_open,
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

    def make_client(self, told: Mapping[str, str]) -> Client | None:
        """The program under test, not started yet. `told`: what else is in its environment."""
        table, given = self._scenario.client, self._settings.client
        if not self._settings.has_client:
            return None
        command = _words(given, "client", table.command if table is not None else ())
        host, _, port = self.proxies[0].address.rpartition(":")
        self.client = Client(
            process.found(substitute(tuple(command), self.values())),
            folder=self._folder("client", given),
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

    def _folder(self, role: str, given: str | None) -> Path | None:
        # Paths are meant from where they are written: in the file, or in the shell, unless the file's own words are among them.
        return self._scenario.folders.get(role) if given is None or f"${{{role}}}" in given else None


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
