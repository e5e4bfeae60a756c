"""A packet changed and written again."""

from __future__ import annotations

import struct
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultproxy.core.header import (
    MSS,
    SACK,
    SACK_PERMITTED,
    WSCALE,
    Packet,
    checksum,
    make,
)
from faultproxy.core.shape import ACK, RST, SYN
from tests.core.wire import ATOMIC, AUTHENTICATION, HOP, OPTIONS, ROUTING, SYN_OPTIONS, TIMES, ipv4, ipv6, right, tcp, total

calm = settings(max_examples=200, deadline=None, derandomize=True)


def test_checksums_of_rfc_1071_and_of_the_two_zeros() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2  # the example of RFC 1071, 3
    assert [checksum(data) for data in (b"", b"\0", b"\0\0", b"\xff\xff", b"\xff\xff\xff\xff", b"\x12", b"\xff\xfe\0\1")] == [
        0xFFFF, 0xFFFF, 0xFFFF, 0, 0, 0xFFFF - 0x1200, 0,
    ]  # fmt: skip


@calm
@given(st.binary(max_size=300))
def test_the_checksum_is_that_of_adding_word_by_word(data: bytes) -> None:
    assert checksum(data) == 0xFFFF - total(data)


def test_options_are_overwritten_with_nops_and_all_else_stays() -> None:
    packet = Packet(ipv4(tcp(b"data", flags=SYN, options=SYN_OPTIONS)))
    assert packet.strip(MSS, WSCALE, SACK)
    assert packet.options == b"\1\1\1\1" + SYN_OPTIONS[4:17] + b"\1\1\1"
    assert packet.set_timestamps(2**32 + 5, -1)
    again = Packet(packet.encode())
    assert (again.timestamps, again.option(MSS), again.option(SACK_PERMITTED), again.payload) == ((5, 0xFFFFFFFF), None, b"", b"data")
    assert right(again.raw) == (True, True)


def test_a_new_value_of_another_length_is_refused() -> None:
    packet = Packet(ipv4(tcp(options=SYN_OPTIONS)))
    assert (packet.set_option(MSS, b"\1"), packet.set_option(SACK, b""), packet.changed) == (False, False, False)
    assert (packet.set_option(MSS, b"\2\x18"), packet.changed, packet.option(MSS)) == (True, True, b"\2\x18")


def test_options_set_anew_are_padded_and_bounded() -> None:
    packet = Packet(ipv4(tcp(b"data")))
    packet.options = b"\3\3\7"
    assert Packet(packet.encode()).options == b"\3\3\7\0"
    assert Packet(packet.encode()).payload == b"data"
    packet.options = bytes(41)
    with pytest.raises(ValueError, match="41 bytes of options: a TCP header has room for 40"):
        packet.encode()


def test_another_payload_has_another_length() -> None:
    for raw in (ipv4(tcp(b"hello")), ipv6(tcp(b"hello"), HOP)):
        packet = Packet(raw)
        packet.payload = b"hi"
        again = Packet(packet.encode())
        assert (packet.size, packet.end, again.payload, again.length) == (2, 102, b"hi", len(raw) - 3)
        assert right(again.raw) == (True, True)


def test_broken_is_wrong_in_tcp_only() -> None:
    for raw in (ipv4(tcp(b"hello")), ipv6(tcp(b"hello"))):
        packet = Packet(raw)
        assert (right(packet.encode(broken=True)), right(packet.encode())) == ((True, False), (True, True))
        assert [a for a, b in enumerate(zip(packet.encode(), packet.encode(broken=True), strict=True)) if b[0] != b[1]] == [
            packet.tcp_at + 16, packet.tcp_at + 17,
        ]  # fmt: skip


def test_a_bundle_tells_no_length_of_its_own() -> None:
    payload = bytes(70_000)
    for raw in (ipv4(tcp(payload), total=0), ipv6(tcp(payload), told=0)):
        again = Packet(Packet(raw).encode())
        assert (again.size, again.raw[:10], right(again.raw)[0]) == (70_000, raw[:10], True)


def test_a_jumbogram_tells_its_length_in_an_option() -> None:
    segment = tcp(bytes(70_000))
    hop = (0, b"\0\0\xc2\4" + struct.pack("!I", 8 + len(segment)))
    packet = Packet(ipv6(segment, hop, told=0))
    assert packet.encode()[:48] == packet.raw[:48]
    packet.payload = bytes(69_000)
    assert packet.encode()[4:6] + packet.encode()[44:48] == bytes(2) + struct.pack("!I", 8 + 20 + 69_000)
    packet.payload = b"short"
    again = Packet(packet.encode())
    assert (again.raw[4:6], again.raw[42:48], again.payload) == (b"\0\x21", b"\1\4\0\0\0\0", b"short")
    assert right(again.raw) == (True, True)


def test_a_copy_is_another_and_nobody_waits_for_it() -> None:
    packet = Packet(ipv4(tcp(b"hello", options=TIMES)), ref=7, outbound=True)
    twin = packet.copy()
    twin.set_timestamps(1, 2)
    twin.payload = b"other"
    assert (twin.ref, twin.outbound, twin.changed) == (None, True, True)
    assert (packet.ref, packet.changed, packet.timestamps, packet.payload) == (7, False, (7, 9), b"hello")


