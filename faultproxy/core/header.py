"""One IP packet that carries a TCP segment: read, changed, and written again with checksums that are right (or wrong on purpose).

Layouts: RFC 791 (IPv4), RFC 8200 (IPv6 and its extension headers), RFC 9293, 3.1 (TCP), RFC 9293, 3.2 and RFC 7323 (options).
Nothing here trusts the packet: what does not add up is `Malformed`, and never another exception. So is a packet on a source route that
it has not finished: its checksum is over an address that it does not yet carry as its destination (RFC 8200, 8.1; IPv4 stacks do the same).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from faultproxy.core.shape import ACK, FIN, RST, SYN

MSS, WSCALE, SACK_PERMITTED, SACK, TIMESTAMPS = 2, 3, 4, 5, 8
"""Kinds of TCP options."""

_NOP = b"\1"
_TCP = struct.Struct("!HHIIBBHHH")
_SHORT = struct.Struct("!H")
_LONGS = struct.Struct("!II")
_MOST_OPTIONS = 40
_MOST_TOLD = 0xFFFF
"""The longest that a length field can tell; a bundle that is longer (BIG TCP) has 0 there."""
_JUMBO = b"\xc2\4"
"""Type and length of the option that tells the length instead (RFC 2675, 2), right behind the first two bytes of a hop-by-hop header."""
_SOURCE_ROUTES = (131, 137)
"""IPv4 options, loose and strict (RFC 791, 3.1)."""
_TCP_PROTOCOL = 6
_ROUTING = 43
_FRAGMENT = 44
_EXTENSIONS = {0, _ROUTING, 60, 135, 139, 140}
"""IPv6 headers of which the second byte counts what follows the first 8 bytes, in units of 8 bytes."""
_AUTHENTICATION = 51
_MOST_EXTENSIONS = 16


class Malformed(ValueError):
    """No whole TCP header can be read from the packet."""


def before(a: int, b: int) -> bool:
    """Whether sequence number `a` comes before `b` (RFC 9293, 3.4: modulo 2**32)."""
    return (a - b) & 0x80000000 != 0


def checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071) of `data`: the ones' complement of its ones' complement sum."""
    if len(data) % 2:
        data += b"\0"
    total = int.from_bytes(data, "big")
    # 2**16 is 1 modulo 65535, so this is the sum of all words; of the two zeros that ones' complement has, a sum yields the negative one.
    return 0xFFFF - ((total % 0xFFFF) or (0xFFFF if total else 0))


