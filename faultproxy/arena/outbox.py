"""What waits to be sent to one player, bounded."""

from __future__ import annotations

from collections.abc import Callable

import trio


class Outbox:
    """Bytes in order, from many who speak to one who sends.

    An answer to the player's own command waits for room (`put`), so that he is held up by himself. A broadcast must hold up nobody
    (`offer`): where it does not fit, `overflow` is called, to put the player out.
    """

    def __init__(self, limit: int, overflow: Callable[[], None]) -> None:
        self._limit, self._overflow = limit, overflow
        self._data = bytearray()
        self._closed = False
        self._filled = trio.Event()
        self._drained = trio.Event()
        self._idle = trio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._data)

    def offer(self, data: bytes) -> None:
        """Add a broadcast, or call `overflow` if it does not fit. After `close` nothing is added."""
        if self._closed:
            return
        if len(self._data) + len(data) > self._limit:
            self._overflow()
        else:
            self._add(data)

    async def put(self, data: bytes) -> None:
        """Add an answer as soon as there is room for it, or at once to an empty outbox."""
        while self._data and len(self._data) + len(data) > self._limit:
            self._drained = trio.Event()
            await self._drained.wait()
        self._add(data)

    async def take(self, count: int = 64 * 1024) -> bytes:
        """The next bytes to send, up to `count`; empty when it is closed and all has been taken. To ask says that the last are sent."""
        while not self._data:
            self._idle.set()
            if self._closed:
                return b""
            self._filled = trio.Event()
            await self._filled.wait()
        taken = bytes(self._data[:count])
        del self._data[:count]
        self._drained.set()
        return taken

    async def emptied(self) -> None:
        """Waits until nothing is left to be sent, or nothing will be."""
        await self._idle.wait()

    def discard(self) -> None:
        """What waits will not be sent."""
        self._data.clear()
        self._drained.set()

    def close(self) -> None:
        """Nothing more will come: `take` gives what is left, then nothing."""
        self._closed = True
        self._filled.set()
        if not self._data:
            self._idle.set()

    def _add(self, data: bytes) -> None:
        if self._idle.is_set():
            self._idle = trio.Event()
        self._data += data
        self._filled.set()
