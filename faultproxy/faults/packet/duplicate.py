"""`duplicate`: segments or datagrams arrive more than once."""

from __future__ import annotations

from collections import deque
from typing import ClassVar, Literal

from pydantic import Field

from faultproxy.core.events import Tap
from faultproxy.core.header import Packet
from faultproxy.core.limits import PACKETS_HELD
from faultproxy.core.packet_stage import Item, Items, PacketStage
from faultproxy.core.rng import Chance
from faultproxy.core.track import Leg
from faultproxy.faults.fields import Duration
from faultproxy.faults.packet.segments import SelectingFault
from faultproxy.faults.packet.stage import TapStage


class Duplicate(SelectingFault):
    """Sends copies of the chosen segments behind the originals. TCP must discard them (and tells by DSACK, RFC 2883); UDP delivers them.

    A copy is as the segment was when it came, and is sent even if its connection has ended meanwhile: with a `delay` of seconds and a
    client that comes back from the same port, an old segment meets a new connection. Healing sends at once what is still to be sent. No
    more than 8192 copies wait at one tap of one connection: segments that come then are not duplicated.
    """

    example: ClassVar[str] = 'kind = "duplicate"\ndirection = "from_server"\nsegments = "data"\nshare = "2%"\n'
    datagrams: ClassVar[bool] = True

    kind: Literal["duplicate"] = "duplicate"
    copies: int = Field(1, ge=1, le=100, description="how many besides the original")
    delay: Duration = Field(0.0, description="how much later than the original")

    def stage(self, tap: Tap, chance: Chance, leg: Leg) -> TapStage:
        """The copies that are still to be sent; all wait equally long, so they keep their order."""
        return _Duplicate(self, tap, chance, leg)


class _Duplicate(TapStage):
    def __init__(self, fault: Duplicate, tap: Tap, chance: Chance, leg: Leg) -> None:
        super().__init__(tap, leg)
        self._selector = fault.selector(chance)
        self._copies = fault.copies
        self._delay = fault.delay
        self._waiting: deque[tuple[float, Packet]] = deque()

    def start(self, now: float) -> Items:
        self._selector.reset()
        return ()

    def packet(self, packet: Packet, matched: bool, now: float) -> Items:
        if not self._selector.takes(packet, matched):
            return (packet,)
        copies = [packet.copy() for _ in range(self._copies)]
        if not self._delay:
            return (self.did("duplicated", packet, self._how()), packet, *copies)
        if len(self._waiting) + len(copies) > PACKETS_HELD:
            return (self.did("did not duplicate", packet, f"{PACKETS_HELD} copies wait already"), packet)
        self._waiting.extend((now + self._delay, copy) for copy in copies)
        return (self.did("duplicated", packet, self._how()), packet)

    def deadline(self) -> float | None:
        return self._waiting[0][0] if self._waiting else None

    def due(self, now: float) -> Items:
        out: list[Item] = []
        while self._waiting and self._waiting[0][0] <= now:
            out.append(self._waiting.popleft()[1])
        return out

    def heal(self, now: float) -> Items:
        out = [copy for _, copy in self._waiting]
        self._waiting.clear()
        return out

    def inherit(self, before: PacketStage) -> bool:
        if not isinstance(before, _Duplicate):
            return False
        self._waiting = before._waiting
        return True

    def _how(self) -> str:
        times = f"{self._copies} times" if self._copies > 1 else "once"
        return f"{times}, {self._delay * 1000:.1f} ms later" if self._delay else times
