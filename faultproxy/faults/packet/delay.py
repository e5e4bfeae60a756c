"""`delay`: segments or datagrams arrive later."""

from __future__ import annotations

from typing import ClassVar, Literal

from faultproxy.faults.fields import Delaying
from faultproxy.faults.packet.segments import SelectingFault


class Delay(Delaying, SelectingFault):
    """Holds the chosen segments for a time: the round trip that the peers' kernels measure grows with it.

    With `jitter`, a later segment may overtake an earlier one, as on a real network. To delay the bytes and not the segments, and in
    order, there is `latency`.
    """

    example: ClassVar[str] = 'kind = "delay"\ndirection = "to_client"\nsegments = "ack"\ndelay = "200ms"\n'
    datagrams: ClassVar[bool] = True

    kind: Literal["delay"] = "delay"
