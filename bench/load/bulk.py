"""As much as goes through: ``python -m bench.load.bulk PORT c2s|s2c CONNECTIONS SECONDS``.

Reports `rate` in MB/s, counted where the bytes arrive.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import time

from bench.load.bulk_server import ARRIVED, CHUNK, REQUEST
from bench.load.common import connect, report


def main() -> None:
    """Move bytes one way."""
    port, direction, count, seconds = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    connections = [connect(port) for _ in range(count)]
    start = time.perf_counter()
    for connection in connections:
        connection.sendall(REQUEST.pack(b"u" if direction == "c2s" else b"d", seconds, 0.0))
        connection.setblocking(False)
    if direction == "c2s":
        arrived, took = _send(connections)
    else:
        arrived = _receive(connections)
        took = time.perf_counter() - start
    report(rate=arrived / took / 1e6)


def _send(connections: list[socket.socket]) -> tuple[int, float]:
    """Until the server has answered on each: how many bytes have arrived in all, and in what time."""
    epoll = select.epoll()
    by_number = {connection.fileno(): connection for connection in connections}
    for connection in connections:
        epoll.register(connection, select.EPOLLIN | select.EPOLLOUT)
    arrived, took = 0, 0.0
    while by_number:
        for number, happened in epoll.poll(20):
            connection = by_number[number]
            if happened & select.EPOLLIN:
                count, seconds = ARRIVED.unpack(connection.recv(ARRIVED.size))
                arrived, took = arrived + count, max(took, seconds)
                epoll.unregister(connection)
                by_number.pop(number).close()
            else:
                with contextlib.suppress(BlockingIOError):
                    connection.send(CHUNK)
    return arrived, took


def _receive(connections: list[socket.socket]) -> int:
    epoll = select.epoll()
    by_number = {connection.fileno(): connection for connection in connections}
    for connection in connections:
        epoll.register(connection, select.EPOLLIN)
    sink, arrived = bytearray(1 << 20), 0
    while by_number:
        for number, _ in epoll.poll(20):
            try:
                got = by_number[number].recv_into(sink, 0, socket.MSG_TRUNC)  # thrown away in the kernel, not copied
            except BlockingIOError:
                continue
            arrived += got
            if not got:
                by_number.pop(number).close()
    return arrived


if __name__ == "__main__":
    main()
