"""Connect, one byte each way, close; one after the other: ``python -m bench.load.churn PORT SECONDS``.

Reports `rate`, in connections a second.
"""

from __future__ import annotations

import sys
import time

from bench.load.common import connect, exchange_byte, report


def main() -> None:
    """The client closes first and orderly, as clients do."""
    port, seconds = int(sys.argv[1]), float(sys.argv[2])
    for _ in range(50):
        with connect(port) as connection:
            exchange_byte(connection)
    count, start = 0, time.perf_counter()
    while (now := time.perf_counter()) < start + seconds:
        with connect(port) as connection:
            exchange_byte(connection)
        count += 1
    report(rate=count / (now - start))


if __name__ == "__main__":
    main()
