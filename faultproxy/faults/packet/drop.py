"""`drop`: segments or datagrams are lost."""

from __future__ import annotations

from typing import ClassVar, Literal

from faultproxy.faults.packet.segments import SelectingFault


class Drop(SelectingFault):
    """Loses the chosen segments, so that a real kernel sends them again: what packet loss is, and what no relay of bytes can do.

    To make a peer retransmit, drop its data `from_` it or the ACKs `to_` it; at the other two taps only the proxy's own kernel is
    troubled. Where nothing may be acknowledged, choose `ack` and `data`: acknowledgements ride on data too.
    """

    example: ClassVar[str] = 'kind = "drop"\ndirection = "to_server"\nsegments = ["ack", "data"]\nlasts = "8s"\n'
    datagrams: ClassVar[bool] = True

    kind: Literal["drop"] = "drop"
