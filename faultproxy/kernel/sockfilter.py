"""Segments dropped by the kernel itself before a socket of ours sees them: classic BPF on a TCP socket (socket(7), SO_ATTACH_FILTER).

A filter judges what its socket *receives*, costs nothing to speak of, and has no memory: each segment is judged by its own header. What
is dropped was never there for our kernel, so it acknowledges nothing and the peer sends it again. The program sees a segment from its TCP
header on. What it returns is how many bytes of it are kept: none drops it, a number that reaches to the end of the header cuts the
payload off. Then the acknowledgement in the header is still taken, while the data is not, and is not acknowledged.

The kernel hands on several segments of a bulk transfer as one where the device allows it (on the loopback always); such a bundle is
judged as a whole, its payload being the sum.

Accepted sockets inherit the filter of their listener, and the last ACK of a handshake is judged by the listener's. A connection in
TIME_WAIT has no filter any more.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

from faultproxy.core.shape import FIN, SYN, Shape
from faultproxy.errors import CapabilityError

# Numbers of asm-generic/socket.h, linux/filter.h and linux/bpf_common.h. A few machines (alpha, mips, parisc, sparc) have others.
_SO_ATTACH_FILTER, _SO_DETACH_FILTER, _SO_MEMINFO = 26, 27, 55
_SK_MEMINFO_DROPS = 8

LOAD_BYTE, LOAD_LENGTH, LOAD_SCRATCH, STORE_SCRATCH, TO_INDEX = 0x30, 0x80, 0x60, 0x02, 0x07
AND, SHIFT_RIGHT, SHIFT_LEFT, SUBTRACT_INDEX = 0x54, 0x74, 0x64, 0x1C
IF_EQUAL, IF_GREATER, IF_AT_LEAST, IF_ANY_BIT = 0x15, 0x25, 0x35, 0x45
RETURN, RETURN_ACCUMULATOR = 0x06, 0x16
"""The instructions in use; each works on an accumulator, an index register and scratch memory."""

_OFFSET_BYTE, _FLAGS_BYTE = 12, 13
_HEADER, _PAYLOAD = 0, 1  # places in scratch memory
_ALL = 0xFFFF_FFFF
_AWAY = -1  # as a jump: past the verdict on this shape, wherever that ends


class Instruction(NamedTuple):
    """One instruction of classic BPF (``struct sock_filter``): `yes` and `no` are how many to skip after a comparison."""

    code: int
    yes: int = 0
    no: int = 0
    k: int = 0


Program = list[Instruction]


def assemble(shapes: Sequence[Shape], *, trim: bool = False) -> Program:
    """A program that drops each segment that fits any of the shapes, and lets all others pass.

    With `trim` it cuts the payload off instead. A segment without payload then passes as it is. One that carries a FIN or a SYN behind
    or before its payload is dropped: cut short, its sequence numbers would be wrong, and the stream would end too early.
    """
    program = _measure() if trim or any(shape.least or shape.most is not None for shape in shapes) else []
    verdict = _trim() if trim else [Instruction(RETURN, k=0)]
    for shape in shapes:
        tests = _tests(shape)
        program += [*_resolved(tests, len(verdict)), *verdict]
    return [*program, Instruction(RETURN, k=_ALL)]


def attach(sock: socket.socket, program: Sequence[Instruction]) -> None:
    """Sets the filter of a TCP socket, in place of the one that it has. On a listener it meets SYNs, and whatever it accepts inherits it.

    Raises CapabilityError where the kernel refuses it to this user, and OSError for a program that is none.
    """
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    kept = ctypes.create_string_buffer(code, len(code))  # the kernel copies it within the call
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(kept)))
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES):
            raise CapabilityError(
                "dropping segments by a filter on a socket (SO_ATTACH_FILTER) needs CAP_NET_ADMIN on this kernel: "
                "run as root, or in a network namespace of your own"
            ) from error
        if error.errno in (errno.ENOPROTOOPT, errno.EOPNOTSUPP):
            raise CapabilityError("this system has no filters on sockets (SO_ATTACH_FILTER); they need Linux") from error
        raise


def detach(sock: socket.socket) -> None:
    """Takes the filter off, if there is one: what the peer sends from now on is received. Others that inherited it keep theirs."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def permitted() -> bool:
    """Whether this process may set filters here; tried, on a socket of its own."""
    with socket.socket() as sock:
        try:
            attach(sock, [Instruction(RETURN, k=_ALL)])
        except (CapabilityError, OSError):
            return False
    return True


def drops(sock: socket.socket) -> int:
    """How many segments this socket has dropped since it was made (an accepted one: since it was accepted).

    A filter's are among them, each as often as it came, and so is what TCP itself throws away: duplicates of received data, segments out
    of the window. What was only trimmed is not counted. Raises CapabilityError before Linux 4.12.
    """
    try:
        memory = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 64)
    except OSError as error:
        if error.errno == errno.ENOPROTOOPT:
            raise CapabilityError("this kernel does not count what a socket drops (SO_MEMINFO); that needs Linux 4.12") from error
        raise
    counted: int = struct.unpack_from("=I", memory, 4 * _SK_MEMINFO_DROPS)[0]
    return counted


def _measure() -> Program:
    # The lengths of header and payload, into scratch memory. The header counts itself in words of four bytes, in the high half of a byte.
    return [
        Instruction(LOAD_BYTE, k=_OFFSET_BYTE),
        Instruction(SHIFT_RIGHT, k=4),
        Instruction(SHIFT_LEFT, k=2),
        Instruction(STORE_SCRATCH, k=_HEADER),
        Instruction(TO_INDEX),
        Instruction(LOAD_LENGTH),
        Instruction(SUBTRACT_INDEX),
        Instruction(STORE_SCRATCH, k=_PAYLOAD),
    ]


def _trim() -> Program:
    return [
        Instruction(LOAD_SCRATCH, k=_PAYLOAD),
        Instruction(IF_EQUAL, yes=3, k=0),
        Instruction(LOAD_BYTE, k=_FLAGS_BYTE),
        Instruction(IF_ANY_BIT, no=1, k=SYN | FIN),
        Instruction(RETURN, k=0),
        Instruction(LOAD_SCRATCH, k=_HEADER),
        Instruction(RETURN_ACCUMULATOR),
    ]


def _tests(shape: Shape) -> Program:
    # Each comparison's `yes` or `no` that leads away from this shape is _AWAY for now.
    tests: Program = []
    if shape.set | shape.clear:
        tests += [
            Instruction(LOAD_BYTE, k=_FLAGS_BYTE),
            Instruction(AND, k=shape.set | shape.clear),
            Instruction(IF_EQUAL, no=_AWAY, k=shape.set),
        ]
    if shape.least or shape.most is not None:
        tests.append(Instruction(LOAD_SCRATCH, k=_PAYLOAD))
    if shape.least:
        tests.append(Instruction(IF_AT_LEAST, no=_AWAY, k=shape.least))
    if shape.most is not None:
        tests.append(Instruction(IF_GREATER, yes=_AWAY, k=shape.most))
    return tests


def _resolved(tests: Program, verdict: int) -> Program:
    # A comparison that fails skips the rest of the tests and the verdict.
    resolved: Program = []
    for place, test in enumerate(tests):
        out = len(tests) - 1 - place + verdict
        resolved.append(test._replace(yes=out if test.yes == _AWAY else test.yes, no=out if test.no == _AWAY else test.no))
    return resolved
