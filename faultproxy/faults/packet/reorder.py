"""`reorder`: segments or datagrams are overtaken."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from faultproxy.faults.fields import Duration
from faultproxy.faults.packet.segments import SelectingFault


class Reorder(SelectingFault):
    """Holds a chosen segment until `gap` others have passed it, or `within` is over.

    Without a round trip to speak of, the sender resends a segment before it can count as late: combine it with `delay` on loopback.
    """

    example: ClassVar[str] = 'kind = "reorder"\ndirection = "from_server"\nsegments = "data"\nshare = "1%"\ngap = 3\n'
    datagrams: ClassVar[bool] = True

    kind: Literal["reorder"] = "reorder"
    gap: int = Field(3, ge=1, le=1000, description="how many others pass first; from 3 on, TCP takes it for a loss (RFC 5681, 3.2)")
    within: Duration = Field(0.1, gt=0, description="released after this time in any case")
