"""Captures, byte by byte, and read again by a reader of the test's own."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from faultproxy.core import pcapng


@dataclass
class Block:
    """A block as the draft has it: fixed fields, and options by number."""

    kind: int
    body: bytes
    options: dict[int, bytes] = field(default_factory=dict)


FIXED = {0x0A0D0D0A: 16, 1: 8, 6: 20}


def blocks(data: bytes) -> list[Block]:
    """The whole blocks at the beginning of a file; checks lengths and padding."""
    found = []
    while len(data) >= 12:
        kind, length = struct.unpack_from("<II", data)
        if length > len(data):
            break
        assert length % 4 == 0
        assert struct.unpack_from("<I", data, length - 4) == (length,)
        inside = data[8 : length - 4]
        size = FIXED[kind]
        if kind == 6:
            captured = struct.unpack_from("<I", inside, 12)[0]
            size += captured + -captured % 4
        found.append(Block(kind, inside[:size], options(inside[size:])))
        data = data[length:]
    return found


def options(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while data:
        code, length = struct.unpack_from("<HH", data)
        if code == 0:
            assert (length, len(data)) == (0, 4)
            return found
        found[code] = data[4 : 4 + length]
        assert set(data[4 + length : 4 + length + -length % 4]) <= {0}
        data = data[4 + length + -length % 4 :]
    assert not found, "options without an end"
    return found


def test_a_section_header() -> None:
    assert pcapng.section().hex(" ", 4) == "0a0d0d0a 1c000000 4d3c2b1a 01000000 ffffffff ffffffff 1c000000"
    (block,) = blocks(pcapng.section("faultproxy 1.0", "seed 7"))
    assert block.options == {1: b"seed 7", 4: b"faultproxy 1.0"}


def test_an_interface_with_its_name_and_resolution() -> None:
    assert pcapng.interface("lo").hex(" ", 4) == (
        "01000000 28000000 65000000 00000000 02000200 6c6f0000 09000100 06000000 00000000 28000000"
    )


def test_a_packet_out_with_a_comment() -> None:
    block = pcapng.packet(2, 1_700_000_000.25, b"\x45\x00\x00", outbound=True, length=40, comment="drop")
    assert block.hex(" ", 4) == (
        "06000000 38000000 02000000 "
        + struct.pack("<II", *divmod(1_700_000_000_250_000, 2**32)).hex(" ", 4)
        + " 03000000 28000000 45000000 01000400 64726f70 02000400 02000000 00000000 38000000"
    )


def test_a_packet_in_without_one() -> None:
    (block,) = blocks(pcapng.packet(0, 0.0, b"1234", outbound=False))
    assert block == Block(6, bytes(12) + struct.pack("<II", 4, 4) + b"1234", {2: b"\1\0\0\0"})


def test_the_length_is_never_less_than_what_is_there() -> None:
    (block,) = blocks(pcapng.packet(0, 0.0, b"12345678", outbound=False, length=4))
    assert struct.unpack_from("<II", block.body, 12) == (8, 8)


def test_a_comment_that_is_too_long_is_cut_between_characters() -> None:
    (block,) = blocks(pcapng.packet(0, 0.0, b"", outbound=True, comment="é" * 40_000))
    assert block.options[1].decode() == "é" * 32_767


def test_a_comment_that_cannot_be_told_in_utf_8_is_told_as_far_as_it_can() -> None:
    (block,) = blocks(pcapng.packet(0, 0.0, b"", outbound=True, comment="file \udcff"))
    assert block.options[1] == b"file ?"


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 4e9), st.binary(max_size=100), st.booleans(), st.text(max_size=20))),
    st.integers(0, 60),
)
def test_what_is_written_is_read_again_also_where_it_was_cut_off(packets: list[tuple[int, float, bytes, bool, str]], cut: int) -> None:
    data = pcapng.section()
    for interface, time, contents, outbound, comment in packets:
        data += pcapng.packet(interface, time, contents, outbound=outbound, comment=comment)
    header, *found = blocks(data)
    assert header.kind == 0x0A0D0D0A
    for block, (interface, time, contents, outbound, comment) in zip(found, packets, strict=True):
        number, high, low, captured, length = struct.unpack_from("<5I", block.body)
        assert (number, (high << 32 | low), captured, length) == (interface, round(time * 1e6), len(contents), len(contents))
        assert block.body[20 : 20 + captured] == contents
        assert block.options.get(1, b"").decode() == comment
        assert block.options[2] == (b"\2\0\0\0" if outbound else b"\1\0\0\0")
    whole = blocks(data[: len(data) - cut])
    assert whole == [header, *found][: len(whole)]
    assert len(whole) > len(found) - cut
