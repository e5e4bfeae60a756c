"""`delay`: segments or datagrams arrive later."""

from __future__ import annotations

import heapq
from itertools import count
from typing import ClassVar, Literal

from faultproxy.core.events import Tap
from faultproxy.core.header import Packet
from faultproxy.core.limits import PACKETS_HELD
from faultproxy.core.packet_stage import Item, Items, Lost, PacketStage
from faultproxy.core.rng import Chance
from faultproxy.core.track import Leg
from faultproxy.faults.delays import Delays
from faultproxy.faults.fields import Delaying
from faultproxy.faults.packet.segments import SelectingFault
from faultproxy.faults.packet.stage import TapStage


class Delay(Delaying, SelectingFault):
    """Holds the chosen segments for a time: the round trip that the peers' kernels measure grows with it.

    With `jitter`, a later segment may overtake an earlier one, as on a real network. To delay the bytes and not the segments, and in
    order, there is `latency`. What is not chosen overtakes what is held. Healing releases what is held, in the order in which it was
    due. No more than 8192 segments are held at one tap of one connection: what comes then is lost, as in a router's full queue.
    """

    example: ClassVar[str] = 'kind = "delay"\ndirection = "to_client"\nsegments = "ack"\ndelay = "200ms"\n'
    datagrams: ClassVar[bool] = True

    kind: Literal["delay"] = "delay"

    def stage(self, tap: Tap, chance: Chance, leg: Leg) -> TapStage:
        """Segments by the times at which they are due."""
        return _Delay(self, tap, chance, leg)


class _Delay(TapStage):
    def __init__(self, fault: Delay, tap: Tap, chance: Chance, leg: Leg) -> None:
        super().__init__(tap, leg)
        self._selector = fault.selector(chance)
        self._delays = Delays(fault, chance)
        self._held: list[tuple[float, int, Packet]] = []
        """A heap; of those due at one time, the first to come goes first."""
        self._numbers = count()

    def start(self, now: float) -> Items:
        self._selector.reset()
        return ()

    def packet(self, packet: Packet, matched: bool, now: float) -> Items:
        if not self._selector.takes(packet, matched) or (late := self._delays.draw()) <= 0:
            return (packet,)
        if len(self._held) >= PACKETS_HELD:
            return (self.did("lost", packet, f"{PACKETS_HELD} are held already"), Lost(packet))
        heapq.heappush(self._held, (now + late, next(self._numbers), packet))
        return (self.did("held", packet, f"for {late * 1000:.1f} ms"),)

    def deadline(self) -> float | None:
        return self._held[0][0] if self._held else None

    def due(self, now: float) -> Items:
        out: list[Item] = []
        while self._held and self._held[0][0] <= now:
            out.append(heapq.heappop(self._held)[2])
        return out

    def heal(self, now: float) -> Items:
        out = [packet for _, _, packet in sorted(self._held)]
        self._held.clear()
        return out

    def inherit(self, before: PacketStage) -> bool:
        if not isinstance(before, _Delay):
            return False
        self._held, self._numbers = before._held, before._numbers
        return True
