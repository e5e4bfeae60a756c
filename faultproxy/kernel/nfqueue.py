"""A packet queue of netfilter (NFQUEUE): packets that a rule sends here wait in the kernel until they are given a verdict.

How it works. A netlink socket is bound to a queue number. Each packet that a rule queues is kept by the kernel, and a copy of its first
bytes (`copy`) comes as a datagram of its own; a verdict names it by its id. Nothing has to be answered in order.

Bounds, and what happens at them. Two things can fill up: the socket's buffer, when we do not read fast enough, and the packets that we have
read and not yet given a verdict, when much is held. The first is counted by the socket itself (SO_MEMINFO), the second by us, in `read`:
what is more than `limit` gets its verdict there and is not reported. Either way the packet passes with `fail_open` and is dropped without,
and `overflow` has counted it. The kernel has a bound of its own as well, but says nowhere how many packets it let pass there; it is set so
high that the other two are always met first. (/proc/net/netfilter/nfnetlink_queue tells some of this, to the real root only.)

With `gso` a packet may be a bundle of up to 64 KiB that later becomes many segments, and a TCP checksum may not be filled in yet
(`checksum_ready`); without, each segment comes on its own and complete, at about ten times the cost for bulk.

Sources: include/uapi/linux/netfilter/nfnetlink_queue.h, net/netfilter/nfnetlink_queue.c, socket(7), netlink(7).
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from dataclasses import dataclass
from typing import Final

from faultproxy.errors import CapabilityError
from faultproxy.kernel import netlink

INPUT: Final = 1
OUTPUT: Final = 3
"""Netfilter's hooks for what this machine receives and sends: NF_INET_LOCAL_IN and NF_INET_LOCAL_OUT."""

NUMBERS = range(0xFA00, 0xFB00)
"""The queue numbers to choose from. Tools that use a queue by default take 0 or small numbers."""

_SUBSYSTEM = 3  # NFNL_SUBSYS_QUEUE
_VERDICT, _CONFIG, _VERDICT_BATCH = 1, 2, 3
_CFG_CMD, _CFG_PARAMS, _CFG_MAXLEN, _CFG_MASK, _CFG_FLAGS = 1, 2, 3, 4, 5
_BIND, _PF_BIND = 1, 3
_COPY_PACKET = 2
_FAIL_OPEN, _GSO = 1, 4
_PACKET = _SUBSYSTEM << 8

_MARK, _INDEV, _PAYLOAD, _CAP_LEN, _SKB_INFO = 3, 5, 10, 13, 14
_CHECKSUM_NOT_READY, _IS_GSO = 1, 2

_SOL_NETLINK, _NO_ENOBUFS = 270, 5
_SO_RCVBUFFORCE: int = getattr(socket, "SO_RCVBUFFORCE", 33)
_SO_MEMINFO, _DROPS = 55, 8  # the ninth word of SO_MEMINFO is SK_MEMINFO_DROPS

LARGEST_COPY = 0xFFFF - 4
"""The most bytes of a packet that the kernel copies (NFQNL_MAX_COPY_RANGE)."""

_RECEIVE_BUFFER = 8 * 2**20  # bytes; the kernel doubles it. Room for some 20,000 packets: 0.1 s of all that this code could handle
_LEAST_DATAGRAM = 512  # bytes that the smallest datagram takes of that buffer; in truth above 700
_UNREAD = 2 * _RECEIVE_BUFFER // _LEAST_DATAGRAM
_DATAGRAM = LARGEST_COPY + 4096  # the packet and what is told about it
_AT_ONCE = 64  # packets in one `read`, so that a flood does not keep the caller from all else
_FLUSH_AT = 64  # verdicts in one system call
_LARGE = 2048  # bytes of a payload that is not kept with others: together they must fit the socket's send buffer of 208 KiB

