"""The kernel's own word on every TCP socket of this network namespace, from ``/proc/net/tcp`` and ``/proc/net/tcp6``.

A row, as proc(5) and the kernel's Documentation/networking/proc_net_tcp.rst describe it::

    sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …
    0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 637 …

Addresses are 32-bit words in the machine's byte order; ports and all other fields in hexadecimal are plain numbers. Times are in
clock ticks, of which `sysconf(_SC_CLK_TCK)` make a second.

The table is read in pieces while connections come and go, so it is no snapshot: a socket that changes hands between two pieces can be
missed or seen twice. Ask for a named state and poll until a deadline; never conclude from one reading that a socket is gone.
"""

from __future__ import annotations

import os
import socket
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from faultproxy.errors import CapabilityError

State = Literal[
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT_1",
    "FIN_WAIT_2",
    "TIME_WAIT",
    "CLOSED",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
]
"""The states of RFC 9293 in the kernel's spelling of its numbers; its SYN-RECEIVED is `SYN_RECV` here, as in every Linux tool."""

Timer = Literal["none", "retransmit", "keepalive", "time_wait", "window_probe"]

Address = tuple[str, int]
"""An IP address in its usual spelling, and a port. An IPv4-mapped IPv6 address is told as the IPv4 address that it is."""

# Numbers of include/net/tcp_states.h. 12 (NEW_SYN_RECV) is a request that has no full socket yet: the same state to the peer.
STATES: dict[int, State] = {
    1: "ESTABLISHED",
    2: "SYN_SENT",
    3: "SYN_RECV",
    4: "FIN_WAIT_1",
    5: "FIN_WAIT_2",
    6: "TIME_WAIT",
    7: "CLOSED",
    8: "CLOSE_WAIT",
    9: "LAST_ACK",
    10: "LISTEN",
    11: "CLOSING",
    12: "SYN_RECV",
}
TIMERS: dict[int, Timer] = {0: "none", 1: "retransmit", 2: "keepalive", 3: "time_wait", 4: "window_probe"}

_V4_MAPPED = b"\0" * 10 + b"\xff\xff"


@dataclass(frozen=True, slots=True)
class Socket:
    """One TCP socket. Sizes are bytes, times seconds."""

    state: State
    local: Address
    remote: Address
    send_queue: int
    """Bytes written and not yet acknowledged, sent or not. Always 0 for LISTEN."""
    recv_queue: int
    """Bytes received and not yet read; for LISTEN the connections that nobody has accepted yet."""
    timer: Timer
    timer_seconds: float
    """How long until `timer` expires: never negative, 0.0 without one."""
    retransmits: int
    """Time-outs in a row without an answer; 0 again once the peer acknowledges."""
    probes: int
    """Window or keep-alive probes in a row without an answer."""
    uid: int
    inode: int
    """As in ``/proc/PID/fd``; 0 for SYN_RECV, TIME_WAIT and whatever no process holds any more."""


def sockets(pid: int | None = None) -> list[Socket]:
    """Every TCP socket, IPv4 first, of our network namespace or of that which the process `pid` lives in.

    Raises CapabilityError where the kernel offers no such tables, or no such process.
    """
    ticks = os.sysconf("SC_CLK_TCK")
    return [found for text in _tables(pid) for found in parse(text, ticks)]


def find(
    *, local_port: int | None = None, remote_port: int | None = None, state: State | None = None, pid: int | None = None
) -> list[Socket]:
    """The sockets with these ports and in this state; what is None is not asked for. Raises as `sockets` does.

    Both ends of a loopback connection are in the table: the client's has the server's port as `remote_port`. For one connection give
    both ports: the kernel lends a client's port again to other destinations, and one in TIME_WAIT still counts.
    """
    ticks = os.sysconf("SC_CLK_TCK")
    ports = [port for port in (local_port, remote_port) if port is not None]
    return [
        found
        for text in _tables(pid)
        for found in parse(_naming(text, ports), ticks)
        if (local_port is None or found.local[1] == local_port)
        and (remote_port is None or found.remote[1] == remote_port)
        and (state is None or found.state == state)
    ]


def states(found: Iterable[Socket]) -> Counter[State]:
    """How many sockets are in each state: ``states(find(local_port=8000))["CLOSE_WAIT"]`` is 0 where there is none."""
    return Counter(each.state for each in found)


def parse(text: str, ticks: int = 100) -> Iterator[Socket]:
    """The sockets in the text of a table, heading included. `ticks` is the number of clock ticks in a second.

    A row that was cut short is passed over; an unknown state or timer raises ValueError, for then the meaning of the table has changed.
    """
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) >= 10:
            yield _row(fields, ticks)


def _naming(text: str, ports: list[int]) -> str:
    # To read a row takes much longer than to search it, and a busy machine has many thousands.
    wanted = [f":{port:04X} " for port in ports]
    heading, *rows = text.splitlines() or [""]
    return "\n".join([heading, *(row for row in rows if all(each in row for each in wanted))])


def _row(fields: list[str], ticks: int) -> Socket:
    number, timer_number = int(fields[3], 16), int(fields[5][:2], 16)
    if number not in STATES or timer_number not in TIMERS:
        raise ValueError(f"a row with state {number} and timer {timer_number}, which this reader does not know: {' '.join(fields)}")
    send_queue, recv_queue = fields[4].split(":")
    timer = TIMERS[timer_number]
    return Socket(
        state=STATES[number],
        local=_address(fields[1]),
        remote=_address(fields[2]),
        send_queue=int(send_queue, 16),
        recv_queue=int(recv_queue, 16),
        timer=timer,
        timer_seconds=0.0 if timer == "none" else int(fields[5][3:], 16) / ticks,
        retransmits=int(fields[6], 16),
        uid=int(fields[7]),
        probes=int(fields[8]),
        inode=int(fields[9]),
    )


def _address(field: str) -> Address:
    text, port = field.rsplit(":", 1)
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    if len(words) == 4:
        packed = packed.removeprefix(_V4_MAPPED)
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, packed), int(port, 16)


def _tables(pid: int | None) -> Iterator[str]:
    # A thread may have entered another namespace than its process, so ours is the thread's.
    folder = Path("/proc/thread-self/net" if pid is None else f"/proc/{pid}/net")
    try:
        yield (folder / "tcp").read_text(encoding="ascii")
    except OSError as error:
        raise CapabilityError(_unreadable(folder / "tcp", pid, error)) from error
    try:
        yield (folder / "tcp6").read_text(encoding="ascii")
    except FileNotFoundError:
        return  # the kernel was built or started without IPv6: then there are no such sockets
    except OSError as error:
        raise CapabilityError(_unreadable(folder / "tcp6", pid, error)) from error


def _unreadable(table: Path, pid: int | None, error: OSError) -> str:
    if pid is not None and Path("/proc/self").exists():
        return f"cannot read the sockets of process {pid} from {table} ({error.strerror}): it must be running, and be yours or you root"
    return (
        f"cannot read the kernel's socket table {table} ({error.strerror}): "
        "TCP states of peers are known on Linux with /proc mounted only; run there, or leave out what asks for them"
    )
