"""Many conversations at once, each one question after the other: ``python -m bench.load.many PORT CONNECTIONS SIZE SECONDS``.

Reports `rate`, in round trips a second over all, and `trips`, how many there were in the whole. An echo server must stand behind.
"""

from __future__ import annotations

import select
import socket
import sys
import time

from bench.load.common import READABLE, connect_many, report


def main() -> None:
    """Ask on all connections, and on each again as soon as it has been answered; the first fifth of the time is not counted."""
    port, count, size, seconds = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    epoll, by_number, missing = select.epoll(), dict[int, socket.socket](), dict[int, int]()
    message, sink = bytes(size), bytearray(65536)
    for connection in connect_many(port, count):
        epoll.register(connection, READABLE)
        by_number[connection.fileno()], missing[connection.fileno()] = connection, size
        connection.sendall(message)
    trips, warm, start = 0, 0, time.perf_counter()
    counted = start + seconds / 5
    while (now := time.perf_counter()) < start + seconds:
        if now < counted:
            warm = trips
        for number, _ in epoll.poll(1):
            connection = by_number[number]
            got = connection.recv_into(sink)
            if not got:
                raise ConnectionError("closed in the middle of an answer")
            missing[number] -= got
            if not missing[number]:
                missing[number] = size
                trips += 1
                connection.send(message)
    report(rate=(trips - warm) / (seconds * 0.8), trips=trips)


if __name__ == "__main__":
    main()
