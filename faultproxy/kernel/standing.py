"""How one of our own connections stands that is open: the numbers that whoever has seen its segments from the start would know.

TCP_INFO counts bytes and tells no sequence number. A socket in repair mode, made for moving connections to another machine, does tell
them, and may be put in and out of it while it is open; CAP_NET_ADMIN is needed, as for packet rules. In repair mode our kernel sends no
data for the first time, so what an acknowledgement that comes in just these microseconds would set free is taken for sent, and is sent
again a time-out later: no byte is lost.

Sources: net/ipv4/tcp.c (do_tcp_setsockopt, do_tcp_getsockopt), linux/tcp.h, linux/sockios.h; https://criu.org/TCP_connection.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
from typing import NamedTuple

from faultproxy.kernel import tcpinfo

_REPAIR, _REPAIR_QUEUE, _QUEUE_SEQ, _TIMESTAMP = 19, 20, 21, 24  # linux/tcp.h
_ON, _OFF, _OFF_WITHOUT_PROBE = 1, 0, -1
_RECEIVE, _SEND = 1, 2
_SIOCOUTQ = 0x5411
_TRIES = 8
_MODULO = 2**32
_KNOWN = {"ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT", "LAST_ACK", "CLOSING"}
_FIN_SENT = {"FIN_WAIT_1", "FIN_WAIT_2", "LAST_ACK", "CLOSING"}


class Standing(NamedTuple):
    """Sequence numbers are modulo 2**32; windows as in a header, without their scale; scales in bits, -1 where none were agreed on."""

    begun: int
    """The number of our SYN."""
    next: int
    """What we send next, for the first time."""
    unacked: int
    """The first of ours that is not acknowledged."""
    begun_back: int
    """The number of the peer's SYN."""
    next_back: int
    """What we expect next."""
    window: int
    window_back: int
    scale: int
    scale_back: int
    clock: int | None
    """The timestamp that we would send now; None: the two have not agreed on timestamps."""


def standing(sock: socket.socket) -> Standing | None:
    """How the connection of that TCP socket stands; None where this kernel does not tell it, or the connection is not open."""
    if sys.platform != "linux":
        return None
    try:
        reuse = sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        try:
            return _standing(sock)
        finally:
            # To leave repair mode clears what the listener had given it, and so would keep the port from being bound again.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
    except OSError:
        return None  # closed, or not permitted


def _standing(sock: socket.socket) -> Standing | None:
    info = tcpinfo.tcp_info(sock)
    for _ in range(_TRIES):
        if info.state not in _KNOWN:
            return None
        numbers, again = _numbers(sock), tcpinfo.tcp_info(sock)
        # What was read in between must belong together: neither has anything come, nor was anything sent.
        if (again.bytes_received, again.bytes_sent, again.notsent_bytes) == (info.bytes_received, info.bytes_sent, info.notsent_bytes):
            return _read(sock, again, *numbers)
        info = again
    return None


def _numbers(sock: socket.socket) -> tuple[int, int, int]:
    """What was written last and what is expected next, as numbers; and how much of what was written is not acknowledged."""
    sock.setsockopt(socket.IPPROTO_TCP, _REPAIR, _ON)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, _REPAIR_QUEUE, _RECEIVE)
        expected = sock.getsockopt(socket.IPPROTO_TCP, _QUEUE_SEQ)
        sock.setsockopt(socket.IPPROTO_TCP, _REPAIR_QUEUE, _SEND)
        written = sock.getsockopt(socket.IPPROTO_TCP, _QUEUE_SEQ)
    finally:
        _leave_repair(sock)
    (unacked,) = struct.unpack("i", fcntl.ioctl(sock, _SIOCOUTQ, bytes(4)))
    return written, expected, unacked


def _leave_repair(sock: socket.socket) -> None:
    # Whatever happens: a socket that stayed in repair mode would never send again, not even a FIN.
    try:
        sock.setsockopt(socket.IPPROTO_TCP, _REPAIR, _OFF_WITHOUT_PROBE)
    except OSError:  # a kernel that knows no way without a probe; the peer answers that with an ACK
        sock.setsockopt(socket.IPPROTO_TCP, _REPAIR, _OFF)


def _read(sock: socket.socket, info: tcpinfo.TcpInfo, written: int, expected: int, unacked: int) -> Standing:
    following = (written - info.notsent_bytes) % _MODULO
    fin = info.state in _FIN_SENT and not info.notsent_bytes
    scaled = bool(info.options & tcpinfo.WSCALE)
    scale, scale_back = (info.rcv_wscale, info.snd_wscale) if scaled else (-1, -1)
    clock = sock.getsockopt(socket.IPPROTO_TCP, _TIMESTAMP) % _MODULO if info.options & tcpinfo.TIMESTAMPS else None
    return Standing(
        begun=(following - fin - (info.bytes_sent - info.bytes_retrans) - 1) % _MODULO,
        next=following,
        unacked=(written - unacked) % _MODULO,
        begun_back=(expected - info.bytes_received - 1) % _MODULO,
        next_back=expected % _MODULO,
        window=min(0xFFFF, info.rcv_wnd >> max(0, scale)),
        window_back=min(0xFFFF, max(0, info.snd_wnd) >> max(0, scale_back)),
        scale=scale,
        scale_back=scale_back,
        clock=clock,
    )
