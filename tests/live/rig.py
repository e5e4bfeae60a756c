"""A proxy in the middle: `async with rig(…) as r`, then `client, server = await r.connect()` gives the two ends of a connection."""

from __future__ import annotations

import errno
import hashlib
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial, wraps

import pytest
import trio
from pydantic import TypeAdapter

from faultproxy.core.plan import FaultPlan, Sockets
from faultproxy.core.run import Watch
from faultproxy.faults import KINDS
from faultproxy.faults.base import Fault
from faultproxy.kernel import procnet, sandbox
from faultproxy.net.addresses import parse
from faultproxy.net.capture import Capture
from faultproxy.net.proxy import DEFAULT_BUFFERS, Proxy
from tests.kernel import sandboxed as sandboxes
from tests.kernel.sandboxed import sandboxed

PATIENCE = 10.0
"""Seconds until a state that should come is given up. Long, because it is only ever waited for in full by a test that fails."""


def plan(text: str) -> FaultPlan:
    """A fault from its table in TOML."""
    table = tomllib.loads(text)
    kinds = {kind.model_fields["kind"].default: kind for kind in KINDS}
    fault: Fault = TypeAdapter(kinds[table["kind"]]).validate_python(table)
    return fault.plan()


@dataclass
class End:
    """One end of a proxied connection, with a plain socket."""

    sock: trio.socket.SocketType

    async def send(self, data: bytes) -> None:
        """Sends all."""
        view = memoryview(data)
        while view:
            view = view[await self.sock.send(view) :]

    async def recv(self, count: int) -> bytes:
        """Exactly so many bytes; fewer only if the stream ends."""
        got = bytearray()
        with trio.fail_after(PATIENCE):
            while len(got) < count and (part := await self.sock.recv(min(65536, count - len(got)))):
                got += part
        return bytes(got)

    async def recv_all(self) -> bytes:
        """Everything up to the FIN."""
        return await self.recv(1 << 40)

    async def digest(self) -> tuple[int, str]:
        """Count and SHA-256 of everything up to the FIN."""
        count, digest = 0, hashlib.sha256()
        while part := await self.sock.recv(1 << 18):
            count += len(part)
            digest.update(part)
        return count, digest.hexdigest()

    def fin(self) -> None:
        """Sends a FIN and goes on receiving."""
        self.sock.shutdown(trio.socket.SHUT_WR)

    def reset(self) -> None:
        """Closes with a RST."""
        self.sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    async def error(self) -> str:
        """The errno's name with which receiving fails; `EOF` if it ends in peace."""
        try:
            with trio.fail_after(PATIENCE):
                while await self.sock.recv(65536):
                    pass
        except OSError as exc:
            return errno.errorcode[exc.errno or 0]
        return "EOF"

    def nothing_to_read(self) -> bool:
        """Whether neither byte, FIN nor RST has come."""
        try:
            self.sock._sock.recv(1, trio.socket.MSG_PEEK)  # type: ignore[attr-defined]
        except BlockingIOError:
            return True
        return False

    def row(self) -> procnet.Socket | None:
        """What the kernel says of this socket."""
        local, remote = self.sock.getsockname()[1], self._remote
        rows = procnet.find(local_port=local, remote_port=remote)
        return rows[0] if rows else None

    def state(self) -> str:
        """Its TCP state; CLOSED when the kernel knows it no more."""
        row = self.row()
        return "CLOSED" if row is None else row.state

    def __post_init__(self) -> None:
        if self.sock.family != trio.socket.AF_UNIX:
            self._remote: int = self.sock.getpeername()[1]