@pytest.mark.parametrize("raw", [ipv4(tcp(b"hello"), options=b"\1\1\1\0"), ipv6(tcp(b"hello"), HOP)])
@pytest.mark.parametrize("back", [False, True])
def test_a_segment_made_between_the_same_ends(raw: bytes, back: bool) -> None:
    source = Packet(raw, outbound=True, ref=1)
    made = make(source, seq=-1, ack=2**32, flags=RST | ACK, window=9, back=back)
    ends = (source.source, source.sport), (source.destination, source.dport)
    assert ((made.source, made.sport), (made.destination, made.dport)) == (ends[::-1] if back else ends)
    assert (made.seq, made.ack, made.flags, made.window, made.size, made.options) == (0xFFFFFFFF, 0, RST | ACK, 9, 0, b"")
    assert (made.changed, made.outbound, made.ref) == (True, True, None)
    assert right(made.encode()) == (True, True)


# ------------------------------------------------------- there and back

OPTION = st.one_of(
    st.just(b"\1"),
    st.integers(0, 65535).map(lambda value: b"\2\4" + value.to_bytes(2, "big")),
    st.just(b"\4\2"),
    st.integers(0, 255).map(lambda value: bytes([3, 3, value])),
    st.binary(min_size=8, max_size=8).map(lambda value: b"\x08\x0a" + value),
    st.integers(1, 4).flatmap(lambda blocks: st.binary(min_size=8 * blocks, max_size=8 * blocks)).map(lambda v: bytes([5, 2 + len(v)]) + v),
    st.tuples(st.integers(9, 255), st.binary(max_size=12)).map(lambda two: bytes([two[0], 2 + len(two[1])]) + two[1]),
)


@st.composite
def packets(draw: st.DrawFn) -> bytes:
    """A packet that is as it should be, but for its checksums."""
    options = b""
    for option in draw(st.lists(OPTION, max_size=6)):
        if len(options) + len(option) <= 40:
            options += option
    segment = bytearray(tcp(draw(st.binary(max_size=60)), flags=draw(st.integers(0, 255)), options=options + bytes(-len(options) % 4)))
    segment[:12] = draw(st.binary(min_size=12, max_size=12))
    segment[12] |= draw(st.integers(0, 15))
    segment[14:20] = draw(st.binary(min_size=6, max_size=6))
    if draw(st.booleans()):
        raw = bytearray(ipv4(bytes(segment), options=draw(st.sampled_from([b"", b"\1\1\1\1", b"\x94\4\0\0", b"\x83\x07\x08" + bytes(5)]))))
        raw[12:20] = draw(st.binary(min_size=8, max_size=8))
    else:
        raw = bytearray(ipv6(bytes(segment), *draw(st.lists(st.sampled_from([HOP, ROUTING, OPTIONS, ATOMIC, AUTHENTICATION]), max_size=4))))
        raw[8:40] = draw(st.binary(min_size=32, max_size=32))
    return bytes(raw)


def without_checksums(raw: bytes) -> bytes:
    at = Packet(raw).tcp_at
    ip = raw[:10] + b"\0\0" + raw[12:at] if raw[0] >> 4 == 4 else raw[:at]
    return ip + raw[at : at + 16] + b"\0\0" + raw[at + 18 :]


@calm
@given(packets())
def test_written_again_it_is_the_same_with_right_checksums(raw: bytes) -> None:
    again = Packet(raw).encode()
    assert without_checksums(again) == without_checksums(raw)
    assert right(again) == (True, True)
    assert Packet(again).encode() == again


FIELDS = ("sport", "dport", "seq", "ack", "flags", "window", "urgent", "reserved", "options", "payload", "source", "destination")
EDITS = {
    "sport": 1,
    "dport": 2,
    "seq": 3,
    "ack": 4,
    "flags": 5,
    "window": 6,
    "urgent": 7,
    "reserved": 8,
    "options": b"\1\1\2\2",
    "payload": b"new",
}


@calm
@given(packets(), st.sets(st.sampled_from(sorted(EDITS))))
def test_an_edit_changes_what_it_names_and_nothing_else(raw: bytes, names: set[str]) -> None:
    packet = Packet(raw)
    wanted = {name: EDITS[name] if name in names else getattr(packet, name) for name in FIELDS}
    for name in names:
        setattr(packet, name, EDITS[name])
    again = Packet(packet.encode())
    assert {name: getattr(again, name) for name in FIELDS} == wanted
    assert right(again.raw) == (True, True)


@calm
@given(packets(), st.sets(st.integers(0, 12)))
def test_what_is_stripped_is_gone_and_the_rest_is_there(raw: bytes, kinds: set[int]) -> None:
    packet = Packet(raw)
    values = {kind: None if kind in kinds else packet.option(kind) for kind in range(2, 256)}
    there = any(packet.option(kind) is not None for kind in kinds)
    assert packet.strip(*kinds) == packet.changed == there
    again = Packet(packet.encode())
    assert {kind: again.option(kind) for kind in range(2, 256)} == values


def test_every_flag_and_size_reads_back() -> None:
    for flags, size in product(range(256), (0, 1, 2)):
        packet = Packet(Packet(ipv4(tcp(bytes(size), flags=flags))).encode())
        assert (packet.flags, packet.size) == (flags, size)
