"""`window`: the announced receive window is rewritten."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from faultproxy.faults.fields import Size
from faultproxy.faults.packet.segments import SelectingFault


class Window(SelectingFault):
    """Rewrites the window that segments announce, while the receiver still has room; with `0B` their reader enters the persist state.

    A window is announced in units of the window scale (RFC 7323, 2.2): below one unit only zero is possible, unless the scale is
    stripped from the SYN. For a window that is really full, there is `stall_reads`.
    """

    example: ClassVar[str] = 'kind = "window"\ndirection = "to_client"\nsize = "0B"\nlasts = "5s"\n'

    kind: Literal["window"] = "window"
    size: Size = Field(le=2**30, description="what is announced at most")
