"""Every bound of the program in one place, each with its reason.

Where a bound is met, reading stops or the act is refused, and it is said."""

from __future__ import annotations

from dataclasses import dataclass, field

READ_SIZE = 256 * 1024
"""Bytes taken from one socket in one turn. Larger gains nothing in throughput; smaller costs system calls."""

READ_SIZE_SCARCE = 4 * 1024
"""The same while the budget of held bytes is used up: what a blocked peer can still make us hold is then this much."""

HELD_PER_DIRECTION = 8 * 2**20
"""Bytes that the faults of one direction may hold. 8 MiB is 1 s of delay at 67 Mbit/s; reading stops there, as a full link would."""

HELD_TOTAL = 256 * 2**20
"""Bytes held over all connections. Past it, a direction that already holds something is not read."""

MATCH_LINE = 8 * 1024
"""The longest line that a regular expression is tried on; a longer one is not matched. Bounds memory and the cost of a bad pattern."""

MATCH_EXPRESSION = 8 * 1024
"""The longest regular expression. To read one takes some microseconds a byte, and nobody can read one of that length."""

MATCH_LITERAL = 8 * 1024
"""The longest literal to look for, so that the tail kept between two reads stays small."""

CONNECTIONS = 10_000
"""Connections at once, where the limit of open files allows it; each needs two descriptors."""

DESCRIPTORS_SPARE = 64
"""Descriptors kept free of connections: listeners, the journal, the server's pipes, name resolution."""

DIAL_TIMEOUT = 10.0
"""Seconds until an upstream that does not answer is given up. Linux alone would try for two minutes."""

ACCEPT_RETRY = 0.1
"""Seconds until accepting is tried again after the descriptors ran out."""

BACKLOG = 1024
"""The listen queue when nothing asks for another (the kernel cuts it to net.core.somaxconn)."""

GAPS = 256
"""Ranges of one way of a connection that were overtaken and have not come yet: beyond it the oldest counts as lost for good."""

REASSEMBLY_HELD = 256 * 1024
"""Bytes of one way of an intercepted connection that came too early to be read in order. Beyond it the gap before them counts as lost."""

REASSEMBLY_PIECES = 256
"""Pieces of the same. Small segments would otherwise cost more by their number than by their bytes."""

PACKETS_HELD = 8192
"""Packets that one fault may hold at one tap of one connection; what comes beyond is lost, as at the end of a router's full queue."""

PACKETS_QUEUED = 32 * 1024
"""Packets that wait for a verdict, held ones included: the length of the kernel's queue."""

EMBRYOS = 4096
"""Connections of which only a SYN has been seen. Beyond it the oldest is forgotten, as in a SYN backlog."""

LASTING = 1024
"""Connections that have no socket any more and whose packets are still in somebody's hand. Beyond it the oldest is let go."""

LASTS = 65.0
"""Seconds for which packets of a connection are still looked at when the proxy's sockets are closed: somewhat more than TIME_WAIT."""

JOURNAL_BUFFER = 64 * 1024
"""Characters of the journal kept before they are written: one system call for some hundred lines."""

CAPTURE_BUFFER = 64 * 1024
"""Bytes of a capture kept before they are written: one system call for some three hundred packets."""

STARTS_SHOWN = 1000
"""Messages of one kind that `run` prints before it only counts them."""

SCENARIO_FILE = 2**20
"""The largest scenario file that is read, in bytes. The longest we know of has four thousand; a log given by mistake has more."""


@dataclass(slots=True)
class Budget:
    """Bytes held by all directions together, kept by those who hold. `spent` asks for more to stop, nothing is thrown away."""

    total: int = HELD_TOTAL
    held: int = field(default=0)

    @property
    def spent(self) -> bool:
        return self.held >= self.total
