"""What can be known of a TCP connection by watching its segments go by, one way at a time.

A proxied connection is two, each with its own numbers; a `Leg` is one of them, seen where the proxy stands. `Way.see` is shown every
segment of one way in the order in which they come, and says what only the ones before can tell: whether it is sent again, updates the
window, or is a keep-alive.
"""

from __future__ import annotations

from faultproxy.core.header import Packet, before
from faultproxy.core.limits import GAPS
from faultproxy.core.shape import ACK, FIN, RST, SYN

RETRANSMISSION, WINDOW_UPDATE, KEEPALIVE = 1, 2, 4
"""Marks, as bits.

RETRANSMISSION: it carries a byte, SYN or FIN that has been seen in this way before. "Starts before the highest end seen" would not do: two
processors may swap two segments on their way through the loopback, and that is no resend.
WINDOW_UPDATE: an ACK without payload for what was acknowledged already, with a larger window (RFC 9293, 3.10.7.4).
KEEPALIVE: at most one byte, right before the next number that is expected (RFC 9293, 3.8.4). Window probes of Linux look the same, and so
does the last byte, sent again by itself: that is a RETRANSMISSION as well.
"""


class Way:
    """One way of a leg. Numbers are None until a segment has told them."""

    __slots__ = ("_gaps", "acked", "isn", "last", "scales", "top", "window", "wscale")

    def __init__(self) -> None:
        self.isn: int | None = None
        """The SYN's number."""
        self.top: int | None = None
        """The number behind the last byte that was sent: the next that is expected."""
        self.acked: int | None = None
        """The highest acknowledgement that was sent in this way."""
        self.window = 0
        """The window field that was sent last, without its scale."""
        self.wscale = 0
        """By how many bits windows sent in this way are scaled, as its SYN said (RFC 7323, 2)."""
        self.scales = False
        """Whether its SYN said anything about it."""
        self.last: Packet | None = None
        """The latest segment that was seen."""
        self._gaps: list[tuple[int, int]] = []
        """Ranges below `top` that were not seen."""

    def skip_to(self, packet: Packet) -> None:
        """Takes note of a segment; what was sent before it may have gone by unseen, and is not missing."""
        if not packet.flags & (SYN | RST):
            self.skipped(packet.seq)
        self.see(packet)

    def skipped(self, number: int) -> None:
        """All up to this number is known to have gone by, seen or not."""
        if self.top is not None and before(self.top, number):
            self.top = number

    def stands(self, begun: int, number: int, acked: int, window: int, wscale: int | None) -> None:
        """Takes note of what our own kernel knows of a connection that has been open for a while.

        These are the numbers of the SYN and of what is to be sent next, the acknowledgement and the window that were sent last, and the
        window's scale; None: no scales were agreed on.
        """
        self.isn = begun
        self.top = number if self.top is None or before(self.top, number) else self.top
        self.acked = acked if self.acked is None or before(self.acked, acked) else self.acked
        self.window = window
        self.wscale, self.scales = wscale or 0, wscale is not None

    def look_away(self) -> None:
        """What goes by from now on is not seen, and so nothing that was known holds for long."""
        self.__init__()  # type: ignore[misc]

    def see(self, packet: Packet) -> int:
        """Takes note of a segment, and returns its marks."""
        flags, size = packet.flags, packet.size
        marks = 0
        if flags & SYN:
            if packet.seq != self.isn:  # the first, or the same ports and another connection
                self.__init__()  # type: ignore[misc]
            self.isn = packet.seq
            scale = packet.option(3)
            self.wscale = min(scale[0], 14) if scale else 0
            self.scales = bool(scale)
        top = self.top
        taken = size + (flags & FIN) + (flags >> 1 & 1)
        if top is not None and size <= 1 and not flags & (SYN | FIN | RST) and packet.seq == (top - 1) & 0xFFFFFFFF:
            marks = KEEPALIVE | RETRANSMISSION if size else KEEPALIVE
        elif taken and not flags & RST and self._again(packet.seq, packet.end):
            marks = RETRANSMISSION
        elif top is None and not flags & RST:
            self.top = packet.end
        if flags & ACK:
            if not taken and packet.ack == self.acked and packet.window > self.window and not flags & RST:
                marks |= WINDOW_UPDATE
            if self.acked is None or before(self.acked, packet.ack):
                self.acked = packet.ack
        if not flags & RST:
            self.window = packet.window
        self.last = packet
        return marks

    def _again(self, start: int, end: int) -> bool:
        # Notes a range, and says whether any of it was there before.
        top = self.top
        if top is None:
            self.top = end
            return False
        if start == top:
            self.top = end
            return False
        if before(top, start):
            self._gaps.append((top, start))
            if len(self._gaps) > GAPS:
                del self._gaps[0]
            self.top = end
            return False
        new = 0
        left: list[tuple[int, int]] = []
        for low, high in self._gaps:
            first, last = (low if before(start, low) else start), (end if before(end, high) else high)
            if not before(first, last):
                left.append((low, high))
                continue
            new += (last - first) & 0xFFFFFFFF
            if low != first:
                left.append((low, first))
            if last != high:
                left.append((last, high))
        self._gaps = left
        if before(top, end):
            new += (end - top) & 0xFFFFFFFF
            self.top = end
        return new < ((end - start) & 0xFFFFFFFF)


class Leg:
    """One TCP connection with both its ways, by tap."""

    __slots__ = ("_opposite", "ways")

    def __init__(self, one: str, other: str) -> None:
        here, there = Way(), Way()
        self.ways = {one: here, other: there}
        self._opposite = {one: there, other: here}

    def opposite(self, tap: str) -> Way:
        """The way that comes back to the tap."""
        return self._opposite[tap]

    def heeds(self, tap: str, reset: Packet) -> bool:
        """Whether a RST that is met at the tap ends the connection, as far as the numbers tell that were seen.

        In SYN_SENT it must acknowledge the SYN (RFC 9293, 3.10.7.3); later its number must be the very next that is expected, and all
        others are challenged or ignored (RFC 5961, 3.2).
        """
        way, back = self.ways[tap], self.opposite(tap)
        if back.acked is None:
            return reset.flags & ACK != 0 and back.top is not None and reset.ack == back.top
        return reset.seq in (back.acked, way.top)

    def scale(self, tap: str) -> int:
        """By how many bits windows sent at the tap are scaled: not at all if the other end's SYN has not offered it (RFC 7323, 2.2)."""
        back = self.opposite(tap)
        return self.ways[tap].wscale if back.scales or back.isn is None else 0
