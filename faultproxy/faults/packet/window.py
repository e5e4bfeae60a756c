"""`window`: the announced receive window is rewritten."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from faultproxy.core.events import Tap
from faultproxy.core.header import Packet
from faultproxy.core.packet_stage import Items, PacketStage
from faultproxy.core.rng import Chance
from faultproxy.core.shape import ACK, RST, SYN
from faultproxy.core.track import Leg
from faultproxy.faults.fields import Size
from faultproxy.faults.packet.acks import acknowledgement
from faultproxy.faults.packet.segments import SelectingFault
from faultproxy.faults.packet.stage import TapStage


class Window(SelectingFault):
    """Rewrites the window that segments announce, while the receiver still has room; with `0B` their reader enters the persist state.

    A window is announced in units of the window scale (RFC 7323, 2.2): below one unit only zero is possible, unless the scale is
    stripped from the SYN. A window that is smaller already stays as it is. Healing sends the last acknowledgement again with the
    window that it had, so the sender need not wait for its next probe. For a window that is really full, there is `stall_reads`.
    """

    example: ClassVar[str] = 'kind = "window"\ndirection = "to_client"\nsize = "0B"\nlasts = "5s"\n'

    kind: Literal["window"] = "window"
    size: Size = Field(le=2**30, description="what is announced at most")

    def stage(self, tap: Tap, chance: Chance, leg: Leg) -> TapStage:
        """Keeps the latest segment that was made to lie."""
        return _Window(self, tap, chance, leg)


class _Window(TapStage):
    def __init__(self, fault: Window, tap: Tap, chance: Chance, leg: Leg) -> None:
        super().__init__(tap, leg)
        self._selector = fault.selector(chance)
        self._size = fault.size
        self._latest: Packet | None = None
        """As it was, if nothing true has been said since."""

    def start(self, now: float) -> Items:
        self._selector.reset()
        return ()

    def packet(self, packet: Packet, matched: bool, now: float) -> Items:
        if packet.flags & RST:
            return (packet,)
        most = self._size >> (0 if packet.flags & SYN else self.leg.scale(self.tap))
        if not self._selector.takes(packet, matched) or packet.window <= most:
            if packet.flags & ACK:
                self._latest = None
            return (packet,)
        self._latest = packet.copy()
        act = self.did("rewrote the window of", packet, f"{most} instead of {packet.window}")
        packet.window = most
        packet.changed = True
        return (act, packet)

    def heal(self, now: float) -> Items:
        latest, self._latest = self._latest, None
        told = None if latest is None else acknowledgement(latest, self.tap, self.leg)
        return () if told is None else (told,)

    def inherit(self, before: PacketStage) -> bool:
        if not isinstance(before, _Window):
            return False
        self._latest = before._latest
        return True
