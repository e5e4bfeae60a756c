"""Many connections that send small messages at a steady pace to an echo server, and time each:
``python -m bench.load.paced PORT CONNECTIONS RATE SECONDS [PID]``, where RATE is messages a second on each connection.

Reports the round trips `least`, `p50` and `p99` in milliseconds, `rate`, the messages a second that were really sent, and `cpu`, the share
of one core that the process PID took meanwhile, in per cent.

The connections take turns, so the load is even. A message carries the moment at which it was really sent, so a sender that is late
adds nothing to what is measured; a reader that is late does, which is why the same is measured without a proxy.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import time

from bench.load.common import READABLE, connect_many, quantile, report
from bench.process import cpu_time

SIZE = 64
DRAIN = 2.0
"""Seconds that the last answers may take."""

_STAMP = struct.Struct("d56x")


def main() -> None:
    """Send for the given time, then wait for what is still on its way."""
    port, count, rate, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    watched = int(sys.argv[5]) if len(sys.argv) > 5 else None
    connections = connect_many(port, count)
    epoll = select.epoll()
    rest: dict[int, bytes] = {}
    by_number: dict[int, socket.socket] = {}
    for connection in connections:
        epoll.register(connection, READABLE)
        by_number[connection.fileno()], rest[connection.fileno()] = connection, b""
    clock, trips = time.perf_counter, list[float]()
    used = cpu_time(watched) if watched else 0.0
    start = clock()
    total, sent, step = int(seconds * rate * count), 0, 1 / (rate * count)
    finished = start
    while len(trips) < total:
        now = clock()
        while sent < total and start + sent * step <= now:
            connections[sent % count].send(_STAMP.pack(clock()))
            sent += 1
            finished = now
        if now > start + seconds + DRAIN:
            raise TimeoutError(f"{total - len(trips)} of {total} messages did not come back")
        for number, _ in epoll.poll(0.001):
            data = rest[number] + by_number[number].recv(65536)
            now = clock()
            whole = len(data) // SIZE * SIZE
            trips.extend(now - stamp for (stamp,) in _STAMP.iter_unpack(data[:whole]))
            rest[number] = data[whole:]
    cpu = (cpu_time(watched) - used) / (clock() - start) * 100 if watched else 0.0
    # Those of the first fifth belong to the warm-up. They are kept in the order in which they came back.
    trips = sorted(trips[total // 5 :])
    middle, high = quantile(trips, 0.5) * 1e3, quantile(trips, 0.99) * 1e3
    report(least=trips[0] * 1e3, p50=middle, p99=high, rate=total / (finished - start), cpu=cpu)


if __name__ == "__main__":
    main()
