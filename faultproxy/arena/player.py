"""A player of the arena, for demos and tests: he does what he is told, one step at a time, and nothing behind one's back.

Nothing is read unless a method that reads is running, so to stop reading is simply not to read; a small `recv_buffer` makes the
server feel it soon. All waits are the caller's to bound, with `trio.fail_after`.
"""

from __future__ import annotations

import socket
import struct
from types import TracebackType
from typing import Self

import trio

from faultproxy.arena.lines import Lines


class ConnectionEnded(Exception):
    """The other end closed before the answer was whole. `got` is what there was of it."""

    def __init__(self, got: bytes) -> None:
        super().__init__(f"the connection ended after {len(got)} bytes of the answer: {got[-80:]!r}")
        self.got = got


class Player:
    """One connection. Use it as an async context manager, or end it with `close` or `reset`.

    Errors of the connection are the OSErrors of the socket, as any program would meet them.
    """

    def __init__(self, sock: trio.socket.SocketType) -> None:
        self._sock = sock
        self._lines = Lines(limit=1 << 20)

    @classmethod
    async def connect(cls, host: str, port: int, *, nodelay: bool = True, recv_buffer: int | None = None) -> Self:
        """Connect to the arena, or to a proxy before it. `recv_buffer` (bytes) bounds what the kernel takes in unread."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = trio.socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, nodelay)
            if recv_buffer is not None:  # before connect: the window scale is settled there
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, recv_buffer)
            await sock.connect((host, port))
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    @property
    def port(self) -> int:
        """His own port: what tells his connection from others in the kernel's tables."""
        return int(self._sock.getsockname()[1])

    async def send(self, data: bytes) -> None:
        """All of `data`, as it is; waits while nothing more is taken."""
        view = memoryview(data)
        while view:
            view = view[await self._sock.send(view) :]

    async def ask(self, line: str) -> str:
        """Say one line and return the next one heard, without its end."""
        await self.send(f"{line}\r\n".encode())
        return await self.hear()

    async def login(self, name: str) -> None:
        """Raises ValueError with the arena's answer if it is not the right one."""
        if (heard := await self.ask(f"LOGIN {name}")) != "LOGIN OK":
            raise ValueError(f"the arena did not take the login of {name!r}: {heard}")

    async def ping(self, times: int = 1, *, every: float = 0.0) -> list[float]:
        """Ask so often, with `every` seconds from one answer to the next question, and return the round trips in seconds."""
        trips = []
        for number in range(times):
            if number and every:
                await trio.sleep(every)
            asked = trio.current_time()
            heard = await self.ask("PING")
            trips.append(trio.current_time() - asked)
            if heard != "PONG":
                raise ValueError(f"the arena answered PING with {heard!r}")
        return trips

    async def hear(self) -> str:
        """The next line. Raises ConnectionEnded when the other end closes before it is whole."""
        while (line := self._lines.line()) is None:
            await self._receive()
        return line

    async def read(self, count: int) -> bytes:
        """Exactly `count` bytes. Raises ConnectionEnded if fewer come."""
        while len(self._lines) < count:
            await self._receive()
        return self._lines.take(count)

    async def read_to_end(self) -> bytes:
        """Everything until the other end closes."""
        received = [self._lines.take(len(self._lines))]
        while data := await self._sock.recv(64 * 1024):
            received.append(data)
        return b"".join(received)

    def half_close(self) -> None:
        """Send a FIN; what the arena still has to say can be read."""
        self._sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """End at once, with a RST."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()

    def close(self) -> None:
        """End orderly: a FIN, or a RST if there is something that was not read, as the kernel has it."""
        self._sock.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def _receive(self) -> None:
        data = await self._sock.recv(64 * 1024)
        if not data:
            raise ConnectionEnded(self._lines.take(len(self._lines)))
        self._lines.feed(data)
