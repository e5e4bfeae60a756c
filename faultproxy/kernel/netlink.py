"""Netlink, as far as the packet plane needs it: messages and attributes as bytes, and a socket that sends requests and reads their answers.

A message is a header (length, kind, flags, sequence number, port) and a body; netfilter's bodies begin with four bytes of their own
(address family, version, and a number in network order), then come attributes: length, kind, value, padded to four bytes. Numbers of the
headers are in the machine's byte order, those within netfilter's attributes in the network's. The kernel handles a request within the
`send` that brings it, so that every answer is there to be read when `send` returns; nothing here ever waits.

Sources: netlink(7), the kernel's Documentation/userspace-api/netlink/intro.rst, include/uapi/linux/{netlink,netfilter/nfnetlink}.h.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Iterator
from typing import NamedTuple

from faultproxy.errors import CapabilityError

NETFILTER = 12
"""The netlink protocol of nf_tables and of packet queues."""

REQUEST, ACK, DUMP = 0x001, 0x004, 0x300
CREATE, APPEND = 0x400, 0x800
"""NLM_F_… flags of a request."""

ERROR, DONE = 2, 3
"""Kinds of answers: NLMSG_ERROR (an acknowledgement if its number is 0) and NLMSG_DONE, the end of a dump."""

_NESTED = 0x8000
_KIND = 0x3FFF  # NLA_TYPE_MASK: without the bits for "nested" and "network byte order"
_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ERRNO = struct.Struct("=i")
_BUFFER = 64 * 1024  # the kernel makes no answer larger than 32 KiB


class Message(NamedTuple):
    """One message: `body` is what follows the 16 bytes of the header."""

    kind: int
    flags: int
    sequence: int
    body: bytes


def attribute(kind: int, value: bytes) -> bytes:
    """An attribute with its padding. `value` is at most 65,531 bytes."""
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def nest(kind: int, *attributes: bytes) -> bytes:
    """An attribute made of attributes."""
    return attribute(kind | _NESTED, b"".join(attributes))


def text(kind: int, value: str) -> bytes:
    """A string attribute, closed by a zero byte as the kernel wants it."""
    return attribute(kind, value.encode("ascii") + b"\0")


def be32(kind: int, value: int) -> bytes:
    """A 32-bit number in network byte order."""
    return attribute(kind, value.to_bytes(4, "big"))


def be16(kind: int, value: int) -> bytes:
    """A 16-bit number in network byte order."""
    return attribute(kind, value.to_bytes(2, "big"))


def message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """A whole message; the kernel fills in our port."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, 0) + body


def netfilter(subsystem: int, kind: int, flags: int, sequence: int, attributes: bytes, *, family: int = 0, number: int = 0) -> bytes:
    """A message to a part of netfilter. `number` is the queue's for packet queues, the subsystem's where a batch begins or ends."""
    return message(subsystem << 8 | kind, flags, sequence, struct.pack(">BBH", family, 0, number) + attributes)


def messages(data: bytes) -> Iterator[Message]:
    """The messages of one datagram; what was cut off at its end is left out."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size or at + length > len(data):
            return
        yield Message(kind, flags, sequence, data[at + _HEADER.size : at + length])
        at += (length + 3) & ~3


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes by kind; of two of a kind the last counts. What was cut off at the end is left out."""
    found = {}
    at = 0
    while at + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < 4 or at + length > len(data):
            break
        found[kind & _KIND] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def connect(protocol: int, asked: str) -> socket.socket:
    """A non-blocking netlink socket. `asked` is what it is for, the start of the sentence that the user reads if it cannot be had.

    Raises CapabilityError on a system without such sockets, or where they are forbidden.
    """
    if sys.platform != "linux":
        raise CapabilityError(f"{asked} is possible on Linux only: run there, or leave out the packet faults")
    try:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
    except OSError as exc:
        raise refusal(exc.errno or 0, asked, "netlink sockets of this kind") from exc
    try:
        sock.bind((0, 0))
        sock.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)  # a refusal need not repeat our request
    except OSError as exc:
        sock.close()
        raise refusal(exc.errno or 0, asked, "netlink sockets of this kind") from exc
    return sock


def answers(sock: socket.socket) -> Iterator[Message]:
    """All that the kernel has answered so far, the further parts of a dump included; no waiting. Raises OSError."""
    while True:
        try:
            data = sock.recv(_BUFFER)
        except BlockingIOError:
            return
        yield from messages(data)


def error_of(answer: Message) -> int:
    """The errno that an ERROR message tells; 0 for an acknowledgement."""
    code: int = _ERRNO.unpack_from(answer.body)[0]
    return -code


def refusal(code: int, asked: str, module: str) -> CapabilityError | OSError:
    """The error to raise for the errno `code` that the kernel gave when it was `asked` something.

    `module` names the part of the kernel that must be there for it. What neither privilege nor another kernel would mend is an OSError.
    """
    match code:
        case errno.EPERM | errno.EACCES:
            return CapabilityError(
                f"{asked} needs CAP_NET_ADMIN in this network namespace: run as root, give that capability, "
                "or use a namespace of its own (`faultproxy sandbox`, or [sandbox] in the scenario)"
            )
        case errno.ENOENT | errno.EPROTONOSUPPORT | errno.EOPNOTSUPP | errno.EAFNOSUPPORT:
            return CapabilityError(f"{asked} needs {module}, which this kernel does not have ({os.strerror(code)}): run on one that has")
    return OSError(code, f"{asked} failed: {os.strerror(code)}")
