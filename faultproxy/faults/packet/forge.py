"""`forge`: a segment that nobody sent."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from faultproxy.core.events import Tap
from faultproxy.core.header import Packet, make
from faultproxy.core.packet_stage import NOTHING, Items, PacketStage
from faultproxy.core.rng import Chance
from faultproxy.core.shape import ACK, FIN, RST, SYN
from faultproxy.core.track import Leg
from faultproxy.faults.packet.acks import clock
from faultproxy.faults.packet.segments import PacketFault
from faultproxy.faults.packet.stage import TapStage

_MODULO = 2**32


class Forge(PacketFault):
    """Sends a segment in somebody's name, at a tap `to_client` or `to_server`; with `intercept`, in a direction.

    With the `exact` sequence number a RST ends the receiver's side, and the other still thinks it is connected; while an acknowledgement
    is outstanding there are two that may be right, and both are sent. A `blind` one lies
    inside the window but not at its edge: a RST or SYN must be survived and answered by a challenge ACK (RFC 5961, 3.2 and 4.2), a FIN
    waits for what comes before it, and an ACK is sent for data that never was, which is a challenge too (RFC 5961, 5.2). A SYN meets a
    receiver that is in SYN_SENT as a simultaneous open (RFC 9293, 3.5). Where no segment of the connection has been seen, it follows the
    first one.
    """

    example: ClassVar[str] = 'kind = "forge"\ndirection = "to_client"\nsend = "RST"\nafter_bytes = "4KiB"\n'
    momentary: ClassVar[bool] = True
    whole: ClassVar[bool] = False
    back: ClassVar[bool] = True

    kind: Literal["forge"] = "forge"
    send: Literal["RST", "FIN", "ACK", "SYN"] = Field(description="what is sent")
    sequence: Literal["exact", "blind"] = Field("exact", description="the sequence number: as expected, or elsewhere in the window")

    @model_validator(mode="after")
    def _sent(self) -> Self:
        if any(name.startswith("from_") for name in self.direction):
            raise ValueError("a forged segment is sent: `direction` is to_client or to_server")
        return self

    def stage(self, tap: Tap, chance: Chance, leg: Leg) -> TapStage:
        """Sends when it starts, or when it first can."""
        return _Forge(self, tap, chance, leg)


class _Forge(TapStage):
    def __init__(self, fault: Forge, tap: Tap, chance: Chance, leg: Leg) -> None:
        super().__init__(tap, leg)
        self._send = fault.send
        self._blind = fault.sequence == "blind"
        self._chance = chance
        self._owed = 0
        """How many could not be sent yet, for want of addresses or numbers."""

    def start(self, now: float) -> Items:
        if not self._ready():
            self._owed += 1
            return NOTHING
        return self._forged()

    def packet(self, packet: Packet, matched: bool, now: float) -> Items:
        return (packet, *self.known(now)) if self._owed else (packet,)

    def known(self, now: float) -> Items:
        if not self._owed or not self._ready():
            return NOTHING
        owed, self._owed = self._owed, 0
        return [item for _ in range(owed) for item in self._forged()]

    def heal(self, now: float) -> Items:
        self._owed = 0
        return NOTHING

    def inherit(self, before: PacketStage) -> bool:
        self._owed = before._owed if isinstance(before, _Forge) else 0
        return True  # to start it again would be to send another one

    def _ready(self) -> bool:
        # There are addresses and numbers. Where nobody has seen the connection open, a segment without payload does not tell what is
        # expected: it may be a keep-alive, whose number lies before that.
        if self.way.isn is not None or self.back.isn is not None or self.back.acked is not None:
            return self.way.last is not None or self.back.last is not None
        return self.way.last is not None and self.way.last.size > 0

    def _forged(self) -> Items:
        seq, ack = self._numbers()
        flags = {"RST": RST, "FIN": FIN | ACK, "ACK": ACK, "SYN": SYN}[self._send]
        if self._send == "RST" and self._opening():
            flags |= ACK  # in SYN_SENT, only the acknowledgement of the SYN makes it credible (RFC 9293, 3.10.7.3)
        if not flags & ACK:
            ack = 0
        elif self._blind and self._send == "ACK":
            ack += self._within_window()
        window = self.way.window if self.way.last is not None and not flags & SYN else 0xFFFF
        if self.way.last is not None:
            forged = make(self.way.last, seq=seq, ack=ack, flags=flags, window=window)
        else:
            assert self.back.last is not None
            forged = make(self.back.last, seq=seq, ack=ack, flags=flags, window=window, back=True)
        if not flags & (RST | SYN):
            self._clocked(forged)
        act = self.did("forged", forged, self._how())
        if self._send == "RST" and not self._blind and self.way.top not in (None, seq):
            # Only the very next number counts (RFC 5961, 3.2), and an acknowledgement may be late: has all that was sent arrived, or not?
            # One of the two is right. The other is answered by a challenge ACK, or meets nobody any more.
            farther = forged.copy()
            farther.seq = self.way.top
            return (act, farther, forged)
        return (act, forged)

    def _opening(self) -> bool:
        # The receiver has sent its SYN, and has acknowledged no answer.
        return self.back.isn is not None and self.back.acked is None

    def _numbers(self) -> tuple[int, int]:
        # What the receiver expects, and the acknowledgement of all that it has sent.
        expected = next((known for known in self._known() if known is not None), None)
        if expected is None:  # nothing is expected of a connection that has not answered yet: any number will do
            expected = 0 if self._send == "RST" else int(self._chance() * _MODULO)
        sent = next((known for known in (self.back.top, self.way.acked) if known is not None), 0)
        return (expected + (self._within_window() if self._blind else 0)) % _MODULO, sent

    def _known(self) -> tuple[int | None, int | None]:
        # A FIN stands behind all that was sent, or it would be one for data that has come already. All else goes by what is acknowledged.
        return (self.way.top, self.back.acked) if self._send == "FIN" and not self._blind else (self.back.acked, self.way.top)

    def _within_window(self) -> int:
        window = self.back.window << self._scale()
        return 1 + int(self._chance() * max(0, window - 2))

    def _scale(self) -> int:
        last = self.back.last
        return 0 if last is None or last.flags & SYN else self.leg.scale(_other(self.leg, self.tap))

    def _clocked(self, forged: Packet) -> None:
        # Where both ends have agreed on timestamps, a segment without one is to be dropped (RFC 7323, 3.2).
        own = self.way.last.timestamps if self.way.last is not None else None
        if own is not None:
            theirs = self.back.last.timestamps if self.back.last is not None else None
            forged.options = clock(b"".join(value.to_bytes(4, "big") for value in (own[0], own[1] if theirs is None else theirs[0])))

    def _how(self) -> str:
        return "somewhere in the window" if self._blind else "as expected"


def _other(leg: Leg, tap: str) -> str:
    return next(name for name in leg.ways if name != tap)
