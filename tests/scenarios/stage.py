"""Plays a scenario file: ``async with stage("open/refused.toml") as s`` starts its server and its proxy; the players are the test's own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import trio

from faultproxy.core.plan import Sockets
from faultproxy.kernel import procnet, sandbox
from faultproxy.net.intercept import AnyProxy, Intercept
from faultproxy.net.proxy import Proxy
from faultproxy.scenario import Scenario, load, substitute
from faultproxy.verify.server import Server, free_port
from tests.kernel.sandboxed import sandboxed
from tests.live.rig import PATIENCE, End, until

SCENARIOS = Path(__file__).parents[2] / "scenarios"
SHARED = SCENARIOS / "arena.toml"
"""What others include; no scenario by itself."""
FILES = tuple(file for file in sorted(SCENARIOS.rglob("*.toml")) if file != SHARED)


class Player(End):
    """A player's end of a connection, who speaks in lines. He reads only when he is told to."""

    rest: bytes = b""

    @property
    def port(self) -> int:
        """His own port."""
        return int(self.sock.getsockname()[1])

    async def say(self, *lines: str) -> None:
        """Sends lines, all in one write."""
        await self.send("".join(f"{line}\r\n" for line in lines).encode())

    async def hear(self) -> str:
        """The next line, without its end; what there is of it if the stream ends."""
        with trio.fail_after(PATIENCE):
            while b"\n" not in self.rest and (part := await self.sock.recv(65536)):
                self.rest += part
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode().removesuffix("\r")

    async def ask(self, line: str) -> str:
        """Says a line and hears one."""
        await self.say(line)
        return await self.hear()

    async def push(self, data: bytes, patience: float = 0.1) -> int:
        """Sends until nothing has been taken for `patience` seconds; how many bytes of `data` were."""
        sent = 0
        while sent < len(data):
            with trio.move_on_after(patience) as scope:
                sent += await self.sock.send(data[sent : sent + 65536])
            if scope.cancelled_caught:
                break
        return sent

    def kernel(self) -> procnet.Socket:
        """His socket's row in the kernel's table; AssertionError if it is gone."""
        row = self.row()
        assert row is not None, "the kernel does not know this socket any more"
        return row

    @property
    def persists(self) -> bool:
        """Whether his kernel has bytes to send and only probes the closed window of the other end."""
        row = self.row()
        return row is not None and persists(row)


def persists(row: procnet.Socket) -> bool:
    """Whether this end has bytes to send and only probes the other's closed window."""
    return row.timer == "window_probe" and row.send_queue > 0


@dataclass
class Stage:
    """A scenario that is running. `notes` are what the proxy told a person."""

    scenario: Scenario
    proxy: AnyProxy
    server: Server | None
    notes: list[str] = field(default_factory=list)
    players: list[Player] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Where the proxy listens."""
        return int(self.proxy.address.rpartition(":")[2])

    async def player(self, name: str = "", *, rcvbuf: int | None = None, sndbuf: int | None = None, direct: bool = False) -> Player:
        """Connects, and logs in if there is a name. `direct` goes past the proxy. Buffers are bytes, as SO_RCVBUF takes them."""
        sock = trio.socket.socket()
        for option, size in ((trio.socket.SO_RCVBUF, rcvbuf), (trio.socket.SO_SNDBUF, sndbuf)):
            if size is not None:
                sock.setsockopt(trio.socket.SOL_SOCKET, option, size)
        try:
            sock.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
            with trio.fail_after(PATIENCE):
                await sock.connect(("127.0.0.1", self.server_port if direct else self.port))
        except BaseException:
            sock.close()
            raise
        player = Player(sock)
        self.players.append(player)
        if name:
            assert await player.ask(f"LOGIN {name}") == "LOGIN OK"
        return player

    @property
    def server_port(self) -> int:
        """Where the server listens."""
        assert self.server is not None
        return self.server.port

    def of_server(self) -> list[procnet.Socket]:
        """The server's own ends of its connections, as the kernel has them."""
        return [row for row in procnet.find(local_port=self.server_port) if row.state != "LISTEN"]

    def server_state(self) -> str:
        """The state of the server's end where it has only one connection; CLOSED when the kernel knows none."""
        rows = self.of_server()
        assert len(rows) <= 1, f"one connection was meant, and these are there: {rows}"
        return rows[0].state if rows else "CLOSED"

    async def until_server_says(self, words: str) -> None:
        """Waits until the server's program has written this."""
        assert self.server is not None
        output = self.server.output
        try:
            await until(lambda: words in output)
        except AssertionError:
            raise AssertionError(f"the server never said {words!r}:\n{output.tail()}") from None

    def heal(self, fault: str) -> None:
        """Heals before its time is over: the scenario's own times are for people."""
        self.proxy.order(fault, heal=True)

    def fired(self, fault: str) -> bool:
        """Whether the fault has acted."""
        return any(stats.fired for stats in self.proxy.run.stats if stats.name == fault)


@asynccontextmanager
async def stage(file: str, case: str | None = None) -> AsyncIterator[Stage]:
    """The scenario of `file` (below scenarios/), its server and its proxy running. After it no fault is left that has not fired."""
    (scenario,) = load(SCENARIOS / file, case=case)
    (table,) = scenario.proxies
    notes: list[str] = []
    server = _server(scenario)
    upstream = table.upstream or (f"127.0.0.1:{server.port}" if server is not None else "")
    proxy: AnyProxy
    if table.listen is None:
        proxy = Intercept(scenario.plans(), upstream=upstream, seed=1, notify=notes.append)
    else:
        proxy = Proxy(
            scenario.plans(),
            listen=table.listen,
            upstream=upstream,
            seed=1,
            sockets=Sockets(table.rcvbuf, table.sndbuf, table.rcvbuf, table.sndbuf),
            notify=notes.append,
        )
    async with trio.open_nursery() as nursery:
        if server is not None:
            await nursery.start(server.serve)
        await nursery.start(proxy.serve)
        made = Stage(scenario, proxy, server, notes)
        try:
            yield made
            assert [stats.name for stats in proxy.run.never_fired()] == []
        finally:
            for player in made.players:
                player.sock.close()
            nursery.cancel_scope.cancel()


def played(
    file: str, case: str | None = None, *, within: float = 60.0
) -> Callable[[Callable[[Stage], Awaitable[None]]], Callable[[], None]]:
    """Decorates the body of a test that gets the stage of a scenario, in a network of its own as the file's [sandbox] has it.

    So it needs no privilege, and neither settings nor segments of other tests are met. The body runs in a child process.
    """

    def decorate(body: Callable[[Stage], Awaitable[None]]) -> Callable[[], None]:
        def test() -> None:
            (scenario,) = load(SCENARIOS / file, case=case)
            table = scenario.sandbox
            enter = partial(sandbox.enter, table.mtu, table.sysctl) if table is not None else partial(sandbox.enter)

            async def play() -> None:
                async with stage(file, case) as made:
                    await body(made)

            sandboxed(partial(trio.run, play), within=within, enter=enter)

        test.__name__, test.__doc__, test.__module__ = body.__name__, body.__doc__, body.__module__
        return pytest.mark.packets(test)

    return decorate


def _server(scenario: Scenario) -> Server | None:
    table = scenario.server
    if table is None:
        return None
    port = free_port()
    program, *arguments = substitute(table.command, {"server_port": port})
    # The program that the package installs may not be on PATH where the tests run from a checkout.
    command = [program] if shutil.which(program) else [sys.executable, "-m", "faultproxy.arena.server"]
    return Server([*command, *arguments], port=port, connect=table.ready.connect, log=table.ready.log, within=30.0)
