"""Round trips on one connection, one after the other: ``python -m bench.load.pingpong PORT SIZE SECONDS``.

Reports `p50` and `p99` in microseconds, and `trips`, how many there were, those that are not counted included.
"""

from __future__ import annotations

import sys
import time

from bench.load.common import connect, quantile, report


def main() -> None:
    """Ask and wait for the whole answer until the time is over; the first fifth warms up and is not counted."""
    port, size, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    connection = connect(port)
    message, buffer = bytes(size), bytearray(size)
    view, clock = memoryview(buffer), time.perf_counter
    trips: list[float] = []
    total = 0
    start = clock()
    counted, end = start + seconds / 5, start + seconds
    while True:
        asked = clock()
        connection.sendall(message)
        got = connection.recv_into(buffer)
        while got < size:
            more = connection.recv_into(view[got:])
            if not more:
                raise ConnectionError("closed in the middle of an answer")
            got += more
        answered = clock()
        total += 1
        if asked >= counted:
            trips.append(answered - asked)
        if answered >= end and trips:
            break
    trips.sort()
    report(p50=quantile(trips, 0.5) * 1e6, p99=quantile(trips, 0.99) * 1e6, trips=total)


if __name__ == "__main__":
    main()
