"""What an observer may want to know beyond a snapshot: the kernel's word on each leg, how full queues are, what a hand has ordered."""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from faultproxy.core.events import Side
from faultproxy.kernel.tcpinfo import TcpInfo, tcp_info
from faultproxy.net.link import Link
from faultproxy.net.proxy import Proxy

_SIOCINQ, _SIOCOUTQ = 0x541B, 0x5411  # linux/sockios.h; on Linux they are FIONREAD and TIOCOUTQ


@dataclass(frozen=True, slots=True)
class Queues:
    """Bytes that wait in the kernel, at one of our own sockets: received and not read yet; sent or to be sent, and not acknowledged."""

    receive: int
    send: int


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


def queues(proxy: Proxy, ordinal: int) -> Mapping[Side, Queues]:
    """What waits at both legs of that connection; without those for which `legs` has nothing, and empty where the system is not Linux."""
    if not sys.platform.startswith("linux"):
        return {}
    return {side: found for side, sock in proxy.legs(ordinal).items() if (found := _queues(sock)) is not None}


def by_hand(proxy: Proxy, fault: str) -> tuple[bool, float | None]:
    """Whether a hand has healed that fault, so that it rests; and since when, in trio's time, a hand has it started, if one has."""
    entry = proxy.run._entries[fault]
    return entry.resting, entry.ordered[0] if entry.ordered is not None else None


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
    found = proxy.queue
    return Queue(found.waiting, found.overflow) if found is not None else Queue()


def _links(proxy: Proxy) -> Iterator[Link]:
    """The newest first."""
    return reversed(proxy.links)


def _queues(sock: socket.socket) -> Queues | None:
    if sock.family == socket.AF_UNIX:
        return None
    try:
        received, sent = (struct.unpack("i", fcntl.ioctl(sock, which, bytes(4)))[0] for which in (_SIOCINQ, _SIOCOUTQ))
    except OSError:
        return None  # it has just been closed
    return Queues(received, sent)


def _info(link: Link, side: Side) -> TcpInfo | None:
    sock = link.legs[side].sock
    if sock is None or sock.family == socket.AF_UNIX:
        return None
    try:
        return tcp_info(sock)
    except OSError:
        return None  # it has just been closed
