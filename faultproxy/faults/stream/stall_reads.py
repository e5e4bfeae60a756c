"""`stall_reads`: the receiver has stopped reading, and the sender meets a zero window."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from faultproxy.core.events import SOURCE, Direction, Side
from faultproxy.core.fifo import Fifo
from faultproxy.core.plan import Sockets
from faultproxy.core.rng import Chance
from faultproxy.core.stage import NOTHING, Act, Chunk, Fin, Items, Rst, Stage
from faultproxy.faults.base import StreamFault
from faultproxy.faults.fields import Size


class StallReads(StreamFault):
    """Stops reading from the sender of `direction`: its bytes fill our kernel's receive buffer, the window it is told of shrinks to
    zero, then its own send buffer fills and its `send` blocks. It is still acknowledged, so no time-out of TCP ends this.

    `buffer` is the receive buffer of that leg (SO_RCVBUF, which Linux doubles for its own bookkeeping), set for every chosen
    connection from its beginning: how soon the sender feels the stall depends on it. A FIN is not read either; a RST is not held, and
    discards what had not been read before it. Healing reads on: every byte arrives, in order.
    """

    example: ClassVar[str] = 'kind = "stall_reads"\ndirection = "s2c"\nbuffer = "4KiB"\nafter_bytes = "1KiB"\n'
    keeps_fin: ClassVar[bool] = False

    kind: Literal["stall_reads"] = "stall_reads"
    buffer: Size = Field(64 * 1024, gt=0, description="the kernel's receive buffer on the sender's leg")

    def needs_tcp(self) -> dict[Side, str]:
        """A unix socket has no receive buffer of its own: what is sent waits in the sender's."""
        if "buffer" not in self.model_fields_set:
            return {}
        return {SOURCE[direction]: "`buffer` (SO_RCVBUF) has no effect on it (unix(7))" for direction in self.ways()}

    def sockets(self, sockets: Sockets) -> Sockets:
        """The smaller of what is wanted, on the leg that is not to be read."""
        for direction in self.ways():
            if direction == "c2s":
                sockets = replace(sockets, client_rcvbuf=min(self.buffer, sockets.client_rcvbuf or self.buffer))
            else:
                sockets = replace(sockets, server_rcvbuf=min(self.buffer, sockets.server_rcvbuf or self.buffer))
        return sockets

    def stage(self, direction: Direction, chance: Chance, shared: object) -> Stage:
        """Not reading, and holding what was read already."""
        return _StallReads()


class _StallReads(Stage):
    def __init__(self) -> None:
        self._queue = Fifo()

    def start(self, now: float) -> Items:
        self.reading = False
        return NOTHING

    def chunk(self, chunk: Chunk, now: float) -> Items:
        self._queue.put(chunk)
        self.held = self._queue.size
        return (Act("held", chunk.offset, len(chunk.data)),)

    def fin(self, now: float) -> Items:
        self._queue.put(Fin())
        return (Act("held the FIN"),)

    def rst(self, now: float) -> Items:
        self._queue.clear()
        self.held = 0
        return (Rst(),)

    def waiting(self, now: float) -> Items:
        return (Act("left unread what has arrived"),)

    def heal(self, now: float) -> Items:
        self.reading = True
        self.held = 0
        return self._queue.clear()
