"""What an observer may want to know beyond a snapshot: the kernel's word on each leg, and how full the packet queue is."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from faultproxy.core.events import Side
from faultproxy.kernel.tcpinfo import TcpInfo, tcp_info
from faultproxy.net.link import Link
from faultproxy.net.proxy import Proxy


@dataclass(frozen=True, slots=True)
class Queue:
    """The packet plane: segments that wait for a verdict, and how many went past it because a bound was met."""

    waiting: int = 0
    overflow: int = 0


def legs(proxy: Proxy, ordinal: int) -> Mapping[Side, TcpInfo]:
    """TCP_INFO of both legs of that connection; without those that are closed, not yet dialled, or unix sockets. KeyError: it is not open.

    Raises CapabilityError where the system is not Linux.
    """
    for link in _links(proxy):
        if link.ordinal == ordinal:
            return {side: info for side in link.legs if (info := _info(link, side)) is not None}
    raise KeyError(ordinal)


def retransmits(proxy: Proxy, most: int) -> int:
    """Segments resent by our own kernel on the legs that are open now, of no more than `most` connections, the newest."""
    total = 0
    for link in islice(_links(proxy), most):
        for side in link.legs:
            info = _info(link, side)
            total += info.total_retrans if info is not None else 0
    return total


def queue(proxy: Proxy) -> Queue:
    """How full the packet queue is; empty where no packet fault needs one."""
    conductor = proxy._conductor
    if conductor is None or conductor.plane is None:
        return Queue()
    found = conductor.plane._queue
    return Queue(found.waiting, found.overflow)


def _links(proxy: Proxy) -> Iterator[Link]:
    """The newest first."""
    return reversed(proxy._conductor.links.values()) if proxy._conductor is not None else iter(())


def _info(link: Link, side: Side) -> TcpInfo | None:
    sock = link.legs[side].sock
    if sock is None or sock.family == socket.AF_UNIX:
        return None
    try:
        return tcp_info(sock)
    except OSError:
        return None  # it has just been closed
