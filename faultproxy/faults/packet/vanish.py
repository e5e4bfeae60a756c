"""`vanish`: the peer is gone, without a word."""

from __future__ import annotations

from typing import ClassVar, Literal

from faultproxy.core.events import Tap
from faultproxy.core.header import Packet
from faultproxy.core.packet_stage import Items, Lost, PacketPlan
from faultproxy.core.rng import Chance
from faultproxy.core.shape import SHAPES
from faultproxy.core.track import Leg
from faultproxy.faults.packet.segments import PacketFault
from faultproxy.faults.packet.stage import TapStage


class Vanish(PacketFault):
    """Loses every packet at its taps: power cut, cable out, a NAT that has forgotten. No FIN, no RST, and nothing is answered.

    With `from_server` and `to_server` the server is alone, with all four taps both ends are. Healed, what was sent meanwhile is
    resent and the connection goes on, if neither end has given up.
    """

    example: ClassVar[str] = 'kind = "vanish"\ndirection = ["from_server", "to_server"]\nat = "5s"\nlasts = "3s"\n'
    datagrams: ClassVar[bool] = True

    kind: Literal["vanish"] = "vanish"

    def packet_plan(self) -> PacketPlan:
        """All are alike to it."""
        return PacketPlan(taps=self.taps(), stage=self.stage, bundles=True, shapes=(SHAPES["any"],))

    def stage(self, tap: Tap, chance: Chance, leg: Leg) -> TapStage:
        """Loses."""
        return _Vanish(tap, leg)


class _Vanish(TapStage):
    def packet(self, packet: Packet, matched: bool, now: float) -> Items:
        return (self.did("lost", packet), Lost(packet))
