"""The bytes of one way of a connection, put together from its segments: for `intercept`, where no socket is there to be read.

What a receiver's kernel does (RFC 9293, 3.10.7.4), without its window: segments come in any order, twice, and overlapping; each byte
comes out once and in its place. Bytes are numbered from 0, so that nothing here knows that sequence numbers wrap.
"""

from __future__ import annotations

from bisect import bisect_right

from faultproxy.core.header import Packet
from faultproxy.core.limits import REASSEMBLY_HELD, REASSEMBLY_PIECES
from faultproxy.core.shape import FIN, RST, SYN


class Reassembly:
    """One way of one connection, from its SYN, or else from the first segment that is fed and carries anything.

    What has come too early is kept within `limits.REASSEMBLY_HELD` and `REASSEMBLY_PIECES`. Beyond them the gap before it is given up.
    """

    __slots__ = ("_data", "_end", "_first", "_starts", "held", "position", "skipped")

    def __init__(self) -> None:
        self.position = 0
        """The number of the next byte: how many have come out so far, those in gaps included."""
        self.skipped = 0
        """Bytes in gaps that were given up."""
        self.held = 0
        """Bytes that have come too early."""
        self._first: int | None = None
        """The sequence number of byte 0."""
        self._end: int | None = None
        """Where the FIN stands."""
        self._starts: list[int] = []
        """Where each piece that has come too early begins: ascending, without overlaps."""
        self._data: list[bytes] = []
        """The pieces themselves."""

    @property
    def ended(self) -> bool:
        """Whether a FIN was met and all bytes before it have come out."""
        return self._end == self.position

    def feed(self, packet: Packet) -> bytes:
        """The bytes that are now next in order, up to `position`; often those of the segment itself, and none of what came before.

        The segment is to be copied whole: what is missing at its end is a gap. Where two disagree about a byte, the first is right.
        """
        flags = packet.flags
        if not (packet.size or flags & (SYN | FIN)) or flags & RST:
            return b""  # what a RST carries is a word about itself (RFC 9293, 3.5.3)
        sequence = packet.seq + (flags >> 1 & 1)  # the SYN takes a number
        if self._first is None:
            self._first = sequence
        start = self._number(sequence)
        if flags & FIN:
            self._finish(start + packet.size)
        data = packet.payload
        if start == self.position and not self._starts and self._end is None:  # by far the most usual
            self.position += len(data)
            return data
        self._keep(start, data)
        out = self._next()
        while self.held > REASSEMBLY_HELD or len(self._starts) > REASSEMBLY_PIECES:
            self.skipped += self._starts[0] - self.position
            self.position = self._starts[0]
            out += self._next()
        return out

    def _number(self, sequence: int) -> int:
        # The byte with that sequence number that is nearest to the next one expected, before or behind it.
        assert self._first is not None
        ahead = (sequence - self._first - self.position) & 0xFFFFFFFF
        return self.position + (ahead if ahead < 0x80000000 else ahead - 0x100000000)

    def _finish(self, end: int) -> None:
        # A FIN stands at `end`. Of two, the earlier is right; one before bytes that have come out already is none of this stream's.
        if end < self.position or (self._end is not None and self._end <= end):
            return
        self._end = end
        while self._starts and self._starts[-1] + len(self._data[-1]) > end:
            start, piece = self._starts.pop(), self._data.pop()
            self.held -= len(piece)
            if start < end:
                self._keep(start, piece)  # cut off there

    def _keep(self, start: int, data: bytes) -> None:
        # Adds to the pieces what is new: behind all that has come out, before the FIN, and not in a piece already.
        if self._end is not None:
            data = data[: max(0, self._end - start)]
        starts, pieces = self._starts, self._data
        at = bisect_right(starts, start)
        seen = max(self.position, starts[at - 1] + len(pieces[at - 1]) if at else 0)
        end = start + len(data)
        while seen < end:
            start, data = max(start, seen), data[max(0, seen - start) :]
            until = min(end, starts[at]) if at < len(starts) else end
            if start < until:
                starts.insert(at, start)
                pieces.insert(at, data[: until - start])
                self.held += until - start
                at += 1
            if until == end:
                return
            seen = starts[at] + len(pieces[at])
            at += 1

    def _next(self) -> bytes:
        # Takes out the pieces that are next in order.
        count = 0
        while count < len(self._starts) and self._starts[count] <= self.position:
            self.position = self._starts[count] + len(self._data[count])
            count += 1
        out = b"".join(self._data[:count])
        del self._starts[:count], self._data[:count]
        self.held -= len(out)
        return out
