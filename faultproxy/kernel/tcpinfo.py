"""What the kernel knows of one TCP connection: `struct tcp_info` of its include/uapi/linux/tcp.h, as of Linux 6.18.

The struct has only ever grown at its end, so that the answer of an older kernel is a shorter one: what it does not have reads 0.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import NamedTuple

from faultproxy.errors import CapabilityError
from faultproxy.kernel.procnet import STATES, State

_LAYOUT = struct.Struct("=8B24I4Q6I4Q2I2Q6I2HI")
_TO_SND_WND = 232  # bytes up to the end of tcpi_snd_wnd
_TCP_INFO = 11  # linux/tcp.h; the socket module has it on Linux only

TIMESTAMPS, SACK, WSCALE, ECN, ECN_SEEN, SYN_DATA = 1, 2, 4, 8, 16, 32
"""The bits of `TcpInfo.options`: what both ends have agreed on; ECN_SEEN and SYN_DATA (TCP Fast Open) have happened."""


class TcpInfo(NamedTuple):
    """The fields of ``struct tcp_info`` under the kernel's names without ``tcpi_``.

    Units are the kernel's own: microseconds (us) or milliseconds (ms) as noted, else bytes or counts. Counts of segments and bytes are
    since the connection opened. A named tuple and no dataclass, because ten thousand of them are made in a twentieth of the time.
    """

    state: State
    ca_state: int
    """Congestion avoidance: 0 open, 1 disorder, 2 CWR, 3 recovery (a fast retransmit), 4 loss (a time-out)."""
    retransmits: int
    """Time-outs in a row without an answer. A tail loss probe is none: `total_retrans` rises first."""
    probes: int
    """Window probes not answered. A peer that announces zero again has answered: it may well read 0 all through a zero window."""
    backoff: int
    """How often the time-out, or the probe's interval, has been doubled."""
    options: int
    """What was agreed on: TIMESTAMPS, SACK, WSCALE, … of this module, or'ed."""
    snd_wscale: int
    rcv_wscale: int
    delivery_rate_app_limited: int
    fastopen_client_fail: int
    rto: int
    """us: the retransmission time-out as it stands, back-off included."""
    ato: int
    """us: the delayed ACK's time-out."""
    snd_mss: int
    rcv_mss: int
    unacked: int
    """Segments sent and not acknowledged; for LISTEN the connections that nobody has accepted yet."""
    sacked: int
    """Segments that the peer has reported by SACK; for LISTEN the longest queue allowed."""
    lost: int
    retrans: int
    """Segments resent and not acknowledged."""
    fackets: int
    last_data_sent: int
    """ms ago, as are the next three."""
    last_ack_sent: int
    """Always 0."""
    last_data_recv: int
    last_ack_recv: int
    pmtu: int
    rcv_ssthresh: int
    rtt: int
    """us, smoothed: an eighth of each new sample counts."""
    rttvar: int
    """us"""
    snd_ssthresh: int
    """Segments; 0x7fffffff until the first loss."""
    snd_cwnd: int
    """Segments."""
    advmss: int
    reordering: int
    rcv_rtt: int
    """us"""
    rcv_space: int
    total_retrans: int
    """Segments resent, SYN and FIN included."""
    pacing_rate: int
    """Bytes a second; 2**64 - 1 is no limit."""
    max_pacing_rate: int
    bytes_acked: int
    bytes_received: int
    segs_out: int
    segs_in: int
    notsent_bytes: int
    """Written by the program and not yet sent once."""
    min_rtt: int
    """us"""
    data_segs_in: int
    data_segs_out: int
    delivery_rate: int
    """Bytes a second."""
    busy_time: int
    """us with something to send or to be acknowledged, as are the next two a part of it."""
    rwnd_limited: int
    """us held up by the peer's window."""
    sndbuf_limited: int
    """us held up by the send buffer."""
    delivered: int
    delivered_ce: int
    bytes_sent: int
    """Resent ones included."""
    bytes_retrans: int
    dsack_dups: int
    """Duplicates of ours that the peer has reported: each was sent in vain."""
    reord_seen: int
    rcv_ooopack: int
    """Segments received out of order."""
    snd_wnd: int
    """The peer's window, scaled; -1 where the kernel does not tell it (before Linux 5.4), because 0 says something here."""
    rcv_wnd: int
    """Our window as announced, scaled (Linux 6.2)."""
    rehash: int
    total_rto: int
    """Time-outs, of SYN and SYN-ACK too (Linux 6.7, as the next two)."""
    total_rto_recoveries: int
    total_rto_time: int
    """ms"""


def parse(data: bytes) -> TcpInfo:
    """The struct in `data`, of any kernel: cut short where it is older, with unknown fields at the end where it is newer.

    A state that is unknown raises ValueError: then their meaning has changed.
    """
    values = _LAYOUT.unpack_from(data.ljust(_LAYOUT.size, b"\0"))
    if values[0] not in STATES:
        raise ValueError(f"TCP_INFO with state {values[0]}, which this reader does not know")
    scales, bits = values[6:8]
    # Bit-fields are filled from the low end on little-endian machines and from the high end on the others.
    if sys.byteorder == "little":
        fields = (scales & 15, scales >> 4, bits & 1, bits >> 1 & 3)
    else:
        fields = (scales >> 4, scales & 15, bits >> 7, bits >> 5 & 3)
    info = TcpInfo._make((STATES[values[0]], *values[1:6], *fields, *values[8:]))
    return info if len(data) >= _TO_SND_WND else info._replace(snd_wnd=-1)


def tcp_info(sock: socket.socket) -> TcpInfo:
    """TCP_INFO of a socket of our own, tcp(7); it works in any state, CLOSED included.

    Raises OSError for a socket that is closed or no TCP socket, CapabilityError where the system is not Linux.
    """
    if not sys.platform.startswith("linux"):
        raise CapabilityError("what the kernel knows of a connection (TCP_INFO) can be read on Linux only: run there, or do not ask for it")
    return parse(sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 512))
