"""A daemon in a thread of its own, so that a browser can be driven beside it: what is to be done over there is handed to its trio run."""

from __future__ import annotations

import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import trio

from tests.control import harness
from tests.control.harness import Daemon, daemon

PATIENCE = 30.0

T = TypeVar("T")


@dataclass
class Stage:
    """What runs there."""

    daemon: Daemon
    token: trio.lowlevel.TrioToken
    clients: list[trio.SocketStream] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.daemon.port}/"

    def do(self, what: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Has it done over there."""
        return trio.from_thread.run(what, *args, trio_token=self.token)

    def made(self, name: str = "a", **more: Any) -> str:
        """Makes a proxy; where it listens."""

        async def make() -> str:
            return await self.daemon.made(name, **more)

        return self.do(make)

    def connect(self, address: str) -> trio.SocketStream:
        """A client that has got its first echo."""

        async def connected() -> trio.SocketStream:
            stream = await harness.connect(address)
            await harness.ask(stream)
            return stream

        self.clients.append(self.do(connected))
        return self.clients[-1]

    def send(self, client: trio.SocketStream, data: bytes) -> None:
        """A client sends, and waits for nothing."""
        self.do(client.send_all, data)

    def faults(self, proxy: str = "a") -> dict[str, dict[str, Any]]:
        """The faults as the API has them."""

        async def got() -> dict[str, dict[str, Any]]:
            answer = await self.daemon.api.get(f"/v1/proxies/{proxy}/faults")
            return {each["name"]: each for each in answer.json()["faults"]}

        return self.do(got)

    def clear(self) -> None:
        """No client and no proxy is left."""

        async def cleared() -> None:
            while self.clients:
                await trio.aclose_forcefully(self.clients.pop())
            for name in list(self.daemon.fleet.posts):
                await self.daemon.fleet.remove(name)

        self.do(cleared)


@contextmanager
def stage(**options: Any) -> Iterator[Stage]:
    """One for as long as the block lasts."""
    begun: queue.Queue[Stage | BaseException] = queue.Queue()
    over = trio.Event()

    async def main() -> None:
        async with daemon(**options) as running:
            mine = Stage(running, trio.lowlevel.current_trio_token())
            begun.put(mine)
            await over.wait()
            for client in mine.clients:
                await trio.aclose_forcefully(client)

    def run() -> None:
        try:
            trio.run(main)
        except BaseException as error:
            begun.put(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    found = begun.get(timeout=PATIENCE)
    if isinstance(found, BaseException):
        raise found
    try:
        yield found
    finally:
        found.token.run_sync_soon(over.set)
        thread.join(PATIENCE)
        assert not thread.is_alive()
