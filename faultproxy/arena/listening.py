"""The arena's listener."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import trio

from faultproxy.errors import ListenError


@dataclass(frozen=True, slots=True)
class Listening:
    """How the arena listens. `send_buffer` (bytes) bounds what the kernel takes over for a player who does not read.

    Without `reuse_address` (SO_REUSEADDR) the port cannot be had while a connection to it is in TIME_WAIT: socket(7).
    """

    backlog: int = 1024
    send_buffer: int | None = None
    reuse_address: bool = True


USUAL = Listening()
"""What the program starts with."""


async def listen(host: str, port: int, listening: Listening) -> trio.socket.SocketType:
    """Raises ListenError where that cannot be had."""
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = trio.socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, listening.reuse_address)
            if listening.send_buffer is not None:  # before listen: whoever is accepted inherits it
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, listening.send_buffer)
            await listener.bind(address)
            listener.listen(listening.backlog)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise ListenError(f"the arena cannot listen on {host}:{port} ({error.strerror}): choose another --port, or 0 for any") from error
    return listener
