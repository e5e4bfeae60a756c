"""`drop`: segments or datagrams are lost."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from faultproxy.core.events import Tap
from faultproxy.core.header import SACK, Packet, before
from faultproxy.core.mechanism import INCOMING
from faultproxy.core.packet_stage import Items, Lost, PacketPlan, PacketStage
from faultproxy.core.rng import Chance
from faultproxy.core.shape import ACK, RST, SHAPES, SYN
from faultproxy.core.track import KEEPALIVE, Leg
from faultproxy.faults.base import Place
from faultproxy.faults.packet.acks import acknowledgement
from faultproxy.faults.packet.segments import SelectingFault
from faultproxy.faults.packet.selector import Sorts
from faultproxy.faults.packet.stage import TapStage


class Drop(SelectingFault):
    """Loses the chosen segments, so that a real kernel sends them again: what packet loss is, and what no relay of bytes can do.

    To make a peer retransmit, drop its data `from_` it or the ACKs `to_` it; at the other two taps only the proxy's own kernel is
    troubled. Where nothing may be acknowledged, choose `ack` and `data`: acknowledgements ride on data too. With `rewind`, data goes on
    and acknowledges nothing new: segments that are not dropped get their acknowledgement set back to the last one that was let through, and
    their SACK blocks (RFC 2018) taken out.

    Healing sends the newest acknowledgement that was kept from its receiver, if no newer one has passed: the peer need not wait for its
    next time-out. Of those that are dropped on their way to the proxy, nothing is sent again.
    """

    example: ClassVar[str] = 'kind = "drop"\ndirection = "to_server"\nsegments = ["ack", "data"]\nlasts = "8s"\n'
    datagrams: ClassVar[bool] = True

    kind: Literal["drop"] = "drop"
    rewind: bool = Field(False, description="what is not dropped acknowledges nothing that was sent since the fault began")

    def unfit(self, place: Place) -> tuple[tuple[str, str], ...]:
        """Datagrams acknowledge nothing."""
        rewinds = place.udp and self.rewind
        return super().unfit(place) + ((("rewind", "a datagram acknowledges nothing: leave `rewind` out"),) if rewinds else ())

    def packet_plan(self) -> PacketPlan:
        """What the header alone decides need not be copied, nor come one by one where all are alike."""
        sorts = self.sorts()
        plain = not self.rewind and not self.counts
        return replace(
            super().packet_plan(),
            whole=self.rewind or self.payload is not None or self._keeps_acks(),
            bundles=plain and sorts == Sorts(),
            shapes=sorts.shapes if plain and not sorts.marks else None,
        )

    def stage(self, tap: Tap, chance: Chance, leg: Leg) -> TapStage:
        """Keeps the newest acknowledgement that its receiver has not got."""
        return _Drop(self, tap, chance, leg)

    def _keeps_acks(self) -> bool:
        sorts = self.sorts()
        return bool(set(self.taps()) - INCOMING) and (bool(sorts.marks) or any(shape.both(SHAPES["ack"]) for shape in sorts.shapes))


class _Drop(TapStage):
    def __init__(self, fault: Drop, tap: Tap, chance: Chance, leg: Leg) -> None:
        super().__init__(tap, leg)
        self._selector = fault.selector(chance)
        self._rewind = fault.rewind
        self._keeps = fault.rewind or tap not in INCOMING
        self._let_through: int | None = None
        """The acknowledgement that those of a rewinding fault are set back to."""
        self._withheld: Packet | None = None

    def start(self, now: float) -> Items:
        self._selector.reset()
        self._let_through = self.way.acked
        return ()

    def known(self, now: float) -> Items:
        if self._let_through is None:
            self._let_through = self.way.acked
        return ()

    def packet(self, packet: Packet, matched: bool, now: float) -> Items:
        if self._selector.takes(packet, matched):
            if self._keeps and packet.pure_ack and not packet.marks & KEEPALIVE:
                self._withhold(packet)
            return (self.did("dropped", packet), Lost(packet))
        if not self._keeps or packet.flags & (ACK | RST | SYN) != ACK:
            return (packet,)
        if self._rewind:
            return self._rewound(packet)
        if self._withheld is not None and not before(packet.ack, self._withheld.ack):
            self._withheld = None
        return (packet,)

    def heal(self, now: float) -> Items:
        withheld, self._withheld = self._withheld, None
        told = None if withheld is None else acknowledgement(withheld, self.tap, self.leg)
        return () if told is None else (told,)

    def inherit(self, before: PacketStage) -> bool:
        if not isinstance(before, _Drop):
            return False
        self._withheld = before._withheld
        self._let_through = before._let_through if before._rewind else self.way.acked
        return True

    def _withhold(self, packet: Packet) -> None:
        if self._withheld is None or not before(packet.ack, self._withheld.ack):
            self._withheld = packet

    def _rewound(self, packet: Packet) -> Items:
        if self._let_through is None:
            self._let_through = packet.ack
        if not before(self._let_through, packet.ack):
            return (self.did("took the SACK blocks out of", packet), packet) if packet.strip(SACK) else (packet,)
        act = self.did("set back the acknowledgement of", packet, f"by {(packet.ack - self._let_through) % 2**32}")
        self._withhold(packet.copy())
        packet.strip(SACK)
        packet.ack = self._let_through
        packet.changed = True
        return (act, packet)
