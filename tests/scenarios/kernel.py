"""What the kernel says beside its table of sockets: TCP_INFO of one's own socket, the counters of the host, the memory that TCP takes.

Sources: tcp(7); `struct tcp_info` in include/uapi/linux/tcp.h, whose offsets never change; proc(5) for netstat, snmp and sockstat.
"""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

import trio


@dataclass(frozen=True, slots=True)
class Info:
    """A part of TCP_INFO. Times are seconds, sizes bytes."""

    window_scale: int
    """What the peer has announced; 0 is none."""
    last_data_received: float
    """How long ago data came."""
    last_ack_received: float
    """How long ago an ACK came, with data or without."""
    segments: int
    """Data segments sent; a bundle that the kernel cuts later counts as its parts."""
    sent: int
    """Bytes of payload sent, resends included."""
    window: int | None
    """What the peer allows to be on the way; None on a kernel older than 5.4, which does not tell."""


def info(sock: trio.socket.SocketType | socket.socket) -> Info:
    """TCP_INFO of a socket of ours."""
    raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    milliseconds = struct.unpack_from("4I", raw, 44)
    return Info(
        window_scale=raw[6] & 15,
        last_data_received=milliseconds[2] / 1000,
        last_ack_received=milliseconds[3] / 1000,
        segments=struct.unpack_from("I", raw, 156)[0],
        sent=struct.unpack_from("Q", raw, 200)[0],
        window=struct.unpack_from("I", raw, 228)[0] if len(raw) >= 232 else None,
    )


def counter(name: str) -> int:
    """A counter of this network namespace, such as ``"TcpExt.ListenOverflows"`` or ``"Tcp.InCsumErrors"``."""
    group, _, key = name.partition(".")
    for file in ("snmp", "netstat"):
        lines = Path("/proc/net", file).read_text(encoding="ascii").splitlines()
        for names, values in zip(lines[::2], lines[1::2], strict=True):
            if names.startswith(f"{group}:"):
                found = dict(zip(names.split(), values.split(), strict=True))
                if key in found:
                    return int(found[key])
    raise KeyError(name)


def tcp_memory() -> int:
    """Bytes that TCP's buffers take on the whole host."""
    line = next(line for line in Path("/proc/net/sockstat").read_text(encoding="ascii").splitlines() if line.startswith("TCP:"))
    words = line.split()
    return int(words[words.index("mem") + 1]) * os.sysconf("SC_PAGE_SIZE")


def resident(pid: int) -> int:
    """The resident memory of a process, in bytes."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024
