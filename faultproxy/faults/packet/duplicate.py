"""`duplicate`: segments or datagrams arrive more than once."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from faultproxy.faults.fields import Duration
from faultproxy.faults.packet.segments import SelectingFault


class Duplicate(SelectingFault):
    """Sends copies of the chosen segments behind the originals. TCP must discard them (and tells by DSACK, RFC 2883); UDP delivers them."""

    example: ClassVar[str] = 'kind = "duplicate"\ndirection = "from_server"\nsegments = "data"\nshare = "2%"\n'
    datagrams: ClassVar[bool] = True

    kind: Literal["duplicate"] = "duplicate"
    copies: int = Field(1, ge=1, le=100, description="how many besides the original")
    delay: Duration = Field(0.0, description="how much later than the original")
