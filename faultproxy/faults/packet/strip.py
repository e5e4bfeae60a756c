"""`strip`: options are taken out of the SYN."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, WithJsonSchema, model_validator

from faultproxy.core.events import Tap
from faultproxy.core.header import MSS, SACK_PERMITTED, TIMESTAMPS, WSCALE, Packet
from faultproxy.core.packet_stage import Items
from faultproxy.core.rng import Chance
from faultproxy.core.shape import SYN
from faultproxy.core.track import Leg
from faultproxy.faults.packet.segments import PacketFault, one_or_list
from faultproxy.faults.packet.stage import TapStage

Option = Literal["mss", "wscale", "sack", "timestamps"]
_OPTIONS = ("mss", "wscale", "sack", "timestamps")
_KINDS = {"mss": MSS, "wscale": WSCALE, "sack": SACK_PERMITTED, "timestamps": TIMESTAMPS}


class Strip(PacketFault):
    """Takes TCP options out of the SYN and SYN-ACK, as some middleboxes do, or lowers the announced MSS.

    Taken out of the SYN `from_client`, both ends go without; out of the SYN-ACK alone, for `wscale`, the two disagree and the
    transfer crawls. It acts at the handshake and so must be active when the connection opens.
    """

    example: ClassVar[str] = 'kind = "strip"\ndirection = "from_client"\noptions = ["sack", "timestamps"]\n'

    kind: Literal["strip"] = "strip"
    options: Annotated[
        tuple[Option, ...],
        one_or_list(_OPTIONS, "an option", '"sack"'),
        WithJsonSchema({"anyOf": [{"enum": list(_OPTIONS)}, {"type": "array", "items": {"enum": list(_OPTIONS)}}]}),
    ] = Field((), description=f"what is taken out: one or a list of {', '.join(_OPTIONS)}")
    mss: int | None = Field(None, ge=1, le=65535, description="the largest MSS that may be announced, in bytes")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.options and self.mss is None:
            raise ValueError("neither `options` nor `mss` is given: it would do nothing")
        if "mss" in self.options and self.mss is not None:
            raise ValueError("the MSS is either taken out (`options`) or lowered (`mss`)")
        return self

    def stage(self, tap: Tap, chance: Chance, leg: Leg) -> TapStage:
        """Looks at SYNs only."""
        return _Strip(self, tap, leg)


class _Strip(TapStage):
    def __init__(self, fault: Strip, tap: Tap, leg: Leg) -> None:
        super().__init__(tap, leg)
        self._options = fault.options
        self._mss = fault.mss

    def packet(self, packet: Packet, matched: bool, now: float) -> Items:
        if not packet.flags & SYN:
            return (packet,)
        done = [name for name in self._options if packet.strip(_KINDS[name])]
        if self._mss is not None:
            told = int.from_bytes(packet.option(MSS) or b"", "big")
            if told > self._mss and packet.set_option(MSS, self._mss.to_bytes(2, "big")):
                how = f"without {', '.join(done)}" if done else ""
                return (self.did(f"lowered the MSS from {told} to {self._mss} in", packet, how), packet)
        return (self.did(f"stripped {', '.join(done)} from", packet), packet) if done else (packet,)
