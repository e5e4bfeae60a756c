"""Probes and crowds at play in a test, the arena for them to play on, and servers that behave badly."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import trio

from faultproxy.arena.limits import Limits
from faultproxy.arena.server import serve
from faultproxy.core.plan import Peer
from faultproxy.scenario.sections import Crowd, Probe
from faultproxy.verify.players import Players
from faultproxy.verify.world import Player

PING = {"send": "PING\r\n", "reply": "PONG\r\n", "every": "20ms"}
HEALTHY = {"name": "healthy", "hello": {"send": "LOGIN healthy\r\n", "reply": "LOGIN OK\r\n"}, **PING}
Serve = Callable[[trio.SocketStream], Awaitable[None]]


@dataclass
class Game:
    """Players, and everybody who has been enrolled, by port."""

    players: Players
    start: float
    enrolled: dict[int, Peer] = field(default_factory=dict)

    def now(self) -> float:
        return trio.current_time() - self.start

    def __getitem__(self, name: str) -> Player:
        return self.players.snapshot()[name]


@asynccontextmanager
async def game(
    address: str | int, *, probes: list[Any] | None = None, crowds: list[Any] | None = None, come: bool = True
) -> AsyncIterator[Game]:
    """They play on `address`, or a port of 127.0.0.1, until the block ends."""
    where = f"127.0.0.1:{address}" if isinstance(address, int) else address
    start = trio.current_time()
    players = Players(
        [Probe.model_validate(table) for table in probes or []],
        [Crowd.model_validate({"name": "c", "count": 1} | table) for table in crowds or []],
        where,
        now=lambda: trio.current_time() - start,
        enroll=lambda port, peer: g.enrolled.update({port: peer}),
        values={"proxy_port": 7000},
    )
    g = Game(players, start)
    async with trio.open_nursery() as nursery:
        await nursery.start(players.run)
        if come:
            players.start_crowds()
        yield g
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def arena(limits: Mapping[str, Any] | None = None, host: str = "127.0.0.1") -> AsyncIterator[int]:
    async with trio.open_nursery() as nursery:
        _, port = await nursery.start(partial(serve, host, 0, limits=Limits(**(limits or {}))))
        yield port
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def server(handler: Serve) -> AsyncIterator[int]:
    """One that does what the test wants with each connection."""

    async def safely(stream: trio.SocketStream) -> None:
        try:
            async with stream:
                await handler(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, safely, 0, host="127.0.0.1"))
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def silent(stream: trio.SocketStream) -> None:
    async for _ in stream:
        pass


async def closing(stream: trio.SocketStream) -> None:
    await stream.receive_some(100)


async def resetting(stream: trio.SocketStream) -> None:
    await stream.receive_some(100)
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def free() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
