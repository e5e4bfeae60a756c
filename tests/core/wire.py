"""Packets made by hand, byte by byte, and their checksums added up the slow way."""

from __future__ import annotations

import struct
from ipaddress import ip_address

from faultproxy.core.header import Packet
from faultproxy.core.shape import ACK

SYN_OPTIONS = b"\2\4\5\xb4" + b"\4\2" + b"\x08\x0a" + struct.pack("!II", 1000, 0) + b"\1" + b"\3\3\7"
TIMES = b"\1\1\x08\x0a" + struct.pack("!II", 7, 9)


HOP = (0, bytes(8))
ROUTING = (43, bytes([0, 2, 0, 0]) + bytes(20))
OPTIONS = (60, bytes([0, 1]) + bytes(14))
ATOMIC = (44, bytes(8))
AUTHENTICATION = (51, bytes([0, 4]) + bytes(22))


def tcp(
    payload: bytes = b"",
    *,
    flags: int = ACK,
    options: bytes = b"",
    seq: int = 100,
    ack: int = 200,
    window: int = 512,
    offset: int | None = None,
) -> bytes:
    """A TCP segment from port 40000 to port 80, without its checksum."""
    words = 5 + len(options) // 4 if offset is None else offset
    return struct.pack("!HHIIBBHHH", 40000, 80, seq, ack, words << 4, flags, window, 0, 0) + options + payload


def ipv4(segment: bytes, *, total: int | None = None, options: bytes = b"", fragment: int = 0x4000, protocol: int = 6) -> bytes:
    """From 10.0.0.1 to 10.0.0.2. `total`: what it says its length is."""
    told = 20 + len(options) + len(segment) if total is None else total
    first = 0x45 + len(options) // 4
    return struct.pack("!BBHHHBBH", first, 0, told, 1, fragment, 64, protocol, 0) + bytes([10, 0, 0, 1, 10, 0, 0, 2]) + options + segment


def ipv6(segment: bytes, *extensions: tuple[int, bytes], told: int | None = None) -> bytes:
    """From ::1 to ::2, with extension headers by kind; the first byte of each is filled in."""
    kinds = [*(kind for kind, _ in extensions), 6]
    rest = b"".join(bytes([following]) + data[1:] for (_, data), following in zip(extensions, kinds[1:], strict=True)) + segment
    head = struct.pack("!IHBB", 6 << 28, len(rest) if told is None else told, kinds[0], 64)
    return head + ip_address("::1").packed + ip_address("::2").packed + rest


def right(raw: bytes) -> tuple[bool, bool]:
    """Whether the checksums of the IP header (true if it has none) and of TCP are right, by adding up 16 bits at a time."""
    packet = Packet(raw)
    segment = raw[packet.tcp_at : packet.length]
    if raw[0] >> 4 == 4:
        return total(raw[: packet.tcp_at]) == 0xFFFF, total(raw[12:20] + struct.pack("!II", 6, len(segment)) + segment) == 0xFFFF
    return True, total(raw[8:40] + struct.pack("!II", len(segment), 6) + segment) == 0xFFFF


def total(data: bytes) -> int:
    """The ones' complement sum, word by word."""
    found = 0
    for high, low in zip(data[::2], [*data[1::2], 0][: (len(data) + 1) // 2], strict=True):
        found += high << 8 | low
        found = (found & 0xFFFF) + (found >> 16)
    return found
