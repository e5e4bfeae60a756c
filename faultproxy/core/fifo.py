"""What a stage holds, in order: bytes, a FIN or a RST among them."""

from __future__ import annotations

from collections import deque

from faultproxy.core.stage import Chunk, Item


class Fifo:
    """First in, first out. Bytes come out joined where they stood side by side, however they came in; `size` counts them.

    Taking a little from a large chunk copies only what is taken: a slow link lets 256 KiB go in hundreds of portions.
    """

    __slots__ = ("_at", "_items", "size")

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._at = 0
        """Bytes of the first chunk that are gone already."""
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self._items)

    def put(self, item: Item) -> None:
        """Adds an item at the end."""
        self._items.append(item)
        if isinstance(item, Chunk):
            self.size += len(item.data)

    def take(self, count: int) -> list[Item]:
        """The first `count` bytes (or all there are), with any FIN or RST among them or right behind them."""
        out: list[Item] = []
        run: list[Chunk] = []
        while self._items:
            first = self._items[0]
            if not isinstance(first, Chunk):
                out += _joined(run)
                run = []
                out.append(self._items.popleft())
            elif count <= 0:
                break
            else:
                part = self._cut(first, count)
                if run and (part.offset != run[-1].end or part.injected != run[-1].injected):
                    out += _joined(run)
                    run = []
                run.append(part)
                count -= len(part.data)
        return out + _joined(run)

    def clear(self) -> list[Item]:
        """Everything; nothing is left."""
        return self.take(self.size)

    def _cut(self, first: Chunk, count: int) -> Chunk:
        rest = len(first.data) - self._at
        at = self._at
        offset = first.offset if first.injected else first.offset + at
        if count < rest:
            self._at += count
            self.size -= count
            return Chunk(offset, first.data[at : at + count], first.injected)
        self._items.popleft()
        self._at = 0
        self.size -= rest
        return Chunk(offset, first.data[at:] if at else first.data, first.injected)


def _joined(run: list[Chunk]) -> list[Item]:
    if len(run) <= 1:
        return list(run)
    return [Chunk(run[0].offset, b"".join([chunk.data for chunk in run]), run[0].injected)]
