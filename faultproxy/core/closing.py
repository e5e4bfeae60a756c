"""When a leg of a connection is done. The rules follow TCP (RFC 9293, 3.6); `docs/closing.md` tells why they are as they are."""

from __future__ import annotations

from collections.abc import Mapping

from faultproxy.core.events import Side
from faultproxy.core.pipe import Pipe


class Leg:
    """What has passed one leg: the FIN of its peer, ours, and whether it is gone."""

    __slots__ = ("gone", "got_fin", "reset", "sent_fin")

    def __init__(self) -> None:
        self.got_fin = False
        self.sent_fin = False
        self.reset = False
        """Its peer has sent a RST, or it died of itself: a RST is on its way to the other leg."""
        self.gone = False
        """It is closed, or has been told to be."""


def is_done(side: Side, legs: Mapping[Side, Leg], pipe: Pipe) -> bool:
    """Whether the leg to `side` is to be closed now; `pipe` is the direction that leads to it.

    With both FINs through, it is. So it is, too, when its peer has ended its half and nothing more can come for it, because a fault has
    ended the other leg without a FIN. But not while a RST is still on its way to it, or was swallowed by a fault that will answer for it.
    """
    leg, other = legs[side], legs["server" if side == "client" else "client"]
    if leg.gone or not leg.got_fin:
        return False
    if leg.sent_fin:
        return True
    orphan = other.gone and not other.got_fin and not pipe.held
    return orphan and not (other.reset and not pipe.dead)
