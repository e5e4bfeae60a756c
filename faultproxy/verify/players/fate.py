"""What becomes of one connection of a player, as his own program sees it: no kernel's table tells that once the socket is gone."""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace

from faultproxy.core.plan import Peer

RESETS = (errno.ECONNRESET, errno.EPIPE)
"""A call that fails so says that a RST has come; EPIPE where a FIN had come before (RFC 9293, 3.10.7.4, and send(2))."""


@dataclass(slots=True)
class Fate:
    """`received` counts the bytes that he has read."""

    received: int = 0
    reset: bool = False
    """A RST has come."""
    unconnected: bool = False
    """It never came to be: whoever comes from its port is somebody else."""


class Roll:
    """Who comes from which port. A port counts as his until the connection is gone, for then the kernel may give it to anybody."""

    def __init__(self) -> None:
        self._enrolled: dict[int, tuple[Peer, Fate]] = {}

    def enroll(self, port: int, peer: Peer) -> Fate:
        """A player's connection is coming from there (`players.dialling.Enroll`)."""
        fate = Fate()
        self._enrolled[port] = peer, fate
        return fate

    def who(self, address: str, port: int) -> Peer:
        """`net.conductor.Who`."""
        peer, fate = self._enrolled.get(port, (None, None))
        if peer is None or fate is None or fate.unconnected:
            return Peer(address, port)
        return replace(peer, address=address, port=port)

    def fate(self, peer: Peer) -> Fate | None:
        """That of a connection that has just come; None of an outsider's."""
        known = None if peer.role == "outsider" else self._enrolled.get(peer.port)
        return None if known is None else known[1]

    def forget(self, port: int, fate: Fate) -> None:
        """That connection is gone. Where the next has the port already, nothing changes."""
        if port in self._enrolled and self._enrolled[port][1] is fate:
            del self._enrolled[port]

    def clear(self) -> None:
        """Nobody is connected."""
        self._enrolled.clear()