_KIND = struct.Struct("=H")
_HEAD = struct.Struct(">IxxB")
_ATTRIBUTE = struct.Struct("=HH")
_WORD = struct.Struct(">I")
_NATIVE_WORD = struct.Struct("=I")
_VERDICT_HEADER = struct.Struct(">II")
_MODULE = "packet queues (CONFIG_NETFILTER_NETLINK_QUEUE)"


@dataclass(slots=True)
class Queued:
    """A packet that waits for its verdict. Not frozen: that would triple the cost of making one, and this is the hot path."""

    id: int
    hook: int
    """INPUT or OUTPUT."""
    mark: int
    """The firewall mark of the packet (SO_MARK of the socket that sent it); 0 if it has none."""
    indev: int
    """The index of the device that it came in by; 0 if it did not."""
    data: bytes
    """The IP packet, as far as it was copied."""
    length: int
    """The length of the whole packet in bytes."""
    checksum_ready: bool
    """Whether the TCP checksum is filled in. If not, sending fills it in, and whoever replaces the packet must give it a right one."""
    gso: bool
    """Whether it is a bundle that will leave as several segments."""


class Queue:
    """A queue, bound from the moment that it is made until `close`. Not for use by two threads.

    `number` None takes the first free one of NUMBERS. `copy` is how many bytes of each packet are copied to us, `limit` how many packets
    may wait for a verdict; `gso` and `fail_open` are as the module says. Verdicts may be given in any order, each id once; one for a packet
    that is gone is ignored. **Verdicts are kept until `flush`**, or until there are 64, so that many go in one system call: call `flush`
    before you wait. Packets go on in the order in which they were let go; a run of them with nothing older waiting is one verdict.

    Raises CapabilityError without CAP_NET_ADMIN, on a kernel without packet queues, and where the number is taken.
    """

    def __init__(self, number: int | None = None, *, copy: int = 128, limit: int = 8192, gso: bool = True, fail_open: bool = True) -> None:
        self.received = 0
        self._limit = limit
        self._refused = 0
        self._fail_open = fail_open
        self._pending: dict[int, None] = {}  # ids without a verdict, oldest first
        self._verdicts: list[bytes] = []
        self._up_to: int | None = None
        """All up to this id go on, after `_verdicts`: the end of a run, not said yet."""
        self._sequence = 0
        self._newest = 0
        self._buffer = bytearray(_DATAGRAM)
        self._view = memoryview(self._buffer)
        self._sock = netlink.connect(netlink.NETFILTER, "queueing packets")
        try:
            self._prepare()
            flags = (_GSO if gso else 0) | (_FAIL_OPEN if fail_open else 0)
            longest = netlink.be32(_CFG_MAXLEN, limit + _AT_ONCE + _UNREAD)
            self._bind(number, _params(copy) + longest + _flags(_GSO | _FAIL_OPEN, flags))
        except BaseException:
            self._sock.close()
            raise

    @property
    def overflow(self) -> int:
        """How many packets went past us, or were dropped, because a bound was reached (see the module). Rises at once."""
        if self._sock.fileno() < 0:
            return self._refused
        told = self._sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * (_DROPS + 1))
        dropped: int = _NATIVE_WORD.unpack_from(told, 4 * _DROPS)[0]
        return self._refused + dropped

    @property
    def waiting(self) -> int:
        """How many packets were read and have no verdict yet."""
        return len(self._pending)

    def fileno(self) -> int:
        """The descriptor that is readable while packets are there."""
        return self._sock.fileno()

    def read(self) -> list[Queued]:
        """The packets that are there now, oldest first, at most 64; an empty list if there is none. Never waits.

        Raises OSError where the kernel refuses what `set_copy` or `set_gso` asked, which it does late.
        """
        found: list[Queued] = []
        receive, buffer, view, pending = self._sock.recv_into, self._buffer, self._view, self._pending
        for _ in range(_AT_ONCE):
            try:
                size = receive(buffer)
            except BlockingIOError:
                break
            if _KIND.unpack_from(buffer, 4)[0] != _PACKET:
                self._complain(bytes(view[:size]))
                continue
            packet = _packet(buffer, view, size)
            self.received += 1
            pending[packet.id] = None
            if len(pending) > self._limit:
                self._refused += 1
                (self.accept if self._fail_open else self.drop)(packet.id)
            else:
                found.append(packet)
            self._newest = packet.id
        return found

    def accept(self, id: int) -> None:
        """Lets the packet go on."""
        pending = self._pending
        if id in pending and next(iter(pending)) == id:  # whatever came before it has its verdict
            del pending[id]
            self._up_to = id
        else:
            pending.pop(id, None)
            self._end_run()
            self._say(self._accept + id.to_bytes(4, "big"))

    def drop(self, id: int) -> None:
        """Drops the packet."""
        self._pending.pop(id, None)
        self._say(self._drop + id.to_bytes(4, "big"))

    def accept_up_to(self, id: int) -> None:
        """Lets every packet go on that has an id up to this one and no verdict yet, held ones included."""
        pending = self._pending
        while pending and (id - (oldest := next(iter(pending)))) & 0xFFFF_FFFF < 0x8000_0000:  # ids count modulo 2**32, as in the kernel
            del pending[oldest]
        self._end_run()
        self._say(self._accept_batch + id.to_bytes(4, "big"))

    def replace(self, id: int, data: bytes) -> None:
        """Lets `data` go on in place of the packet: a whole IP packet, with right lengths and checksums."""
        self._pending.pop(id, None)
        self._end_run()
        attributes = netlink.attribute(2, _VERDICT_HEADER.pack(1, id)) + netlink.attribute(_PAYLOAD, data)
        self._say(netlink.netfilter(_SUBSYSTEM, _VERDICT, netlink.REQUEST, 0, attributes, number=self.number))
        if len(data) > _LARGE:
            self.flush()

    def flush(self) -> None:
        """Hands the verdicts given so far to the kernel, which moves the packets within this call."""
        self._end_run()
        if self._verdicts:
            verdicts, self._verdicts = self._verdicts, []
            self._sock.send(b"".join(verdicts))

    def set_copy(self, size: int) -> None:
        """How many bytes of each packet are copied from now on; what is queued already keeps its copy."""
        self._tell(_params(size))

    def set_gso(self, on: bool) -> None:
        """Whether bundles come whole from now on; what is queued already stays as it is."""
        self._tell(_flags(_GSO, _GSO if on else 0))

    def close(self) -> None:
        """Gives the queue back. With `fail_open` all that has no verdict goes on, read or not; without, the kernel drops it.

        Close it before the Table that feeds it, see there.
        """
        if self._sock.fileno() < 0:
            return
        with contextlib.suppress(OSError):
            if self._fail_open:
                self.accept_up_to((self._newest + 0x3FFF_FFFF) & 0xFFFF_FFFF)
            self.flush()
        self._sock.close()

    def _prepare(self) -> None:
        sock = self._sock
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        except PermissionError:  # in a user namespace, even for its root: net.core.rmem_max bounds it then
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        # Without this, one overrun makes the kernel pass over the queue until all is read.
        sock.setsockopt(_SOL_NETLINK, _NO_ENOBUFS, 1)
        # Kernels since 3.8 take this request for nothing and say yes: what it tells is whether we may ask at all.
        self._address(0)
        if code := self._request(_command(_PF_BIND)):
            # Where the subsystem is missing, nfnetlink answers EINVAL.
            raise netlink.refusal(errno.EOPNOTSUPP if code == errno.EINVAL else code, "queueing packets", _MODULE)

    def _bind(self, number: int | None, settings: bytes) -> None:
        for candidate in NUMBERS if number is None else [number]:
            self._address(candidate)
            code = self._request(_command(_BIND) + settings)
            if not code:
                return
            if code not in (errno.EPERM, errno.EBUSY):  # taken: whether we may ask at all was asked before
                raise netlink.refusal(code, f"binding packet queue {candidate}", _MODULE)
        if number is None:
            raise CapabilityError(
                f"all packet queues from {NUMBERS.start} to {NUMBERS.stop - 1} are taken by other programs: end some of them"
            )
        raise CapabilityError(
            f"packet queue {number} is taken by another program: end that program, choose another number, or none to get a free one"
        )

    def _address(self, number: int) -> None:
        self.number = number
        # All of a verdict but the id, which is its last four bytes.
        self._accept, self._drop = self._verdict(_VERDICT, 1), self._verdict(_VERDICT, 0)
        self._accept_batch = self._verdict(_VERDICT_BATCH, 1)

    def _verdict(self, kind: int, verdict: int) -> bytes:
        attributes = netlink.attribute(2, _VERDICT_HEADER.pack(verdict, 0))
        return netlink.netfilter(_SUBSYSTEM, kind, netlink.REQUEST, 0, attributes, number=self.number)[:-4]

    def _end_run(self) -> None:
        # What was dropped in the midst of the run has been said before, and so is not in it any more.
        if self._up_to is not None:
            self._verdicts.append(self._accept_batch + self._up_to.to_bytes(4, "big"))
            self._up_to = None

    def _say(self, verdict: bytes) -> None:
        self._verdicts.append(verdict)
        if len(self._verdicts) >= _FLUSH_AT:
            self.flush()

    def _tell(self, attributes: bytes, flags: int = netlink.REQUEST) -> int:
        self._sequence += 1
        self._sock.send(netlink.netfilter(_SUBSYSTEM, _CONFIG, flags, self._sequence, attributes, number=self.number))
        return self._sequence

    def _request(self, attributes: bytes) -> int:
        """The errno of the answer. A packet that comes meanwhile, because somebody's rule names this queue already, is let go."""
        sequence = self._tell(attributes, netlink.REQUEST | netlink.ACK)
        code = errno.ENOMSG
        for answer in netlink.answers(self._sock):
            if answer.kind == netlink.ERROR and answer.sequence == sequence:
                code = netlink.error_of(answer)
            elif answer.kind == _PACKET:
                self._say(self._accept + answer.body[8:12])
        self.flush()
        return code

    def _complain(self, data: bytes) -> None:
        # A verdict (sequence 0) that came too late, its packet gone with its device or given one before, is no error.
        for answer in netlink.messages(data):
            if answer.kind == netlink.ERROR and answer.sequence and (code := netlink.error_of(answer)):
                raise OSError(code, f"changing packet queue {self.number} failed: {os.strerror(code)}")


