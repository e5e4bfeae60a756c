"""`vanish`: the peer is gone, without a word."""

from __future__ import annotations

from typing import ClassVar, Literal

from faultproxy.faults.packet.segments import PacketFault


class Vanish(PacketFault):
    """Loses every packet at its taps: power cut, cable out, a NAT that has forgotten. No FIN, no RST, and nothing is answered.

    With `from_server` and `to_server` the server is alone, with all four taps both ends are. Healed, what was sent meanwhile is
    resent and the connection goes on, if neither end has given up.
    """

    example: ClassVar[str] = 'kind = "vanish"\ndirection = ["from_server", "to_server"]\nat = "5s"\nlasts = "3s"\n'
    datagrams: ClassVar[bool] = True

    kind: Literal["vanish"] = "vanish"
