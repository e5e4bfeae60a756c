"""A stage that is being taken out while bytes wait in it for their time: they keep that time, and nothing overtakes them."""

from __future__ import annotations

from faultproxy.core.stage import NOTHING, Chunk, Fin, Item, Items, Rst, Stage


class Leaving(Stage):
    """Stands in for `before`, a stage that has named a deadline: lets go when that would have, and what arrives meanwhile waits behind.

    Once it is `done`, everything has passed and it can be forgotten.
    """

    def __init__(self, before: Stage) -> None:
        self._before = before
        self._queue: list[Item] = []
        self._note()

    @property
    def done(self) -> bool:
        """Whether it holds nothing, and so does nothing."""
        return self._before.deadline() is None and not self._queue

    def chunk(self, chunk: Chunk, now: float) -> Items:
        return self._put(chunk)

    def fin(self, now: float) -> Items:
        return self._put(Fin())

    def rst(self, now: float) -> Items:
        return self._put(Rst())

    def deadline(self) -> float | None:
        return self._before.deadline()

    def due(self, now: float) -> Items:
        out = [*self._before.due(now)]
        if self._before.deadline() is None:
            out += self._rest()
        self._note()
        return out

    def heal(self, now: float) -> Items:
        out = [*self._before.heal(now), *self._rest()]
        self._note()
        return out

    def _put(self, item: Item) -> Items:
        if self.done:
            return (item,)
        self._queue.append(item)
        self._note()
        return NOTHING

    def _rest(self) -> list[Item]:
        rest, self._queue = self._queue, []
        return rest

    def _note(self) -> None:
        self.held = self._before.held + sum([len(item.data) for item in self._queue if isinstance(item, Chunk)])
        self.reading = self._before.reading
