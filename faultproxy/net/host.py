"""What the packet plane needs of who runs it: a proxy's `Conductor`, or an `Intercept`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from faultproxy.core.events import Tap
from faultproxy.core.header import Packet
from faultproxy.core.plan import Peer
from faultproxy.core.run import Outcome
from faultproxy.net.tapped import Tapped

Follow = Callable[[Tapped, Tap, Packet], None]
"""Told of a segment that has been judged."""


class Host(Protocol):
    """Who carries out what is decided about sockets."""

    def carry(self, outcome: Outcome) -> None:
        """Carries out actions, those about segments by way of `PacketPlane.act`."""

    def in_turn(self, turn: Callable[[], None]) -> None:
        """Calls it when nothing else is being decided."""

    def now(self) -> float:
        """The time."""

    @property
    def who(self) -> Callable[[str, int], Peer]:
        """Tells who connects from an address and port."""
