"""Text for a pipe that is read slowly, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import trio

from faultproxy.cli.lines import Lines


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for fd in (reader, writer):
        try:
            os.close(fd)
        except OSError:
            continue


def gap(count: int) -> str:
    return f"({count} left out)\n"


async def test_what_is_put_is_written_in_order(pipe: tuple[int, int]) -> None:
    lines = Lines(pipe[1], gap)
    lines.put("a\n")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lines.serve)
        lines.put("b\n")
        read = b""
        while len(read) < 4:
            read += await trio.to_thread.run_sync(os.read, pipe[0], 100)
        nursery.cancel_scope.cancel()
    assert read == b"a\nb\n"


async def test_what_does_not_fit_is_counted_and_told(pipe: tuple[int, int]) -> None:
    lines = Lines(pipe[1], gap, kept=2)
    for letter in "abcde":
        lines.put(f"{letter}\n")
    await lines.drain(5)
    lines.put("f\n")
    await lines.drain(5)
    assert os.read(pipe[0], 100) == b"a\nb\n(3 left out)\nf\n"


async def test_a_reader_who_does_not_read_holds_up_nobody(pipe: tuple[int, int]) -> None:
    lines = Lines(pipe[1], gap)
    lines.put("x" * 1_000_000 + "\n")  # more than any pipe takes
    began = trio.current_time()
    with trio.move_on_after(0.05):
        await lines.serve()
    await lines.drain(0.05)
    assert trio.current_time() - began < 2
    os.close(pipe[0])  # and the thread that is stuck gets EPIPE


async def test_a_reader_who_has_gone_is_told(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    lines = Lines(pipe[1], gap)
    lines.put("a\n")
    with pytest.raises(BrokenPipeError):
        await lines.drain(5)
