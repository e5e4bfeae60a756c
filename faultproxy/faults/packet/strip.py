"""`strip`: options are taken out of the SYN."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, WithJsonSchema, model_validator

from faultproxy.faults.packet.segments import PacketFault, one_or_list

Option = Literal["mss", "wscale", "sack", "timestamps"]
_OPTIONS = ("mss", "wscale", "sack", "timestamps")


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
