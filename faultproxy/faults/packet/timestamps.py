"""`timestamps`: the clock in the timestamp option is shifted."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from faultproxy.core.events import Tap
from faultproxy.core.header import Packet
from faultproxy.core.packet_stage import Items
from faultproxy.core.rng import Chance
from faultproxy.core.shape import ACK
from faultproxy.core.track import Leg
from faultproxy.faults.packet.segments import SelectingFault
from faultproxy.faults.packet.stage import TapStage


class Timestamps(SelectingFault):
    """Shifts the timestamp (TSval) of the chosen segments: set back, they look old, and PAWS discards them (RFC 7323, 5).

    Each discarded segment is answered by a duplicate ACK and nothing else, as where two hosts share an address behind a NAT. For a host
    whose clock is another and who is right about it, shift what it sends, and back what is echoed to it (`echo_shift`, at the other tap).
    Otherwise let it begin behind the opening: a SYN-ACK that echoes a time which the sender of the SYN has not reached yet, or has left
    behind, is answered by a RST. Segments without the option are left alone.
    """

    example: ClassVar[str] = 'kind = "timestamps"\ndirection = "to_client"\nshift = -100000\nlasts = "2s"\n'

    kind: Literal["timestamps"] = "timestamps"
    shift: int = Field(0, ge=-(2**31), lt=2**31, description="ticks to add to the clock (TSval), on Linux milliseconds; negative: back")
    echo_shift: int = Field(0, ge=-(2**31), lt=2**31, description="ticks to add to the clock that is echoed (TSecr)")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.shift == 0 and self.echo_shift == 0:
            raise ValueError("a `shift` and an `echo_shift` of 0 would do nothing")
        return self

    def stage(self, tap: Tap, chance: Chance, leg: Leg) -> TapStage:
        """Adds."""
        return _Timestamps(self, tap, chance, leg)


class _Timestamps(TapStage):
    def __init__(self, fault: Timestamps, tap: Tap, chance: Chance, leg: Leg) -> None:
        super().__init__(tap, leg)
        self._selector = fault.selector(chance)
        self._shift, self._echo_shift = fault.shift, fault.echo_shift

    def start(self, now: float) -> Items:
        self._selector.reset()
        return ()

    def packet(self, packet: Packet, matched: bool, now: float) -> Items:
        if not self._selector.takes(packet, matched) or (times := packet.timestamps) is None:
            return (packet,)
        # Without ACK nothing is echoed: the field is to be zero (RFC 7323, 3.2).
        value, echo = self._shift, self._echo_shift if packet.flags & ACK else 0
        if not value and not echo:
            return (packet,)
        packet.set_timestamps(times[0] + value, times[1] + echo)
        parts = [f"{name} {ticks:+}" for name, ticks in (("TSval", value), ("TSecr", echo)) if ticks]
        return (self.did("shifted the timestamps of", packet, ", ".join(parts)), packet)
