"""The contract between the core and a fault: what passes a stage, and what a stage may do with it.

A stage is one fault in one direction of one connection. Chunks, a FIN or a RST come to it in order; it answers with what passes on
now, and may hold the rest and name a `deadline`. It never sees a socket or a clock, and nothing it decides may depend on how the bytes
were cut: decisions are keyed to byte offsets and to `now`, so the same bytes at the same time, whole or byte by byte, fare alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes in flight: `data` stood at `offset` of what the source sent. `injected` bytes stand between that byte and the one before it."""

    offset: int
    data: bytes
    injected: bool = False

    @property
    def end(self) -> int:
        """The offset behind the last byte; injected bytes take up no room."""
        return self.offset if self.injected else self.offset + len(self.data)

    def split(self, size: int) -> tuple[Chunk, Chunk]:
        """The first `size` bytes, and the rest."""
        offset = self.offset if self.injected else self.offset + size
        return Chunk(self.offset, self.data[:size], self.injected), Chunk(offset, self.data[size:], self.injected)


@dataclass(frozen=True, slots=True)
class Fin:
    """The end of the stream, in its place behind the last byte."""


@dataclass(frozen=True, slots=True)
class Rst:
    """A RST, in its place behind the last byte. What comes after it is discarded."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the sink's leg here, with SO_LINGER `linger` in seconds (None: off), and the source's with it where `both`. What comes
    after it is discarded.

    On its way it keeps the place of a FIN: the stages behind are shown a FIN, and what they let out is this.
    """

    linger: float | None = None
    both: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """The stream cannot be made whole any more: both legs must end with a RST."""


@dataclass(frozen=True, slots=True)
class Act:
    """The fault has fired: `what` it did, to `size` bytes at `offset`. It passes no further."""

    what: str
    offset: int | None = None
    size: int | None = None


Item = Chunk | Fin | Rst | Close | Broken | Act
Items = Sequence[Item]
NOTHING: Items = ()


class Stage:
    """One fault in one direction of one connection; this one lets everything pass. Override what the fault changes.

    Methods are called only between `start` and `heal`. `heal` is always called, at the latest when the connection ends: it returns all
    that is held, in order, and gives back what the stage shares with others.
    """

    touches_data: ClassVar[bool] = True
    """False: the fault only concerns the FIN, the RST or its own start, so bytes need not be shown to it."""

    held: int = 0
    """Bytes held, always current: the pipe stops reading by it."""

    reading: bool = True
    """False: the source is not to be read."""

    def start(self, now: float) -> Items:
        """The fault begins in time; bytes from before its place may still be on their way to it."""
        return NOTHING

    def reached(self, offset: int, now: float) -> Items:
        """The stream has come to the place where the fault begins: all before `offset` has passed. A momentary one may begin often."""
        return NOTHING

    def chunk(self, chunk: Chunk, now: float) -> Items:
        """Bytes arrive; never empty."""
        return (chunk,)

    def fin(self, now: float) -> Items:
        """The FIN arrives. Bytes follow only where an earlier fault has made this FIN, and then they get no further than the sink."""
        return (Fin(),)

    def rst(self, now: float) -> Items:
        """A RST arrives."""
        return (Rst(),)

    def waiting(self, now: float) -> Items:
        """While this stage is not reading, something has arrived in the kernel for it."""
        return NOTHING

    def deadline(self) -> float | None:
        """When `due` wants to be called; None: not at all."""
        return None

    def due(self, now: float) -> Items:
        """What `deadline` promised has come."""
        return NOTHING

    def heal(self, now: float) -> Items:
        """The fault ends: give back what is held, in order, and be ready to start again."""
        return NOTHING

    def inherit(self, before: Stage) -> bool:
        """Goes on in place of `before`, a stage of the same kind with other figures, which is active and is then forgotten.

        True: everything is taken over, what is held with the time it was to leave. False: nothing is; `before` is healed and this one
        started, and what that gave back is shown to this one.
        """
        return False
