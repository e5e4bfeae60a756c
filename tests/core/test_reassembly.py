"""The bytes of one way, from segments in whatever order."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultproxy.core.header import Packet
from faultproxy.core.limits import REASSEMBLY_HELD, REASSEMBLY_PIECES
from faultproxy.core.reassembly import Reassembly
from faultproxy.core.shape import ACK, FIN, RST, SYN
from tests.core.wire import ipv4, tcp

ISN = 0xFFFFFFF0
"""Sixteen before the wrap: byte 0 is number 0xFFFFFFF1, byte 15 is number 0."""


def segment(at: int, data: bytes = b"", flags: int = ACK, isn: int = ISN) -> Packet:
    """The segment whose payload begins with byte `at` of the stream; a SYN comes one before."""
    sequence = (isn + at + (0 if flags & SYN else 1)) & 0xFFFFFFFF
    return Packet(ipv4(tcp(data, flags=flags, seq=sequence)))


def fed(*packets: Packet) -> tuple[list[bytes], Reassembly]:
    way = Reassembly()
    return [way.feed(packet) for packet in packets], way


SYN_ = segment(0, flags=SYN)


def test_in_order() -> None:
    out, way = fed(SYN_, segment(0, b"abc"), segment(3), segment(3, b"de", ACK | FIN))
    assert out == [b"", b"abc", b"", b"de"]
    assert (way.position, way.ended, way.held, way.skipped) == (5, True, 0, 0)


def test_a_syn_may_carry_data_and_come_twice() -> None:
    out, way = fed(segment(0, b"abc", SYN), segment(0, b"abc", SYN), segment(3, b"d"))
    assert (out, way.position) == ([b"abc", b"", b"d"], 4)


def test_what_was_overtaken_is_waited_for() -> None:
    out, way = fed(SYN_, segment(3, b"de"), segment(7, b"hi"), segment(0, b"abc"), segment(5, b"fg"))
    assert out == [b"", b"", b"", b"abcde", b"fghi"]
    assert (way.held, way.position) == (0, 9)


def test_each_byte_comes_out_once() -> None:
    out, _ = fed(
        SYN_, segment(0, b"abc"), segment(0, b"abc"), segment(1, b"bcde"), segment(7, b"hi"), segment(6, b"ghij"), segment(4, b"efg")
    )
    assert out == [b"", b"abc", b"", b"de", b"", b"", b"fghij"]


def test_a_large_segment_fills_the_holes_around_what_is_there() -> None:
    out, way = fed(SYN_, segment(3, b"D"), segment(6, b"G"), segment(1, b"bcdefgh"), segment(0, b"a"))
    assert out == [b"", b"", b"", b"", b"abcDefGh"]  # the first to say a byte is right
    assert way.held == 0


def test_without_a_syn_it_begins_with_what_it_meets() -> None:
    out, way = fed(segment(5), segment(7, b"h"), segment(5, b"fg"), segment(8, b"i"))
    assert out == [b"", b"h", b"", b"i"]
    assert way.position == 2


def test_a_rst_says_nothing_of_the_stream() -> None:
    out, way = fed(SYN_, segment(0, b"go away", RST), segment(0, b"a"))
    assert (out, way.ended) == ([b"", b"", b"a"], False)


def test_a_fin_ends_it_when_all_before_it_has_come() -> None:
    way = Reassembly()
    ended = []
    for packet in (SYN_, segment(4, flags=ACK | FIN), segment(2, b"cd"), segment(0, b"ab"), segment(4, b"behind the end")):
        way.feed(packet)
        ended.append(way.ended)
    assert ended == [False, False, False, True, True]
    assert (way.position, way.held) == (4, 0)


def test_the_earlier_of_two_fins_is_right() -> None:
    out, way = fed(SYN_, segment(9, flags=ACK | FIN), segment(2, b"cdef"), segment(7, b"h"), segment(4, flags=FIN), segment(0, b"ab"))
    assert (out[-1], way.ended, way.held) == (b"abcd", True, 0)


def test_a_fin_before_what_has_come_out_is_ignored() -> None:
    out, way = fed(SYN_, segment(0, b"abcd"), segment(2, flags=ACK | FIN), segment(4, b"e"))
    assert (out[-1], way.ended) == (b"e", False)


def test_a_connection_without_bytes() -> None:
    _, way = fed(SYN_, segment(0, flags=ACK | FIN))
    assert (way.ended, way.position) == (True, 0)


@pytest.mark.parametrize("extra", [0, 1])
def test_too_many_bytes_give_a_gap_up(extra: int) -> None:
    way, piece = Reassembly(), 32 * 1024
    way.feed(SYN_)
    outs = [way.feed(segment(10 + at, b"x" * piece)) for at in range(0, REASSEMBLY_HELD, piece)]
    assert (set(outs), way.held, way.skipped) == ({b""}, REASSEMBLY_HELD, 0)
    out = way.feed(segment(10 + REASSEMBLY_HELD, b"y" * extra))
    assert out == (b"x" * REASSEMBLY_HELD + b"y" if extra else b"")
    assert (way.skipped, way.held) == ((10, 0) if extra else (0, REASSEMBLY_HELD))


def test_too_many_pieces_give_the_first_gap_up_and_no_more() -> None:
    way = Reassembly()
    way.feed(SYN_)
    for number in range(REASSEMBLY_PIECES):
        assert way.feed(segment(2 * number + 1, b"b")) == b""
    assert way.feed(segment(2 * REASSEMBLY_PIECES + 1, b"b")) == b"b"
    assert (way.skipped, way.position, way.held) == (1, 2, REASSEMBLY_PIECES)
    assert way.feed(segment(0, b"a")) == b""  # too late
    assert way.feed(segment(2, b"a")) == b"ab"


def test_a_segment_copied_in_part_leaves_a_gap() -> None:
    cut = segment(0, b"abcdef")
    cut = Packet(cut.raw[:-3], length=len(cut.raw))
    out, way = fed(SYN_, cut, segment(6, b"g"), segment(3, b"def"))
    assert (out, way.position) == ([b"", b"abc", b"", b"defg"], 7)


@st.composite
def segmentations(draw: st.DrawFn) -> tuple[bytes, int, list[Packet]]:
    """A stream, its ISN, and segments that together hold all of it: cut anywhere, doubled, overlapping, in any order."""
    data = draw(st.binary(max_size=400))
    isn = draw(st.one_of(st.integers(0, 2**32 - 1), st.integers(2**32 - 300, 2**32 - 1)))
    cuts = sorted({0, len(data), *draw(st.lists(st.integers(0, len(data)), max_size=30))})
    spans = list(itertools.pairwise(cuts))
    place = st.integers(0, len(data))
    spans += [(min(ends), max(ends)) for ends in draw(st.lists(st.tuples(place, place), max_size=15))]
    packets = [segment(low, data[low:high], ACK | (FIN if high == len(data) else 0), isn) for low, high in draw(st.permutations(spans))]
    return data, isn, [segment(0, flags=SYN, isn=isn), *packets, segment(len(data), flags=ACK | FIN, isn=isn)]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(segmentations())
def test_any_cut_and_any_order_give_the_stream(case: tuple[bytes, int, list[Packet]]) -> None:
    data, _isn, packets = case
    way = Reassembly()
    out = b""
    for packet in packets:
        out += way.feed(packet)
        assert way.position == len(out)
        assert out == data[: len(out)]
    assert (out, way.ended, way.held, way.skipped) == (data, True, 0, 0)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(-(2**31), 2**31), st.integers(0, 3000), st.integers(0, 255)), max_size=60))
def test_whatever_comes_it_stays_within_its_bounds(script: list[tuple[int, int, int]]) -> None:
    way = Reassembly()
    came_out = 0
    for at, size, flags in script:
        came_out += len(way.feed(segment(at, bytes(size), flags)))
        assert way.held <= REASSEMBLY_HELD
        assert way.position == came_out + way.skipped
        assert not way.ended or way.held == 0
