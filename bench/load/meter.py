"""How exactly a rate is kept on many connections: ``python -m bench.load.meter PORT CONNECTIONS RATE SECONDS SOURCE_RATE``.

RATE is what is expected, in bytes a second on each connection. SOURCE_RATE is what the server is asked to give: 0 for as much as it can,
so that a proxy has to limit it; RATE itself to measure the meter. Reports the `p50` and `p99` of the connections' errors in per cent, and
`rate` in MB/s over all.

The first half second is not counted: a burst at the start is allowed by every token bucket and is no error of the rate.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from dataclasses import dataclass

from bench.load.bulk_server import REQUEST
from bench.load.common import connect, quantile, report

SETTLE = 0.5


@dataclass
class _Flow:
    connection: socket.socket
    first: float = 0.0
    last: float = 0.0
    count: int = 0

    def arrived(self, now: float, count: int) -> None:
        """Bytes are counted from the first arrival on, without those that it brought: they belong to the time before."""
        if not self.first:
            self.first = now
        else:
            self.last, self.count = now, self.count + count


def main() -> None:
    """Read everything as it comes and note when."""
    port, count, rate, seconds, source_rate = int(sys.argv[1]), int(sys.argv[2]), *map(float, sys.argv[3:6])
    flows, epoll = {}, select.epoll()
    for connection in [connect(port) for _ in range(count)]:
        flows[connection.fileno()] = _Flow(connection)
        connection.sendall(REQUEST.pack(b"d", seconds + 5, source_rate))
        connection.setblocking(False)
        epoll.register(connection, select.EPOLLIN)
    sink, start = bytearray(1 << 20), time.perf_counter()
    while (now := time.perf_counter()) < start + seconds:
        for number, _ in epoll.poll(0.1):
            try:
                got = flows[number].connection.recv_into(sink, 0, socket.MSG_TRUNC)
            except BlockingIOError:
                continue
            if not got:
                raise ConnectionError("the stream ended too soon")
            now = time.perf_counter()
            if now >= start + SETTLE:
                flows[number].arrived(now, got)
    rates = [flow.count / (flow.last - flow.first) if flow.count else 0.0 for flow in flows.values()]
    errors = sorted(abs(each / rate - 1) * 100 for each in rates)
    report(p50=quantile(errors, 0.5), p99=quantile(errors, 0.99), rate=sum(rates) / 1e6)


if __name__ == "__main__":
    main()
