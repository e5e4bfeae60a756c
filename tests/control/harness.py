"""A daemon in the test's own process: fleet, application and HTTP server on free ports, a client, and an upstream that echoes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import trio

from faultproxy.control.app import build
from faultproxy.control.fleet import Fleet, open_fleet
from faultproxy.control.runs import Play
from faultproxy.control.security import Limits, Security
from faultproxy.control.serve import address_of, listen, serve


@dataclass(frozen=True)
class Daemon:
    """`api` calls it as a program would; `upstream` echoes; `told` is what went wrong in it."""

    fleet: Fleet
    api: httpx.AsyncClient
    port: int
    upstream: str
    told: list[str]

    async def made(self, name: str = "a", **more: Any) -> str:
        """Makes a proxy, and returns where it listens."""
        answer = await self.api.post("/v1/proxies", json={"name": name, "upstream": self.upstream} | more)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["listen"])

    async def stream(self, path: str) -> trio.SocketStream:
        """A GET whose answer is not read yet."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\n\r\n".encode())
        return stream


async def lines(stream: trio.SocketStream) -> AsyncGenerator[str, None]:
    """The lines of an answer. Each event is a chunk of its own, so that lines are whole."""
    rest = b""
    async for data in stream:
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line.decode().rstrip("\r")


@asynccontextmanager
async def daemon(
    *, token: str | None = None, limits: Limits | None = None, play: Play | None = None, headers: Mapping[str, str] | None = None
) -> AsyncIterator[Daemon]:
    """One for as long as the block lasts."""
    security = Security.of("127.0.0.1", token, limits=limits)
    told: list[str] = []
    async with trio.open_nursery() as nursery:
        (echoes,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, echo, [echoes])
        async with open_fleet(seed=1) as fleet:
            listeners = await listen("127.0.0.1", 0)
            app = build(fleet, nursery, security=security, play=play, notify=told.append)
            await nursery.start(partial(serve, app, listeners, connections=security.limits.connections))
            at = address_of(listeners[0])
            async with httpx.AsyncClient(base_url=f"http://{at}", headers=headers, timeout=20, trust_env=False) as api:
                yield Daemon(fleet, api, at.port, str(address_of(echoes)), told)
        nursery.cancel_scope.cancel()
    assert told == []


async def echo(stream: trio.SocketStream) -> None:
    """Answers with what it gets, to its end."""
    async with stream:
        with suppress(trio.BrokenResourceError):
            async for data in stream:
                await stream.send_all(data)


async def connect(address: str) -> trio.SocketStream:
    """A client's connection."""
    host, _, port = address.rpartition(":")
    return await trio.open_tcp_stream(host, int(port))


async def ask(stream: trio.SocketStream, data: bytes = b"ping") -> bytes:
    """What comes back for it."""
    await stream.send_all(data)
    with trio.fail_after(10):
        return await stream.receive_some()
