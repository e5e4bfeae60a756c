"""Every TCP socket of this network namespace with all that the kernel knows of it, asked over netlink: sock_diag(7).

Where `procnet` reads a table of text, this asks for chosen states and ports only, and gets `TcpInfo` besides: retransmissions, round
trips, windows, of *any* process's sockets. No privilege is needed, but for `destroy`.

A dump is taken in pieces while connections come and go, so it is no snapshot: poll for a named state until a deadline.

A connection whose handshake is not complete (SYN_RECV) is only a request to the kernel: no process holds it (inode 0) and there is no
`TcpInfo` yet. The same goes for TIME_WAIT, of which the kernel keeps no more than it must.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from faultproxy.kernel import netlink, tcpinfo
from faultproxy.kernel.procnet import STATES, TIMERS, Address, State, Timer
from faultproxy.kernel.tcpinfo import TcpInfo, tcp_info

__all__ = ["Diag", "Family", "TcpInfo", "destroy", "parse", "sockets", "tcp_info"]

Family = Literal["v4", "v6"]

# Numbers of linux/netlink.h, linux/sock_diag.h and linux/inet_diag.h.
_SOCK_DIAG = 4
_BY_FAMILY, _DESTROY = 20, 21
_INFO, _SKMEMINFO = 2, 7
_WANTED = 1 << (_INFO - 1) | 1 << (_SKMEMINFO - 1)
_ANY = sum(1 << number for number in STATES)
_NO_COOKIE = b"\xff" * 8
_BYTECODE = 1  # INET_DIAG_REQ_BYTECODE
_JUMP, _LOCAL_PORT_IS, _REMOTE_PORT_IS = 1, 11, 12  # INET_DIAG_BC_*; the last two since Linux 4.17

_ASKED = struct.Struct("=BBBxI")  # family, protocol, extensions, states
_SOCKET_ID = struct.Struct("!HH16s16sI8s")  # ports, addresses, interface, cookie
_ROW = struct.Struct("=4B4s16s16s12x5I")
_PORTS = struct.Struct("!HH")
_OPERATION = struct.Struct("=BBH")  # code, bytes to go on where it holds, and where it does not
_MEMORY = struct.Struct("=4xI4xI16xI")  # of SK_MEMINFO_*: the receive buffer, the send buffer, segments dropped

_READING, _MODULE = "reading the kernel's sockets over netlink", "CONFIG_INET_TCP_DIAG"
_ENDING = "ending a connection from outside (SOCK_DESTROY)"

_V4_MAPPED = b"\0" * 10 + b"\xff\xff"
_FAMILIES: dict[Family, socket.AddressFamily] = {"v4": socket.AF_INET, "v6": socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Diag:
    """One TCP socket. Sizes are bytes, times seconds."""

    state: State
    local: Address
    remote: Address
    timer: Timer
    timer_seconds: float
    """How long until `timer` expires; 0.0 without one."""
    retransmits: int
    """What `timer` counts, in a row and without an answer: time-outs, window probes or keep-alive probes. In SYN_RECV the SYN-ACKs sent
    again, also those that a repeated SYN has asked for."""
    recv_queue: int
    """Bytes received and not yet read; for LISTEN the connections that nobody has accepted yet."""
    send_queue: int
    """Bytes written and not yet acknowledged, sent or not; for LISTEN the longest queue allowed."""
    uid: int
    inode: int
    """As in ``/proc/PID/fd``; 0 for SYN_RECV, TIME_WAIT and whatever no process holds any more."""
    rcvbuf: int
    sndbuf: int
    drops: int
    """Segments that this socket has thrown away: those that a filter drops, and whatever was old, out of window or too much."""
    info: TcpInfo | None
    """None for SYN_RECV and TIME_WAIT."""


def sockets(
    *,
    local_port: int | None = None,
    remote_port: int | None = None,
    either_port: Collection[int] | None = None,
    states: Iterable[State] | None = None,
    families: Sequence[Family] = ("v4", "v6"),
) -> list[Diag]:
    """The sockets with these ports and in one of these states; what is None is not asked for.

    `either_port`: the local or the remote one is among these. The kernel picks them out, and that matters: a busy machine has thousands
    of sockets in TIME_WAIT, and to read each of them takes a tenth of a second.
    `families` are those of the sockets: an IPv6 socket that has an IPv4 peer is found under "v6", and told with IPv4 addresses.
    Raises CapabilityError where the kernel does not offer this.
    """
    head = _SOCKET_ID.pack(local_port or 0, remote_port or 0, b"", b"", 0, _NO_COOKIE)
    mask = _ANY if states is None else _mask(states)
    if either_port is not None and not either_port:
        return []
    picked = b"" if either_port is None else netlink.attribute(_BYTECODE, _either(either_port))
    found: list[Diag] = []
    with netlink.connect(_SOCK_DIAG, _READING) as channel:
        for family in families:
            found += _dump(channel, _ASKED.pack(_FAMILIES[family], socket.IPPROTO_TCP, _WANTED, mask) + head + picked)
    # Kernels compare the ports, but not all of them those of a handshake that is not complete.
    return [
        each
        for each in found
        if (local_port is None or each.local[1] == local_port) and (remote_port is None or each.remote[1] == remote_port)
    ]


def destroy(local: Address, remote: Address) -> bool:
    """Ends that socket, whoever holds it, in any state (SOCK_DESTROY); False if there is none.

    TIME_WAIT and SYN_RECV are just forgotten; of an open connection the program gets ECONNABORTED and the peer a RST. For one that
    listens, `remote` is its family's null address and port 0. Raises CapabilityError where this is refused.
    """
    family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
    source, destination = (socket.inet_pton(family, address) for address, _ in (local, remote))
    asked = _ASKED.pack(family, socket.IPPROTO_TCP, 0, _ANY) + _SOCKET_ID.pack(local[1], remote[1], source, destination, 0, _NO_COOKIE)
    with netlink.connect(_SOCK_DIAG, _ENDING) as channel:
        channel.send(netlink.message(_DESTROY, netlink.REQUEST | netlink.ACK, 1, asked))
        codes = [netlink.error_of(answer) for answer in netlink.answers(channel) if answer.kind == netlink.ERROR]
    code = codes[0] if codes else errno.EPROTO
    if code not in (0, errno.ENOENT):
        raise netlink.refusal(code, _ENDING, "CONFIG_INET_DIAG_DESTROY")
    return code == 0


def parse(body: bytes) -> Diag:
    """The socket in the body of one message of a dump (struct inet_diag_msg, and attributes).

    A state or a timer that is unknown raises ValueError: then their meaning has changed.
    """
    family, state, timer, retransmits, ports, source, destination, expires, received, sent, uid, inode = _ROW.unpack_from(body)
    if state not in STATES or timer not in TIMERS:
        raise ValueError(f"a socket with state {state} and timer {timer}, which this reader does not know")
    more = netlink.attributes(body[_ROW.size :])
    rcvbuf, sndbuf, drops = _MEMORY.unpack_from(more[_SKMEMINFO]) if _SKMEMINFO in more else (0, 0, 0)
    local_port, remote_port = _PORTS.unpack(ports)
    return Diag(
        STATES[state],
        (_address(family, source), local_port),
        (_address(family, destination), remote_port),
        TIMERS[timer],
        expires / 1000 if timer else 0.0,
        retransmits,
        received,
        sent,
        uid,
        inode,
        rcvbuf,
        sndbuf,
        drops,
        tcpinfo.parse(more[_INFO]) if _INFO in more else None,
    )


def _dump(channel: socket.socket, asked: bytes) -> list[Diag]:
    channel.send(netlink.message(_BY_FAMILY, netlink.REQUEST | netlink.DUMP, 1, asked))
    found: list[Diag] = []
    for answer in netlink.answers(channel):
        if answer.kind == _BY_FAMILY:
            found.append(parse(answer.body))
        elif answer.kind in (netlink.ERROR, netlink.DONE) and (code := netlink.error_of(answer)):
            raise netlink.refusal(code, _READING, _MODULE)
    return found


def _either(ports: Collection[int]) -> bytes:
    # The program that the kernel runs over each socket (inet_diag_bc_sk): one comparison after the other. What holds goes on to a jump to
    # the very end, which accepts; what does not goes on behind that jump; and behind the last, four bytes beyond the end: that rejects.
    tests = [(code, port) for port in sorted(ports) for code in (_LOCAL_PORT_IS, _REMOTE_PORT_IS)]
    program = b""
    for code, port in reversed(tests):
        jump = _OPERATION.pack(_JUMP, 4, 4 + len(program)) if program else b""
        program = _OPERATION.pack(code, 8, 12) + _OPERATION.pack(0, 0, port) + jump + program
    return program


def _address(family: int, packed: bytes) -> str:
    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, packed[:4])
    if packed.startswith(_V4_MAPPED):
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return socket.inet_ntop(socket.AF_INET6, packed)


def _mask(states: Iterable[State]) -> int:
    wanted = set(states)
    return sum(1 << number for number, state in STATES.items() if state in wanted)
