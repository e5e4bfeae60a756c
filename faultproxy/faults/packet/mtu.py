"""`mtu`: packets that are too large for the path vanish."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from faultproxy.core.events import Tap
from faultproxy.core.header import Packet
from faultproxy.core.packet_stage import Items, Lost
from faultproxy.core.rng import Chance
from faultproxy.core.track import Leg
from faultproxy.faults.fields import Size
from faultproxy.faults.packet.segments import PacketFault
from faultproxy.faults.packet.stage import TapStage


class Mtu(PacketFault):
    """Loses whatever is larger than the path allows, and tells nobody: the black hole of RFC 2923, in which small messages pass."""

    example: ClassVar[str] = 'kind = "mtu"\ndirection = "from_client"\nsize = "1400B"\n'
    datagrams: ClassVar[bool] = True
    whole: ClassVar[bool] = False

    kind: Literal["mtu"] = "mtu"
    size: Size = Field(ge=68, le=65536, description="the largest IP packet that passes, headers included")

    def stage(self, tap: Tap, chance: Chance, leg: Leg) -> TapStage:
        """Compares lengths."""
        return _Mtu(self.size, tap, leg)


class _Mtu(TapStage):
    def __init__(self, size: int, tap: Tap, leg: Leg) -> None:
        super().__init__(tap, leg)
        self._size = size

    def packet(self, packet: Packet, matched: bool, now: float) -> Items:
        if packet.length <= self._size:
            return (packet,)
        return (self.did("dropped", packet, f"a packet of {packet.length} bytes"), Lost(packet))
