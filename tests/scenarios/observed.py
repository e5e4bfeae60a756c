"""What can be seen of connections from outside: their ends as the kernels have them, the counters, the packets on the line."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from faultproxy.core.header import Packet
from faultproxy.kernel import sockdiag
from faultproxy.kernel.netstat import counters
from faultproxy.kernel.sockdiag import Diag, TcpInfo
from tests.scenarios.stage import Stage


def servers(s: Stage) -> list[Diag]:
    """The server's own ends of its connections, without its listener."""
    return [each for each in sockdiag.sockets(local_port=s.server_port) if each.state != "LISTEN"]


def server_tcp(s: Stage) -> TcpInfo:
    """What the kernel knows of the server's only connection."""
    (only,) = servers(s)
    assert only.info is not None, f"still a request: {only}"
    return only.info


class Counts:
    """What the kernel's counters have gone up by since it was made: ``counts["Tcp.OutRsts"]``."""

    def __init__(self) -> None:
        self._before = counters()

    def __getitem__(self, name: str) -> int:
        return counters()[name] - self._before[name]


class Capture:
    """All IPv4 packets that have gone over the loopback since it was made, packet(7): what is really on the line."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        self._sock.bind(("lo", 0))
        self._sock.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._sock.close()

    def packets(self) -> Iterator[Packet]:
        """Those that have come since they were asked for last."""
        while True:
            try:
                data, address = self._sock.recvfrom(65536)
            except BlockingIOError:
                return
            if address[2] != socket.PACKET_OUTGOING:  # each is there twice, as it leaves and as it comes
                yield Packet(data)
