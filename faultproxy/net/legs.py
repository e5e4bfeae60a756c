"""The parts of a link: a leg is one socket, a way is one direction."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from faultproxy.core.events import Direction, Side
from faultproxy.core.limits import READ_SIZE
from faultproxy.core.triggers import ALL

if TYPE_CHECKING:
    from faultproxy.net.link import Link


TURN = 0.004
"""Seconds that faults may spend on what is read from one connection in one turn, as a rule, while all others wait."""

APPETITE = 64 * 1024
"""Bytes that are read at once to begin with. Much less would take the head of a segment and leave the rest of it to fill the kernel's
buffer, which then drops what it had offered room for: the sender of a stalled direction would retransmit, and meet no zero window.
"""

APPETITE_LEAST = 256
"""Bytes that are read in one turn at the least."""


class Leg:
    """One socket. `wants` is the interest that is registered; None: not watched."""

    __slots__ = ("closing", "fd", "fin_sent", "hung", "lingers", "side", "sock", "wants")

    def __init__(self, side: Side, sock: socket.socket) -> None:
        self.side = side
        self.sock: socket.socket | None = sock
        self.fd = sock.fileno()
        self.wants: int | None = None
        self.fin_sent = False
        self.hung = False
        """Both FINs have passed it: it is watched only while there is something to read or write."""
        self.lingers = False
        """SO_LINGER makes its close() wait."""
        self.closing = False
        """Close it when all has been sent."""


class Way:
    """One direction: where it reads, where it writes, what has not gone out yet."""

    __slots__ = (
        "alert",
        "appetite",
        "busy",
        "count",
        "direction",
        "eof",
        "fin",
        "kept",
        "limit",
        "link",
        "out",
        "paused",
        "reading",
        "recv_into",
        "send",
    )

    def __init__(self, link: Link, direction: Direction) -> None:
        self.link = link
        self.direction = direction
        self.recv_into: Callable[[memoryview], int]
        """The source's method, once it is connected; likewise the sink's `send`."""
        self.send: Callable[[bytes | memoryview], int]
        self.count = 0
        """Bytes read so far."""
        self.limit = ALL
        """Up to this count nobody needs to be asked; see `Connection.quiet_until`."""
        self.appetite = APPETITE
        """Bytes beyond `limit` to read in one turn; it grows as long as turns are short."""
        self.busy = False
        """Beyond `limit`, every byte is the core's, whether a pattern is found or not."""
        self.reading = False
        self.paused = False
        self.alert = False
        """Paused, and the core wants to know when something waits."""
        self.eof = False
        self.fin = False
        """A FIN follows what is in `out`."""
        self.out: deque[bytes] | None = None
        self.kept = 0

    def digested(self, size: int, took: float) -> None:
        """The core had to do with `size` bytes for so many seconds: a fault that makes much of few bytes gets fewer at once."""
        if took > TURN:
            self.appetite = max(APPETITE_LEAST, int(min(size, self.appetite) * TURN / took))
        elif took < TURN / 2 and size >= self.appetite:
            self.appetite = min(READ_SIZE, self.appetite * 2)
