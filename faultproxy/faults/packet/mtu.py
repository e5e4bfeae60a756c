"""`mtu`: packets that are too large for the path vanish."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from faultproxy.faults.fields import Size
from faultproxy.faults.packet.segments import PacketFault


class Mtu(PacketFault):
    """Loses whatever is larger than the path allows, and tells nobody: the black hole of RFC 2923, in which small messages pass."""

    example: ClassVar[str] = 'kind = "mtu"\ndirection = "from_client"\nsize = "1400B"\n'
    datagrams: ClassVar[bool] = True

    kind: Literal["mtu"] = "mtu"
    size: Size = Field(ge=68, le=65536, description="the largest IP packet that passes, headers included")
