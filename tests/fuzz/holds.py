"""What must hold of a packet, whatever is in it."""

from __future__ import annotations

import struct
from random import Random

from faultproxy.core.header import Malformed, Packet, checksum, make

_FIELDS = (
    "sport",
    "dport",
    "seq",
    "ack",
    "reserved",
    "flags",
    "window",
    "urgent",
    "options",
    "payload",
    "size",
    "tcp_at",
    "data_at",
    "end",
)


def read(raw: bytes, length: int | None) -> Packet | None:
    """The packet; None if it is malformed. Any other exception is a mistake of ours."""
    try:
        return Packet(raw, length=length)
    except Malformed:
        return None


def check(packet: Packet, random: Random) -> None:
    """Raises AssertionError, or whatever should not be raised."""
    _adds_up(packet)
    _written(packet)
    _changed(packet, random)
    for back in (False, True):
        made = make(packet, seq=packet.end + 1, ack=packet.ack - 1, flags=packet.flags, window=packet.window, back=back)
        assert _right(made.encode())


def _adds_up(packet: Packet) -> None:
    assert packet.tcp_at >= 20
    assert 20 <= packet.data_at - packet.tcp_at <= 60
    assert packet.data_at <= len(packet.raw)
    assert packet.size == packet.length - packet.data_at >= 0
    assert len(packet.payload) == min(packet.size, len(packet.raw) - packet.data_at)
    assert packet.whole == (len(packet.payload) == packet.size)
    assert packet.source
    assert packet.destination
    assert not packet.pure_ack or packet.size == 0


def _written(packet: Packet) -> None:
    try:
        again = packet.encode()
    except ValueError:
        assert not packet.whole
        return
    assert packet.whole
    twin = Packet(again)
    assert [getattr(twin, name) for name in _FIELDS] == [getattr(packet, name) for name in _FIELDS]
    assert twin.encode() == again
    assert _right(again)
    assert not _right(packet.encode(broken=True))


def _changed(packet: Packet, random: Random) -> None:
    twin = packet.copy()
    kinds = random.sample(range(10), 3)
    had = any(packet.option(kind) is not None for kind in kinds)
    assert twin.strip(*kinds) == had
    assert all(twin.option(kind) is None for kind in kinds)
    value = random.randbytes(random.choice((0, 1, 2, 8)))
    kind = random.randrange(256)
    if twin.set_option(kind, value):
        assert twin.option(kind) is not None
    has_times = any(twin.options[at : at + 2] == b"\x08\x0a" for at in _kinds(twin.options))
    assert twin.set_timestamps(random.getrandbits(40), -1) == has_times
    assert len(twin.options) == len(packet.options)
    if twin.whole:
        again = Packet(twin.encode())
        assert (again.options, again.payload) == (twin.options, packet.payload)
        assert _right(again.raw)


def _kinds(options: bytes) -> list[int]:
    # Where options begin: as in `header`, but written otherwise.
    found, at = [], 0
    while at < len(options) and (kind := options[at]) != 0:
        if kind != 1:
            rest = options[at : at + 256]
            if len(rest) < 2 or not 2 <= rest[1] <= len(rest):
                break
            found.append(at)
            at += rest[1] - 1
        at += 1
    return found


def _right(raw: bytes) -> bool:
    # Both checksums: over everything, themselves included, they come to zero.
    packet = Packet(raw)
    at = packet.tcp_at
    if raw[0] >> 4 == 4:
        assert checksum(raw[:at]) == 0
    ends = raw[12:20] if raw[0] >> 4 == 4 else raw[8:40]
    return checksum(ends + struct.pack("!II", packet.length - at, 6) + raw[at : packet.length]) == 0
