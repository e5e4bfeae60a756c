"""Client and server with nobody between them, and who intercepts: `async with ground(…) as g`, then `await g.connect()`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from faultproxy.core import events as ev
from faultproxy.core.connection import Connection
from faultproxy.core.header import Packet
from faultproxy.core.run import Watch
from faultproxy.kernel import netlink, nftables
from faultproxy.net.intercept import Intercept
from tests.live.rig import PATIENCE, End, plan


@dataclass
class Ground:
    """A listener, and who intercepts what goes there. `told` is what the core was told, with the number of the connection."""

    host: str
    listener: trio.socket.SocketType
    intercept: Intercept
    ends: list[End] = field(default_factory=list)
    told: list[tuple[int, ev.Event]] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def dialling(self, source: int = 0) -> trio.socket.SocketType:
        """A socket from that port (0: any) that is yet to be connected."""
        sock = trio.socket.socket(self.listener.family)
        sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_REUSEADDR, 1)
        sock._sock.bind((self.host, source))  # type: ignore[attr-defined]
        return sock

    async def connect(self, source: int = 0) -> tuple[End, End]:
        """Both ends of a new connection."""
        sock = self.dialling(source)
        with trio.fail_after(PATIENCE):
            await sock.connect((self.host, self.port))
            accepted, _ = await self.listener.accept()
        self.ends += [client := End(sock), server := End(accepted)]
        return client, server

    def fired(self, fault: str) -> int:
        """How often."""
        return next(stats.fired for stats in self.intercept.run.stats if stats.name == fault)

    def last(self, tap: str) -> Packet:
        """The latest segment of a direction that was seen."""
        return [event.packet for _, event in self.told if isinstance(event, ev.Seen) and event.tap == tap][-1]

    def count(self, kind: type[ev.Event]) -> int:
        """How many of these the core was told, of all connections together."""
        return sum(isinstance(event, kind) for _, event in self.told)

    @property
    def open(self) -> int:
        """Connections that are known to be open."""
        return self.intercept.snapshot().open


async def listening(host: str, backlog: int = 128) -> trio.socket.SocketType:
    listener = trio.socket.socket(trio.socket.AF_INET6 if ":" in host else trio.socket.AF_INET)
    await listener.bind((host, 0))
    listener.listen(backlog)
    return listener


@asynccontextmanager
async def ground(*faults: str, host: str = "127.0.0.1", backlog: int = 128) -> AsyncIterator[Ground]:
    """With these faults, TOML tables. The connections end with it."""
    told: list[tuple[int, ev.Event]] = []

    def watch(now: float, connection: Connection | None, happening: object, actions: object) -> None:
        if connection is not None and isinstance(happening, ev.Event):
            told.append((connection.ordinal, happening))

    with await listening(host, backlog) as listener:
        there = f"[{host}]" if ":" in host else host
        upstream = f"{there}:{listener.getsockname()[1]}"
        async with intercepting(*faults, upstream=upstream, watch=watch) as intercept:
            made = Ground(host, listener, intercept, told=told)
            try:
                yield made
            finally:
                for end in made.ends:
                    end.sock.close()


@asynccontextmanager
async def intercepting(*faults: str, upstream: str, watch: Watch | None = None) -> AsyncIterator[Intercept]:
    intercept = Intercept([plan(text) for text in faults], upstream=upstream, seed=1, watch=watch)
    async with trio.open_nursery() as nursery:
        await nursery.start(intercept.serve)
        yield intercept
        nursery.cancel_scope.cancel()


async def passes(source: End, sink: End, data: bytes = b"flows") -> None:
    await source.send(data)
    assert await sink.recv(len(data)) == data


def tables() -> list[str]:
    """The packet tables of this network."""
    with netlink.connect(netlink.NETFILTER, "listing packet tables") as sock:
        return [name for _, name, _ in nftables._tables(sock)]
