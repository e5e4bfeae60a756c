"""Acknowledgements that were kept from their receiver, to be sent when the fault has healed.

Without it, the other end would learn what it has missed at its next time-out or window probe only.
"""

from __future__ import annotations

from faultproxy.core.header import TIMESTAMPS, Packet
from faultproxy.core.shape import ACK, RST, SYN
from faultproxy.core.track import Leg


def acknowledgement(packet: Packet, tap: str, leg: Leg) -> Packet | None:
    """What `packet` says about the other way and nothing else: its acknowledgement, window and options, in a segment without payload.

    It takes the number that its receiver expects next, or the receiver would not heed it (RFC 9293, 3.10.7.4). None if `packet`
    acknowledges nothing, or was not copied whole.
    """
    if packet.flags & (RST | ACK) != ACK or not packet.whole:
        return None
    twin = packet.copy()
    top = leg.ways[tap].top
    seq = packet.end if top is None else top
    if packet.pure_ack and packet.seq == seq:
        return twin
    if packet.flags & SYN:
        # A SYN's window has no scale (RFC 7323, 2.2), and most of its options have no place elsewhere.
        twin.window >>= leg.scale(tap)
        times = packet.option(TIMESTAMPS)
        twin.options = b"" if times is None else clock(times)
    twin.seq = seq
    twin.flags = ACK
    twin.urgent = 0
    twin.payload = b""
    twin.length = twin.data_at
    twin.marks = 0
    twin.changed = True
    return twin


def clock(value: bytes) -> bytes:
    """The timestamp option as segments carry it, filled up to a multiple of four bytes (RFC 7323, appendix A)."""
    return bytes((1, 1, TIMESTAMPS, 2 + len(value))) + value
