"""What the load processes share."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Iterator, Sequence

HOST = "127.0.0.1"

READABLE = select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR
"""Also when the connection is gone: the read then tells how."""


def listen(port: int) -> socket.socket:
    """A listener that does not block, with a queue long enough for all that a bench opens at once."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen(4096)
    listener.setblocking(False)
    return listener


def accept_all(listener: socket.socket) -> Iterator[socket.socket]:
    """Whoever waits in the queue."""
    while True:
        try:
            accepted = listener.accept()[0]
        except BlockingIOError:
            return
        except OSError:
            continue  # gone before we took it
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield accepted


def connect(port: int, timeout: float = 10.0) -> socket.socket:
    """A blocking connection without Nagle's delay. Raises OSError."""
    connection = socket.create_connection((HOST, port), timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def connect_many(port: int, count: int) -> list[socket.socket]:
    """`count` connections, each proved by a byte both ways (an echo server must stand behind), left non-blocking.

    The bytes go out before any is waited for, so that a slow way is waited for once and not by each.
    """
    connections = [connect(port) for _ in range(count)]
    for connection in connections:
        connection.sendall(b".")
    for connection in connections:
        _hear_byte(connection)
        connection.setblocking(False)
    return connections


def exchange_byte(connection: socket.socket) -> None:
    """One byte there and one back. Raises OSError, also when the other end closes instead."""
    connection.sendall(b".")
    _hear_byte(connection)


def _hear_byte(connection: socket.socket) -> None:
    if connection.recv(1) != b".":
        raise ConnectionError("the connection was closed instead of answered")


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the ordered values lie."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def report(**findings: float) -> None:
    """Print what was found, for the bench to read."""
    print(json.dumps(findings), flush=True)
