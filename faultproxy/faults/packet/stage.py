"""What the stages of packet faults have in common: where they stand, and how they tell what they did."""

from __future__ import annotations

from faultproxy.core.events import Tap
from faultproxy.core.header import Packet
from faultproxy.core.packet_stage import PacketStage
from faultproxy.core.shape import ACK, FIN, RST, SYN
from faultproxy.core.stage import Act
from faultproxy.core.track import KEEPALIVE, RETRANSMISSION, WINDOW_UPDATE, Leg

_MODULO = 2**32


class TapStage(PacketStage):
    """A stage that knows its tap, and both ways of the leg it stands at."""

    def __init__(self, tap: Tap, leg: Leg) -> None:
        self.tap = tap
        self.leg = leg
        self.way = leg.ways[tap]
        """What goes by here."""
        self.back = leg.opposite(tap)
        """What comes back to it."""

    def did(self, what: str, packet: Packet, how: str = "") -> Act:
        """The act of having done that to a segment, in words such as "dropped a data segment, 1448 bytes, seq +2897"."""
        return Act(f"{what} {self.told(packet)}{how and ', '}{how}", size=packet.size)

    def told(self, packet: Packet) -> str:
        """A segment in words. Numbers are relative, as far as the SYN was seen: the first byte is +1."""
        parts = [sort(packet)]
        if packet.size:
            parts.append(f"{packet.size} byte{'s' if packet.size > 1 else ''}")
        if packet.pure_ack:
            if self.back.isn is not None:
                parts.append(f"ack +{(packet.ack - self.back.isn) % _MODULO}")
        elif self.way.isn is not None and packet.seq != self.way.isn:
            parts.append(f"seq +{(packet.seq - self.way.isn) % _MODULO}")
        return ", ".join(parts)


def sort(packet: Packet) -> str:
    """What it is, with its article."""
    flags, marks = packet.flags, packet.marks
    if flags & RST:
        return "a RST"
    if marks & KEEPALIVE and not packet.size:
        return "a keep-alive"
    if marks & WINDOW_UPDATE:
        return "a window update"
    if flags & SYN:
        name = "SYN-ACK" if flags & ACK else "SYN"
    elif flags & FIN:
        name = "FIN"
    elif packet.size:
        name = "data segment"
    elif flags & ACK:
        return "an ACK"
    else:
        return "a segment without ACK"
    return f"a resent {name}" if marks & RETRANSMISSION else f"a {name}"
