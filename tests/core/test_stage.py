"""Chunks, and a stage that changes nothing."""

from __future__ import annotations

from faultproxy.core.stage import Chunk, Fin, Rst, Stage


def test_a_chunk_is_split_at_its_bytes() -> None:
    chunk = Chunk(10, b"abcdef")
    assert (chunk.end, chunk.split(2)) == (16, (Chunk(10, b"ab"), Chunk(12, b"cdef")))


def test_injected_bytes_stand_between_two_offsets() -> None:
    chunk = Chunk(10, b"abcdef", injected=True)
    assert (chunk.end, chunk.split(2)) == (10, (Chunk(10, b"ab", injected=True), Chunk(10, b"cdef", injected=True)))


def test_a_bare_stage_lets_everything_pass() -> None:
    stage = Stage()
    assert (stage.start(0), stage.reached(5, 0), stage.due(0), stage.waiting(0), stage.heal(0)) == ((), (), (), (), ())
    assert (stage.chunk(Chunk(0, b"a"), 0), stage.fin(0), stage.rst(0)) == ((Chunk(0, b"a"),), (Fin(),), (Rst(),))
    assert (stage.deadline(), stage.held, stage.reading) == (None, 0, True)