class Packet:
    """A packet with its TCP segment. Change the attributes, say so in `changed`, and `encode` writes it anew.

    `raw` holds as much as was copied of it and `length` bytes were there; `size` is the length of the payload. `ref` names it to whoever
    waits for a verdict (None: nobody does). `outbound`: it is met on its way out of this machine's stack. `marks` is set by `core.track`.
    """

    __slots__ = (
        "_data",
        "ack",
        "changed",
        "data_at",
        "dport",
        "flags",
        "length",
        "marks",
        "options",
        "outbound",
        "raw",
        "ref",
        "reserved",
        "seq",
        "size",
        "sport",
        "tcp_at",
        "urgent",
        "window",
    )
    size: int
    sport: int
    dport: int
    seq: int
    ack: int
    reserved: int
    flags: int
    window: int
    urgent: int
    options: bytes
    """As they stand in the header, padding included."""

    def __init__(self, raw: bytes, *, length: int | None = None, ref: int | None = None, outbound: bool = False) -> None:
        """Reads it. Raises Malformed."""
        self.raw = raw
        self.ref = ref
        self.outbound = outbound
        self.changed = False
        self.marks = 0
        self._data: bytes | None = None
        whole = len(raw) if length is None else length
        try:
            version = raw[0] >> 4
            # A bundle of 64 KiB and more (BIG TCP) tells no length of its own.
            if version == 4:
                at = (raw[0] & 15) * 4
                self.length = (raw[2] << 8 | raw[3]) or whole
                if raw[9] != _TCP_PROTOCOL or (raw[6] & 0x3F) or raw[7] or at < 20:
                    raise Malformed("not TCP, or a fragment of it" if at >= 20 else "the IPv4 header is too short")
                if at > 20:
                    _check_route(raw[20:at])
            elif version == 6:
                told = raw[4] << 8 | raw[5]
                self.length = told + 40 if told else whole
                at = 40 if raw[6] == _TCP_PROTOCOL else _behind_extensions(raw)
            else:
                raise Malformed(f"IP version {version}")
            (self.sport, self.dport, self.seq, self.ack, offset, self.flags, self.window, _, self.urgent) = _TCP.unpack_from(raw, at)
            self.reserved = offset & 15
            self.tcp_at = at
            self.data_at = at + (offset >> 4) * 4
            self.options = raw[at + 20 : self.data_at]
        except (IndexError, struct.error) as exc:
            raise Malformed("it ends within a header") from exc
        self.size = self.length - self.data_at
        if self.data_at < at + 20 or self.size < 0 or self.length > whole or len(raw) < self.data_at:
            raise Malformed("the lengths in its headers do not add up")

    # ------------------------------------------------------------ questions

    @property
    def whole(self) -> bool:
        """Whether all of it was copied, so that it can be written again."""
        return len(self.raw) >= self.length

    @property
    def source(self) -> str:
        """The source address, in its usual spelling."""
        raw = self.raw
        return str(IPv4Address(raw[12:16]) if raw[0] >> 4 == 4 else IPv6Address(raw[8:24]))

    @property
    def destination(self) -> str:
        """The destination address, in its usual spelling."""
        raw = self.raw
        return str(IPv4Address(raw[16:20]) if raw[0] >> 4 == 4 else IPv6Address(raw[24:40]))

    @property
    def payload(self) -> bytes:
        """The payload, as far as it was copied."""
        return self.raw[self.data_at : self.length] if self._data is None else self._data

    @payload.setter
    def payload(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    @property
    def end(self) -> int:
        """The sequence number behind its last byte; a SYN and a FIN take one each (RFC 9293, 3.4)."""
        return (self.seq + self.size + (self.flags & FIN) + (self.flags >> 1 & 1)) & 0xFFFFFFFF

    @property
    def pure_ack(self) -> bool:
        """Whether it acknowledges and carries nothing else."""
        return not self.size and self.flags & (SYN | FIN | RST | ACK) == ACK

    def option(self, kind: int) -> bytes | None:
        """The value of an option; None: it is not there."""
        return next((self.options[at + 2 : end] for found, at, end in self._walk() if found == kind), None)

    @property
    def timestamps(self) -> tuple[int, int] | None:
        """TSval and TSecr (RFC 7323, 3); None: the segment has none."""
        value = self.option(TIMESTAMPS)
        return _LONGS.unpack(value) if value is not None and len(value) == 8 else None

    # -------------------------------------------------------------- changes

    def strip(self, *kinds: int) -> bool:
        """Overwrites options of these kinds with NOPs (RFC 9293, 3.2). False: none of them was there."""
        options = bytearray(self.options)
        found = False
        for kind, at, end in self._walk():
            if kind in kinds:
                options[at:end] = _NOP * (end - at)
                found = True
        self.options = bytes(options)
        self.changed |= found
        return found

    def set_option(self, kind: int, value: bytes) -> bool:
        """Gives an option that is there a new value of the same length. False: it is not there, or has another length."""
        for found, at, end in self._walk():
            if found == kind and end - at - 2 == len(value):
                self.options = self.options[: at + 2] + value + self.options[end:]
                self.changed = True
                return True
        return False

    def set_timestamps(self, value: int, echo: int) -> bool:
        """Sets TSval and TSecr, modulo 2**32. False: the segment has none."""
        return self.set_option(TIMESTAMPS, _LONGS.pack(value & 0xFFFFFFFF, echo & 0xFFFFFFFF))

    def copy(self) -> Packet:
        """Another of the same, for which nobody waits."""
        twin = Packet.__new__(Packet)
        for name in Packet.__slots__:
            setattr(twin, name, getattr(self, name))
        twin.ref = None
        return twin

    def encode(self, *, broken: bool = False) -> bytes:
        """The packet as it is now, lengths and checksums put right; `broken`: with a TCP checksum that is wrong (RFC 9293, 3.1).

        ValueError for a packet that was not copied whole, or was given more options than fit.
        """
        if not self.whole:
            raise ValueError(f"{len(self.raw)} of {self.length} bytes were copied: it cannot be written again")
        options, data = self.options, self.payload
        if len(options) % 4 or len(options) > _MOST_OPTIONS:
            options = _padded(options)
        head = 20 + len(options)
        size = head + len(data)
        fields = (self.sport, self.dport, self.seq, self.ack, head << 2 | self.reserved, self.flags, self.window)
        segment = _TCP.pack(*fields, 0, self.urgent) + options + data
        raw, at = self.raw, self.tcp_at
        total = at + size
        if raw[0] >> 4 == 4:
            told = _SHORT.pack(total if total <= _MOST_TOLD else 0)
            ip = b"".join((raw[:2], told, raw[4:10], b"\0\0", raw[12:at]))
            ip = ip[:10] + _SHORT.pack(checksum(ip)) + ip[12:]
            ends = raw[12:20]
        else:
            ip = raw[:4] + _SHORT.pack(total - 40 if total - 40 <= _MOST_TOLD else 0) + raw[6:at]
            if raw[6] == 0 and raw[42:44] == _JUMBO:
                ip = _with_jumbo(ip, total - 40)
            ends = raw[8:40]
        right = checksum(b"".join((ends, _LONGS.pack(size, _TCP_PROTOCOL), segment)))
        return b"".join((ip, segment[:16], _SHORT.pack(right ^ 0x5555 if broken else right), segment[18:]))

    def _walk(self) -> Iterator[tuple[int, int, int]]:
        # (kind, where it begins, where it ends) of each option; a length that cannot be ends the walk, as in the kernel.
        options = self.options
        at = 0
        while at < len(options):
            kind = options[at]
            if kind == 0:
                return
            if kind == 1:
                at += 1
                continue
            if at + 1 >= len(options) or options[at + 1] < 2 or at + options[at + 1] > len(options):
                return
            yield kind, at, at + options[at + 1]
            at += options[at + 1]


def make(source: Packet, *, seq: int, ack: int, flags: int, window: int = 0, back: bool = False) -> Packet:
    """A segment without payload and options between the two ends of `source`, in its direction, or `back` the other way."""
    raw = source.raw
    if raw[0] >> 4 == 4:
        ends = raw[16:20] + raw[12:16] if back else raw[12:20]
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0x4000, 64, _TCP_PROTOCOL, 0) + ends
    else:
        ends = raw[24:40] + raw[8:24] if back else raw[8:40]
        ip = struct.pack("!IHBB", 6 << 28, 20, _TCP_PROTOCOL, 64) + ends
    ports = (source.dport, source.sport) if back else (source.sport, source.dport)
    header = _TCP.pack(*ports, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 5 << 4, flags, window, 0, 0)
    packet = Packet(ip + header, outbound=source.outbound)
    packet.changed = True  # its checksum is still to be computed
    return packet


