"""Lines for a pipe that may be read slowly, or not at all: whoever watches us must never hold up the proxy."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable

import trio

LINES_KEPT = 10_000
"""Lines that wait for the reader; what comes on top is left out, and it is said how many."""


class Lines:
    """Takes text at any time, and writes it by a thread to the descriptor `fd`. `gap` says that so many lines were left out."""

    def __init__(self, fd: int, gap: Callable[[int], str], kept: int = LINES_KEPT) -> None:
        self._fd = fd
        self._gap = gap
        self._kept = kept
        self._waiting: deque[str] = deque()
        self._left_out = 0
        self._news = trio.Event()
        self._turn = threading.Lock()
        """A thread that was given up may still be writing: what comes later must not overtake it."""

    def put(self, text: str) -> None:
        """Whole lines, with their LF."""
        if len(self._waiting) >= self._kept:
            self._left_out += 1
            return
        if self._left_out:
            self._waiting.append(self._gap(self._left_out))
            self._left_out = 0
        self._waiting.append(text)
        self._news.set()

    async def serve(self) -> None:
        """Writes until cancelled. Raises BrokenPipeError when the reader has gone."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            await self._write()

    async def drain(self, within: float) -> None:
        """Writes what is left, for so many seconds at most."""
        with trio.move_on_after(within, shield=True):
            await self._write()

    async def _write(self) -> None:
        while self._waiting:
            text = "".join(self._waiting)
            self._waiting.clear()
            # Past Python's own buffer: a thread that is stuck in there would keep the program from ending.
            await trio.to_thread.run_sync(self._write_all, text.encode(errors="backslashreplace"), abandon_on_cancel=True)

    def _write_all(self, data: bytes) -> None:
        with self._turn:
            while data:
                data = data[os.write(self._fd, data) :]
