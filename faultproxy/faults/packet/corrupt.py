"""`corrupt`: bytes of segments or datagrams change on the way."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from faultproxy.core.events import Tap
from faultproxy.core.header import Packet
from faultproxy.core.packet_stage import Broken, Items
from faultproxy.core.rng import Chance
from faultproxy.core.track import Leg
from faultproxy.faults.packet.segments import SelectingFault
from faultproxy.faults.packet.stage import TapStage


class Corrupt(SelectingFault):
    """Flips bits in the payload of the chosen segments.

    With a `broken` checksum the receiver's kernel discards the segment and it is sent again; with a `fixed` one the changed bytes
    reach the program. Segments without payload are passed over, and not counted. To change bytes at a place of the stream, there is `flip`.
    """

    example: ClassVar[str] = 'kind = "corrupt"\ndirection = "to_client"\nsegments = "data"\ntake = 1\nchecksum = "broken"\n'
    datagrams: ClassVar[bool] = True
    carrying: ClassVar[bool] = True

    kind: Literal["corrupt"] = "corrupt"
    checksum: Literal["broken", "fixed"] = Field(
        "broken", description="broken: discarded by the receiver's kernel; fixed: reaches the program"
    )
    bits: int = Field(1, ge=1, le=64, description="how many bits are flipped")

    def stage(self, tap: Tap, chance: Chance, leg: Leg) -> TapStage:
        """Flips bits that chance names, each at most once."""
        return _Corrupt(self, tap, chance, leg)


class _Corrupt(TapStage):
    def __init__(self, fault: Corrupt, tap: Tap, chance: Chance, leg: Leg) -> None:
        super().__init__(tap, leg)
        self._selector = fault.selector(chance)
        self._bits = fault.bits
        self._broken = fault.checksum == "broken"
        self._chance = chance

    def start(self, now: float) -> Items:
        self._selector.reset()
        return ()

    def packet(self, packet: Packet, matched: bool, now: float) -> Items:
        if not self._selector.takes(packet, matched):
            return (packet,)
        data = bytearray(packet.payload)
        flipped = self._places(len(data) * 8)
        for place in flipped:
            data[place >> 3] ^= 1 << (place & 7)
        packet.payload = bytes(data)
        packet.changed = True
        how = f"{len(flipped)} bit{'s' if len(flipped) > 1 else ''} flipped, checksum {'broken' if self._broken else 'fixed'}"
        return (self.did("corrupted", packet, how), Broken(packet) if self._broken else packet)

    def _places(self, bits: int) -> set[int]:
        # Floyd's way to choose some of many: one draw for each, and no place twice, where the second flip would undo the first.
        chosen: set[int] = set()
        for most in range(max(0, bits - self._bits), bits):
            place = int(self._chance() * (most + 1))
            chosen.add(most if place in chosen else place)
        return chosen
