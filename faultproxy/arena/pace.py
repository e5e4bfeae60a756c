"""At whose pace the arena goes: at each player's own, or at that of the slowest."""

from __future__ import annotations

from faultproxy.arena.outbox import Outbox


class Pace:
    """Where each player has his own pace there is nothing to wait for. With a `common` one nothing goes on until all outboxes are empty.

    That is how a server behaves which has one loop and a send() that blocks.
    """

    def __init__(self, *, common: bool) -> None:
        self._common = common
        self._outboxes: set[Outbox] = set()

    def join(self, outbox: Outbox) -> None:
        """Somebody has come."""
        if self._common:
            self._outboxes.add(outbox)

    def leave(self, outbox: Outbox) -> None:
        """He is gone: nobody waits for him any more."""
        self._outboxes.discard(outbox)
        outbox.discard()
        outbox.close()

    async def keep(self) -> None:
        """Waits until the next thing may be done."""
        for outbox in list(self._outboxes):
            await outbox.emptied()
