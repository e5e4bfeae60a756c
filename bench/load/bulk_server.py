"""A server that takes or gives as much as it can: ``python -m bench.load.bulk_server PORT``.

A connection opens with a request of 17 bytes. ``u``: take for so many seconds, then answer how many bytes have arrived and in what
time, and take on until the client leaves. ``d``: give for so many seconds, at so many bytes a second or as fast as it goes, then close.
Neither needs a half-close, which not every proxy can relay.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import time
from dataclasses import dataclass

from bench.load.common import READABLE, accept_all, listen

REQUEST = struct.Struct("=cdd")
"""``u`` or ``d``; seconds; bytes a second, 0 for no limit."""

ARRIVED = struct.Struct("=Qd")
"""Bytes; seconds since the request."""

CHUNK = bytes(256 * 1024)
STEP = 0.02
"""Seconds between two portions of a limited rate."""


@dataclass
class _Client:
    connection: socket.socket
    kind: bytes = b""
    end: float = 0.0  # 0 once it has been answered
    rate: float = 0.0
    start: float = 0.0
    count: int = 0


def main() -> None:
    """Serve until ended."""
    _Server(listen(int(sys.argv[1]))).run()


class _Server:
    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._epoll = select.epoll()
        self._epoll.register(listener, READABLE)
        self._clients: dict[int, _Client] = {}
        self._paced: set[int] = set()
        self._sink = bytearray(1 << 20)

    def run(self) -> None:
        while True:
            for descriptor, _ in self._epoll.poll(STEP / 4 if self._paced else 0.1 if self._clients else -1):
                if descriptor == self._listener.fileno():
                    for accepted in accept_all(self._listener):
                        self._clients[accepted.fileno()] = _Client(accepted)
                        self._epoll.register(accepted, READABLE)
                else:
                    self._turn(self._clients[descriptor])
            for descriptor in list(self._paced):
                self._turn(self._clients[descriptor])

    def _turn(self, client: _Client) -> None:
        try:
            if client.kind == b"":
                self._begin(client)
            elif client.kind == b"u":
                self._take(client)
            else:
                self._give(client)
        except BlockingIOError:
            return
        except OSError:
            self._drop(client)

    def _begin(self, client: _Client) -> None:
        client.start = time.perf_counter()
        client.kind, seconds, client.rate = REQUEST.unpack(client.connection.recv(REQUEST.size).ljust(REQUEST.size, b"\0"))
        client.end = client.start + seconds
        if client.kind == b"\0":
            self._drop(client)  # somebody who only wanted to see whether we are there
        elif client.kind == b"d":
            if client.rate:
                self._paced.add(client.connection.fileno())
                self._epoll.modify(client.connection, 0)
            else:
                self._epoll.modify(client.connection, select.EPOLLOUT)

    def _take(self, client: _Client) -> None:
        # With MSG_TRUNC the kernel throws the bytes away instead of copying them: we are to measure others, not memcpy.
        got = client.connection.recv_into(self._sink, 0, socket.MSG_TRUNC)
        now = time.perf_counter()
        if not got:
            self._drop(client)
        elif client.end:
            client.count += got
            if now >= client.end:
                client.connection.send(ARRIVED.pack(client.count, now - client.start))
                client.end = 0.0

    def _give(self, client: _Client) -> None:
        now = time.perf_counter()
        if now >= client.end:
            self._drop(client)
        elif not client.rate:
            client.connection.send(CHUNK)
        elif (due := int((now - client.start) * client.rate) - client.count) >= client.rate * STEP:
            client.count += client.connection.send(CHUNK[:due])

    def _drop(self, client: _Client) -> None:
        descriptor = client.connection.fileno()
        self._paced.discard(descriptor)
        del self._clients[descriptor]
        client.connection.close()


if __name__ == "__main__":
    main()