def _padded(options: bytes) -> bytes:
    # Somebody has set them anew: up to a multiple of 4, with the end of the list.
    if len(options) > _MOST_OPTIONS:
        raise ValueError(f"{len(options)} bytes of options: a TCP header has room for {_MOST_OPTIONS}")
    return options + bytes(-len(options) % 4)


def _with_jumbo(ip: bytes, payload: int) -> bytes:
    # The jumbo option says how long the payload is, and must not be there where the header can say it (RFC 2675, 3): then it is padding.
    option = _JUMBO + payload.to_bytes(4, "big") if payload > _MOST_TOLD else b"\1\4\0\0\0\0"
    return ip[:42] + option + ip[48:]


def _check_route(options: bytes) -> None:
    # Raises Malformed if an IPv4 source route has addresses left to visit.
    at = 0
    while at < len(options) and options[at]:
        if options[at] == 1:
            at += 1
            continue
        length = options[at + 1]
        if options[at] in _SOURCE_ROUTES and options[at + 2] <= length:
            raise Malformed("it is still on its source route")
        if length < 2:
            return
        at += length


def _behind_extensions(raw: bytes) -> int:
    # Where TCP begins in an IPv6 packet.
    kind, at = raw[6], 40
    for _ in range(_MOST_EXTENSIONS + 1):
        if kind == _TCP_PROTOCOL:
            return at
        if kind == _FRAGMENT:
            if raw[at + 2] or raw[at + 3] & 0xF9:  # an offset, or more to come; the whole in one fragment is RFC 6946's atomic one
                raise Malformed("a fragment")
            kind, at = raw[at], at + 8
        elif kind == _AUTHENTICATION:
            kind, at = raw[at], at + (raw[at + 1] + 2) * 4
        elif kind in _EXTENSIONS:
            if kind == _ROUTING and raw[at + 3]:
                raise Malformed("it is still on its source route")
            kind, at = raw[at], at + (raw[at + 1] + 1) * 8
        else:
            raise Malformed("not TCP")
    raise Malformed("too many extension headers")
