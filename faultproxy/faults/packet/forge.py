"""`forge`: a segment that nobody sent."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from faultproxy.faults.packet.segments import PacketFault


class Forge(PacketFault):
    """Sends a segment in somebody's name, at a tap `to_client` or `to_server`.

    With the `exact` sequence number a RST ends the receiver's side, and the other still thinks it is connected. A `blind` one lies
    inside the window but not at its edge: it must be survived and answered by a challenge ACK (RFC 5961, 3.2).
    """

    example: ClassVar[str] = 'kind = "forge"\ndirection = "to_client"\nsend = "RST"\nafter_bytes = "4KiB"\n'
    momentary: ClassVar[bool] = True

    kind: Literal["forge"] = "forge"
    send: Literal["RST", "FIN", "ACK"] = Field(description="what is sent")
    sequence: Literal["exact", "blind"] = Field("exact", description="the sequence number: as expected, or elsewhere in the window")

    @model_validator(mode="after")
    def _sent(self) -> Self:
        if any(name.startswith("from_") for name in self.direction):
            raise ValueError("a forged segment is sent: `direction` is to_client or to_server")
        return self
