"""The journal as it is written, for whoever listens: nobody waits for a listener, and one that is slow loses the oldest and is told so."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import trio

from faultproxy.control.errors import Bounded
from faultproxy.core.journal import Entry

LISTENERS = 64
"""Who may listen at once: each holds as many entries as it has asked for."""


class Listener:
    """One who listens: iterate over it. ``{"event": "lost", "count": n}`` stands for `n` entries that were not taken in time."""

    def __init__(self, proxy: str | None, size: int) -> None:
        self.proxy = proxy
        self._entries: deque[Entry] = deque()
        self._size = size
        self._lost = 0
        self._more = trio.Event()

    def tell(self, entry: Entry) -> None:
        """An entry for it; returns at once."""
        if len(self._entries) >= self._size:
            self._entries.popleft()
            self._lost += 1
        self._entries.append(entry)
        self._more.set()

    def __aiter__(self) -> AsyncIterator[Entry]:
        """The listener itself."""
        return self

    async def __anext__(self) -> Entry:
        """The next entry, however long that takes."""
        while not self._entries:
            self._more = trio.Event()
            await self._more.wait()
        if self._lost:
            count, self._lost = self._lost, 0
            return {"event": "lost", "count": count}
        return self._entries.popleft()


class News:
    """Everybody who listens."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    @contextmanager
    def subscribe(self, proxy: str | None = None, size: int = 1000) -> Iterator[Listener]:
        """Listens to all proxies, or to the one of that name, for as long as the block lasts. Raises Bounded."""
        if len(self._listeners) >= LISTENERS:
            raise Bounded(f"{LISTENERS} follow the journal already: close one, or ask again later")
        listener = Listener(proxy, size)
        self._listeners.append(listener)
        try:
            yield listener
        finally:
            self._listeners.remove(listener)

    def tell(self, entry: Entry) -> None:
        """Tells everybody whom it concerns; `entry` has its ``proxy``."""
        for listener in self._listeners:
            if listener.proxy in (None, entry.get("proxy")):
                listener.tell(entry)