@dataclass
class Rig:
    """The proxy and the server's listener. `notes` are what the proxy told a person."""

    proxy: Proxy
    listener: trio.socket.SocketType
    notes: list[str] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)

    async def dial(self, rcvbuf: int | None = None, source: str = "") -> End:
        """A client's connection to the proxy, from the address `source`."""
        address = parse(self.proxy.address)
        family = trio.socket.AF_UNIX if address.is_unix else trio.socket.AF_INET6 if ":" in address.host else trio.socket.AF_INET
        sock = trio.socket.socket(family)
        if rcvbuf is not None:
            sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, rcvbuf)
        try:
            if source:
                await sock.bind((source, 0))
            with trio.fail_after(PATIENCE):
                await sock.connect(address.path or (address.host, address.port))
        except BaseException:
            sock.close()
            raise
        return self._keep(sock)

    async def dial_and_fail(self) -> str:
        """The errno's name with which a client fails, at connecting or after (a RST may come so soon that it is either)."""
        try:
            client = await self.dial()
        except OSError as exc:
            return errno.errorcode[exc.errno or 0]
        return await client.error()

    async def accept(self) -> End:
        """The server's end of the next connection."""
        with trio.fail_after(PATIENCE):
            sock, _ = await self.listener.accept()
        return self._keep(sock)

    async def connect(self, source: str = "") -> tuple[End, End]:
        """Both ends of a new connection."""
        client = await self.dial(source=source)
        return client, await self.accept()

    def stats(self, fault: str) -> tuple[int, bool]:
        """How often the fault has started, and whether it has fired."""
        found = next(stats for stats in self.proxy.run.stats if stats.name == fault)
        return found.starts, found.fired > 0

    def _keep(self, sock: trio.socket.SocketType) -> End:
        end = End(sock)
        self.ends.append(end)
        return end


@asynccontextmanager
async def rig(
    *faults: str,
    host: str = "127.0.0.1",
    listen: str | None = None,
    upstream: str | None = None,
    backlog: int = 128,
    epoll: bool = True,
    seed: int = 1,
    max_connections: int | None = None,
    dial_timeout: float = 5.0,
    sockets: Sockets = DEFAULT_BUFFERS,
    watch: Watch | None = None,
    capture: Capture | None = None,
    fail_open: bool = True,
    tells_all: bool = False,
) -> AsyncIterator[Rig]:
    """A server's listener, a proxy before it with these faults (TOML tables), and an end that leaves nothing open."""
    listener = trio.socket.socket(trio.socket.AF_INET6 if ":" in host else trio.socket.AF_INET)
    with listener:
        await listener.bind((host, 0))
        listener.listen(backlog)
        there = f"[{host}]" if ":" in host else host
        notes: list[str] = []
        proxy = Proxy(
            [plan(text) for text in faults],
            listen=listen or f"{there}:0",
            upstream=upstream or f"{there}:{listener.getsockname()[1]}",
            seed=seed,
            notify=notes.append,
            epoll=epoll,
            max_connections=max_connections,
            dial_timeout=dial_timeout,
            sockets=sockets,
            watch=watch,
            capture=capture,
            fail_open=fail_open,
            tells_all=tells_all,
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(proxy.serve)
            made = Rig(proxy, listener, notes)
            try:
                yield made
            finally:
                for end in made.ends:
                    end.sock.close()
                nursery.cancel_scope.cancel()


async def until(condition: Callable[[], bool], what: str = "the condition", within: float = PATIENCE) -> None:
    """Polls until it holds; fails with `what` if it does not come."""
    with trio.move_on_after(within):
        while not condition():
            await trio.sleep(0.005)
        return
    raise AssertionError(f"{what} did not come within {within:g} s")


async def holds(condition: Callable[[], bool], seconds: float, what: str = "the condition") -> None:
    """Fails as soon as it does not hold, for so long."""
    deadline = trio.current_time() + seconds
    while trio.current_time() < deadline:
        assert condition(), f"{what} did not hold"
        await trio.sleep(0.005)


async def timed(action: Callable[[], Awaitable[object]]) -> float:
    """Seconds that it took."""
    began = trio.current_time()
    await action()
    return trio.current_time() - began


def in_network(
    *, mtu: int = 1500, sysctl: Sequence[tuple[str, str]] = (), within: float = 60.0, programs: bool = False
) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    """Decorates an async test: it runs in a child process, in a network of its own where packets may be touched without privilege.

    `programs`: so may whatever it starts, because its user is root there; a sandbox of ours gives that to the one command that it is for.
    """
    enter = partial(sandboxes.enter, mtu) if programs else partial(sandbox.enter, mtu, sysctl)

    def decorate(body: Callable[..., Awaitable[None]]) -> Callable[..., None]:
        @wraps(body)
        def test(*args: object, **kwargs: object) -> None:
            sandboxed(partial(trio.run, partial(body, *args, **kwargs)), within=within, enter=enter)

        marked: Callable[..., None] = pytest.mark.packets(test)
        return marked

    return decorate
