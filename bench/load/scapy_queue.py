"""What a script with scapy does: ``python -m bench.load.scapy_queue PORT``.

Every segment of every connection to the local PORT waits in a kernel queue until it has been read here, taken apart by scapy, looked at,
and given a verdict by itself: a RST is dropped, all else goes on. Prints ``{"ready": 1}`` when it begins, and goes on until it is ended.
"""

from __future__ import annotations

import select
import sys

from scapy.layers.inet import IP, TCP

from bench.load.common import report
from faultproxy.kernel.nfqueue import INPUT, LARGEST_COPY, Queue, Queued
from faultproxy.kernel.nftables import Table

_SYN_ACK, _SYN, _RST = 0x12, 0x02, 0x04


def main() -> None:
    """One packet after the other."""
    port = int(sys.argv[1])
    queue = Queue(copy=LARGEST_COPY, gso=False)
    table = Table(queue.number)
    table.intercept(port)
    report(ready=1)
    while True:
        select.select([queue], [], [])
        for queued in queue.read():
            _judge(queue, table, queued)


def _judge(queue: Queue, table: Table, queued: Queued) -> None:
    segment = IP(queued.data)[TCP]
    if segment.flags & _SYN_ACK == _SYN:
        # Client and server are both on this machine: each segment is met once, where it comes in.
        table.tap((INPUT, segment.sport, segment.dport), (INPUT, segment.dport, segment.sport))
    if segment.flags & _RST:
        queue.drop(queued.id)
    else:
        queue.accept(queued.id)
    queue.flush()


if __name__ == "__main__":
    main()
