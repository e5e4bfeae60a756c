"""What a stage holds."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from faultproxy.core.fifo import Fifo
from faultproxy.core.stage import Chunk, Fin, Item


def fifo(*items: Item) -> Fifo:
    queue = Fifo()
    for item in items:
        queue.put(item)
    return queue


def test_what_stood_side_by_side_comes_out_joined() -> None:
    queue = fifo(Chunk(0, b"abc"), Chunk(3, b"de"), Fin())
    assert (queue.take(4), queue.size, bool(queue)) == ([Chunk(0, b"abcd")], 1, True)
    assert (queue.take(1), queue.size, bool(queue)) == ([Chunk(4, b"e"), Fin()], 0, False)


def test_a_gap_or_injected_bytes_stay_apart() -> None:
    queue = fifo(Chunk(0, b"ab"), Chunk(2, b"XYZ", injected=True), Chunk(2, b"cd"), Chunk(9, b"j"))
    assert queue.take(3) == [Chunk(0, b"ab"), Chunk(2, b"X", injected=True)]
    assert queue.clear() == [Chunk(2, b"YZ", injected=True), Chunk(2, b"cd"), Chunk(9, b"j")]


def test_a_fin_in_front_needs_no_byte() -> None:
    assert fifo(Fin()).take(0) == [Fin()]
    assert fifo(Chunk(0, b"a"), Fin()).take(0) == []


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.binary(min_size=1, max_size=9), max_size=8), st.lists(st.integers(0, 12), max_size=20))
def test_nothing_is_lost_or_doubled(pieces: list[bytes], portions: list[int]) -> None:
    queue, offset = Fifo(), 0
    for piece in pieces:
        queue.put(Chunk(offset, piece))
        offset += len(piece)
    out: list[Item] = []
    for portion in portions:
        before = queue.size
        out += queue.take(portion)
        assert queue.size == max(0, before - portion)
    out += queue.clear()
    chunks = [item for item in out if isinstance(item, Chunk)]
    assert b"".join(chunk.data for chunk in chunks) == b"".join(pieces)
    assert all(first.end == then.offset for first, then in itertools.pairwise(chunks))
