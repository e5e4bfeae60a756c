"""Dialling the proxy, so that it knows who comes: the port is told before the proxy can have seen the first segment."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import trio

from faultproxy.core.plan import Peer
from faultproxy.errors import ScenarioError
from faultproxy.net import addresses
from faultproxy.verify.players.fate import Fate

Enroll = Callable[[int, Peer], Fate | None]
"""Told the local port of a connection that is coming, and whose it is; answers with where to note what becomes of it."""

UNDER_WAY = (0, errno.EINPROGRESS)


@dataclass(frozen=True, slots=True)
class Target:
    """Where the players connect, as connect(2) takes it, and where they come from."""

    family: socket.AddressFamily
    address: Any
    local: str = ""
    """Empty on a unix socket, and where no way leads to the proxy."""

    @property
    def is_unix(self) -> bool:
        """Whether it is a unix socket, which has no ports."""
        return self.family == socket.AF_UNIX


async def resolve(text: str) -> Target:
    """Reads ``host:port`` or ``unix:/path``, and looks the name up. Raises ScenarioError."""
    address = addresses.parse(text, "the proxy's address")
    if address.is_unix:
        return Target(socket.AF_UNIX, address.path)
    try:
        found = await trio.socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise ScenarioError(f"probes and crowds cannot connect to {text}: the host name is not known ({error.strerror})") from error
    family, where = found[0][0], found[0][4]
    return Target(family, where, _local(family, where))


def dial(target: Target, peer: Peer, enroll: Enroll) -> tuple[socket.socket, int]:
    """A socket that is connecting, and what connect(2) said: 0, EINPROGRESS or the errno of its failure. OSError: there is no socket.

    The kernel chooses the port, as it does for any client: one that was bound first would stay taken by a TIME_WAIT that connect(2) could
    use again. It is told behind the SYN, before anybody else in this process, the proxy among them, can have seen that.
    """
    sock = socket.socket(target.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if target.is_unix:
            return sock, sock.connect_ex(target.address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex(target.address)
        if code in UNDER_WAY:
            enroll(*_named(sock, peer))
    except BaseException:
        sock.close()
        raise
    return sock, code


def _named(sock: socket.socket, peer: Peer) -> tuple[int, Peer]:
    address, port = sock.getsockname()[:2]
    return port, replace(peer, address=address, port=port)


def _local(family: socket.AddressFamily, address: Any) -> str:
    # Connecting a UDP socket sends nothing, and shows from which address the kernel would go there.
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(address)
        except OSError:
            return ""  # no way there: connect will say so
        return str(sock.getsockname()[0])
