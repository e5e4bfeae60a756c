"""`corrupt`: bytes of segments or datagrams change on the way."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from faultproxy.faults.packet.segments import SelectingFault


class Corrupt(SelectingFault):
    """Flips bits in the payload of the chosen segments.

    With a `broken` checksum the receiver's kernel discards the segment and it is sent again; with a `fixed` one the changed bytes
    reach the program. To change bytes at a place of the stream, there is `flip`.
    """

    example: ClassVar[str] = 'kind = "corrupt"\ndirection = "to_client"\nsegments = "data"\ntake = 1\nchecksum = "broken"\n'
    datagrams: ClassVar[bool] = True

    kind: Literal["corrupt"] = "corrupt"
    checksum: Literal["broken", "fixed"] = Field(
        "broken", description="broken: discarded by the receiver's kernel; fixed: reaches the program"
    )
    bits: int = Field(1, ge=1, le=64, description="how many bits are flipped")
