"""`reorder`: segments or datagrams are overtaken."""

from __future__ import annotations

from collections import deque
from typing import ClassVar, Literal

from pydantic import Field

from faultproxy.core.events import Tap
from faultproxy.core.header import Packet
from faultproxy.core.limits import PACKETS_HELD
from faultproxy.core.packet_stage import Item, Items, Lost, PacketStage
from faultproxy.core.rng import Chance
from faultproxy.core.track import Leg
from faultproxy.faults.fields import Duration
from faultproxy.faults.packet.segments import SelectingFault
from faultproxy.faults.packet.stage import TapStage


class Reorder(SelectingFault):
    """Holds a chosen segment until `gap` others have passed it, or `within` is over.

    Others are those that `segments`, `flags` and `length` would allow as well: with `segments = "data"` an ACK is none. What holds for
    what `delay` holds, healing and bound included, does so here.
    Without a round trip to speak of, the sender resends a segment before it can count as late: combine it with `delay` on loopback.
    """

    example: ClassVar[str] = 'kind = "reorder"\ndirection = "from_server"\nsegments = "data"\nshare = "1%"\ngap = 3\n'
    datagrams: ClassVar[bool] = True

    kind: Literal["reorder"] = "reorder"
    gap: int = Field(3, ge=1, le=1000, description="how many others pass first; from 3 on, TCP takes it for a loss (RFC 5681, 3.2)")
    within: Duration = Field(0.1, gt=0, description="released after this time in any case")

    def stage(self, tap: Tap, chance: Chance, leg: Leg) -> TapStage:
        """What is held, by the number of the one behind which it is released."""
        return _Reorder(self, tap, chance, leg)


class _Reorder(TapStage):
    def __init__(self, fault: Reorder, tap: Tap, chance: Chance, leg: Leg) -> None:
        super().__init__(tap, leg)
        self._selector = fault.selector(chance)
        self._gap = fault.gap
        self._within = fault.within
        self._passed = 0
        self._held: deque[tuple[int, float, Packet]] = deque()
        """Behind how many, and when at the latest. Who was held first is released first, even if those after it are to wait for less."""

    def start(self, now: float) -> Items:
        self._selector.reset()
        return ()

    def packet(self, packet: Packet, matched: bool, now: float) -> Items:
        if self._selector.takes(packet, matched):
            if len(self._held) >= PACKETS_HELD:
                return (self.did("lost", packet, f"{PACKETS_HELD} are held already"), Lost(packet))
            self._held.append((self._passed + self._gap, now + self._within, packet))
            return (self.did("held", packet, f"until {self._gap} other{'s' if self._gap > 1 else ''} passed"),)
        if not self._held or not self._selector.fits(packet):
            return (packet,)
        self._passed += 1
        out: list[Item] = [packet]
        while self._held and self._held[0][0] <= self._passed:
            out.append(self._held.popleft()[2])
        return out

    def deadline(self) -> float | None:
        return self._held[0][1] if self._held else None

    def due(self, now: float) -> Items:
        out: list[Item] = []
        while self._held and self._held[0][1] <= now:
            out.append(self._held.popleft()[2])
        return out

    def heal(self, now: float) -> Items:
        out = [packet for _, _, packet in self._held]
        self._held.clear()
        return out

    def inherit(self, before: PacketStage) -> bool:
        if not isinstance(before, _Reorder):
            return False
        self._held, self._passed = before._held, before._passed
        return True
