"""Good packets, and the ways in which they are bent."""

from __future__ import annotations

import struct
from random import Random

from faultproxy.core.shape import ACK, FIN, PSH, RST, SYN, URG
from tests.core.wire import ATOMIC, AUTHENTICATION, HOP, OPTIONS, ROUTING, SYN_OPTIONS, TIMES, ipv4, ipv6, tcp

_SACKS = b"\1\1\5\x12" + struct.pack("!IIII", 5, 9, 20, 30)
_JUMBO = (0, b"\0\0\xc2\4" + struct.pack("!I", 8 + 32 + 100))

_SEGMENTS = (
    tcp(flags=SYN, options=SYN_OPTIONS),
    tcp(flags=SYN | ACK, options=SYN_OPTIONS),
    tcp(flags=ACK, options=TIMES),
    tcp(flags=ACK, options=TIMES + _SACKS),
    tcp(flags=ACK),
    tcp(bytes(range(100)), flags=ACK | PSH, options=TIMES),
    tcp(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n", flags=ACK | PSH | URG, options=TIMES, seq=0xFFFFFFF0),
    tcp(b"bye", flags=FIN | ACK, options=TIMES),
    tcp(flags=RST, window=0),
    tcp(b"z" * 1448, flags=ACK, options=TIMES),
)
_CHAINS: tuple[tuple[tuple[int, bytes], ...], ...] = (
    (),
    (HOP,),
    (HOP, ROUTING, OPTIONS),
    (ATOMIC,),
    (AUTHENTICATION, OPTIONS),
    (HOP, OPTIONS, ROUTING, ATOMIC, AUTHENTICATION, OPTIONS),
    (OPTIONS,) * 16,
)
GOOD: tuple[bytes, ...] = (
    *(ipv4(segment) for segment in _SEGMENTS),
    *(ipv4(segment, options=b"\1\1\1\0") for segment in _SEGMENTS[:3]),
    ipv4(_SEGMENTS[5], options=b"\x83\x07\x08" + bytes(5)),
    ipv4(_SEGMENTS[5], total=0),
    *(ipv6(segment) for segment in _SEGMENTS),
    *(ipv6(segment, *chain) for chain in _CHAINS for segment in (_SEGMENTS[0], _SEGMENTS[5])),
    ipv6(_SEGMENTS[5], _JUMBO, told=0),
)
"""Each is read without complaint."""

_NOTABLE = (0, 1, 2, 4, 5, 6, 7, 8, 15, 16, 20, 40, 43, 44, 51, 60, 0x40, 0x45, 0x4F, 0x60, 0x7F, 0x80, 0xFE, 0xFF)
_NUMBERS = (0, 1, 2, 99, 100, 101, 102, 148, 200, 1548, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)


def bent(random: Random) -> bytes:
    """A good packet with up to five things wrong with it, or with none."""
    raw = bytearray(random.choice(GOOD))
    for _ in range(random.choice((0, 1, 1, 2, 3, 5))):
        if not raw:
            break
        random.choice(_BENDS)(random, raw)
    return bytes(raw)


def copied(random: Random, raw: bytes) -> int | None:
    """How long the packet is said to have been: mostly the truth."""
    if random.random() < 0.8:
        return None
    return random.choice(
        (len(raw), len(raw) + 1, len(raw) - 1, len(raw) + random.randrange(2000), random.randrange(len(raw) + 1), -1, 0, 100_000)
    )


def _flip(random: Random, raw: bytearray) -> None:
    raw[random.randrange(len(raw))] ^= 1 << random.randrange(8)


def _flip_in_headers(random: Random, raw: bytearray) -> None:
    raw[random.randrange(min(len(raw), 100))] ^= 1 << random.randrange(8)


def _notable(random: Random, raw: bytearray) -> None:
    raw[random.randrange(min(len(raw), 100))] = random.choice(_NOTABLE)


def _truncate(random: Random, raw: bytearray) -> None:
    del raw[random.randrange(len(raw)) :]


def _extend(random: Random, raw: bytearray) -> None:
    raw += random.randbytes(random.randrange(1, 64))


def _splice(random: Random, raw: bytearray) -> None:
    other = random.choice(GOOD)
    raw[random.randrange(len(raw)) :] = other[random.randrange(len(other)) :]


def _repeat(random: Random, raw: bytearray) -> None:
    at = random.randrange(len(raw))
    raw[at:at] = raw[at : at + random.randrange(1, 40)]


def _lie_about_length(random: Random, raw: bytearray) -> None:
    at = 2 if raw[0] >> 4 == 4 else 4
    told = random.choice((0, 1, 19, 20, 40, 0xFFFF, len(raw), len(raw) - 40, len(raw) + 1, len(raw) - 1, random.randrange(0x10000)))
    raw[at : at + 2] = struct.pack("!H", told & 0xFFFF)


def _lie_about_offset(random: Random, raw: bytearray) -> None:
    at = _tcp_at(raw) + 12
    if at < len(raw):
        raw[at] = random.randrange(256)


def _number(random: Random, raw: bytearray) -> None:
    # A sequence or acknowledgement number that may fit what others have said.
    at = _tcp_at(raw) + random.choice((4, 8))
    raw[at : at + 4] = struct.pack("!I", random.choice(_NUMBERS))


def _flags(random: Random, raw: bytearray) -> None:
    at = _tcp_at(raw) + 13
    if at < len(raw):
        raw[at] = random.choice((ACK, ACK, FIN | ACK, SYN, SYN | ACK, RST, RST | ACK, random.randrange(256)))


def _scribble_on_options(random: Random, raw: bytearray) -> None:
    at = _tcp_at(raw) + 20 + random.randrange(40)
    raw[at : at + 3] = bytes((random.choice((0, 1, 2, 3, 4, 5, 8, 30, 255)), random.choice((0, 1, 2, 3, 4, 10, 18, 40, 255)), 7))


def _tcp_at(raw: bytearray) -> int:
    return 20 if raw[0] >> 4 == 4 else 40


_BENDS = (
    _flip,
    _flip_in_headers,
    _notable,
    _truncate,
    _extend,
    _splice,
    _repeat,
    _lie_about_length,
    _lie_about_offset,
    _number,
    _number,
    _flags,
    _scribble_on_options,
)