def _packet(buffer: bytearray, view: memoryview, size: int) -> Queued:
    # Straight-line on purpose: this runs once a packet. The header is always the first attribute, the payload the last.
    id, hook = _HEAD.unpack_from(buffer, 24)
    mark = indev = info = 0
    length = -1
    data = b""
    at = 32
    unpack, word = _ATTRIBUTE.unpack_from, _WORD.unpack_from
    while at < size:
        taken, kind = unpack(buffer, at)
        if kind == _PAYLOAD:
            data = bytes(view[at + 4 : at + taken])
            break
        if kind == _INDEV:
            indev = word(buffer, at + 4)[0]
        elif kind == _SKB_INFO:
            info = word(buffer, at + 4)[0]
        elif kind == _CAP_LEN:
            length = word(buffer, at + 4)[0]
        elif kind == _MARK:
            mark = word(buffer, at + 4)[0]
        at += (taken + 3) & ~3
    if length < 0:
        length = len(data)
    return Queued(id, hook, mark, indev, data, length, not info & _CHECKSUM_NOT_READY, info & _IS_GSO != 0)


def _command(command: int) -> bytes:
    return netlink.attribute(_CFG_CMD, struct.pack(">BBH", command, 0, socket.AF_UNSPEC))


def _params(copy: int) -> bytes:
    return netlink.attribute(_CFG_PARAMS, struct.pack(">IB", min(copy, LARGEST_COPY), _COPY_PACKET))


def _flags(mask: int, values: int) -> bytes:
    return netlink.be32(_CFG_MASK, mask) + netlink.be32(_CFG_FLAGS, values)
