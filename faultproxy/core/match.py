"""Finding bytes in a stream that comes in pieces, and choosing by count. Nothing found depends on how the stream was cut."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from faultproxy.core import linear
from faultproxy.core.limits import MATCH_LINE
from faultproxy.core.rng import Chance


@dataclass(frozen=True, slots=True)
class Literal:
    """These bytes, wherever they stand; occurrences do not overlap."""

    data: bytes

    def scanner(self) -> Scanner:
        """A new search from the start of a stream."""
        return _LiteralScanner(self.data)

    def stands_in(self, data: bytes) -> bool:
        """Whether it is found in `data`, which stands alone."""
        return self.data in data

    def __str__(self) -> str:
        return repr(self.data)[1:]


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression over bytes, of `re`, tried on each whole line, without its LF or CR LF; longer than MATCH_LINE is no match."""

    expression: re.Pattern[bytes]
    search: linear.Search = field(init=False, repr=False, compare=False)
    """Whether a line of at most MATCH_LINE bytes matches."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "search", linear.search(self.expression))

    def scanner(self) -> Scanner:
        """A new search from the start of a stream."""
        return _LineScanner(self.search)

    def stands_in(self, data: bytes) -> bool:
        """Whether a line of `data` matches, which stands alone: its last line needs no LF."""
        return any(len(line) <= MATCH_LINE and self.search(line.removesuffix(b"\r")) for line in data.split(b"\n"))

    def __str__(self) -> str:
        return f"/{self.expression.pattern.decode(errors='backslashreplace')}/"


Pattern = Literal | Regex


class Scanner:
    """Reads a stream piece by piece; `feed` says behind which bytes of the piece a match ended."""

    __slots__ = ()

    def feed(self, data: bytes | memoryview) -> list[int]:
        """The ends of all matches in `data`, as offsets into it (1 to len(data)), ascending."""
        raise NotImplementedError


class _LiteralScanner(Scanner):
    __slots__ = ("_tail", "_wanted")

    def __init__(self, wanted: bytes) -> None:
        self._wanted = wanted
        self._tail = b""

    def feed(self, data: bytes | memoryview) -> list[int]:
        wanted, tail = self._wanted, self._tail
        text = tail + data
        found, start = [], 0
        while (at := text.find(wanted, start)) >= 0:
            start = at + len(wanted)
            found.append(start - len(tail))
        keep = min(len(wanted) - 1, len(text) - start)
        self._tail = text[len(text) - keep :]
        return found


class _LineScanner(Scanner):
    __slots__ = ("_line", "_search", "_too_long")

    def __init__(self, search: linear.Search) -> None:
        self._search = search
        self._line = bytearray()
        self._too_long = False

    def feed(self, data: bytes | memoryview) -> list[int]:
        data = bytes(data)
        found, start = [], 0
        while (end := data.find(b"\n", start)) >= 0:
            self._add(data[start:end])
            if not self._too_long and self._search(bytes(self._line.removesuffix(b"\r"))):
                found.append(end + 1)
            self._line.clear()
            self._too_long = False
            start = end + 1
        self._add(data[start:])
        return found

    def _add(self, part: bytes) -> None:
        if self._too_long or len(self._line) + len(part) > MATCH_LINE:
            self._too_long = True
            self._line.clear()
        else:
            self._line += part


@dataclass(frozen=True, slots=True)
class Count:
    """Which of a series: not the first `skip`, then each `step`-th, each with the chance `share`, at most `take`."""

    skip: int = 0
    step: int = 1
    take: int | None = None
    share: float = 1.0

    def chooses(self, number: int, drawn: Callable[[int], bool]) -> bool:
        """Whether that one of a numbered series (from 1) is chosen, in whatever order they come; `drawn` tells the luck of each."""
        index = number - 1
        if index < self.skip or (index - self.skip) % self.step or not (self.share >= 1 or drawn(number)):
            return False
        if self.take is None:
            return True
        before = range(self.skip, index, self.step)
        return (len(before) if self.share >= 1 else sum(drawn(other + 1) for other in before)) < self.take


@dataclass(slots=True)
class Counter:
    """Goes through a series by a `Count`."""

    count: Count
    chance: Chance
    seen: int = field(default=0)
    taken: int = field(default=0)

    def chooses(self, chance: Chance | None = None) -> bool:
        """Whether the next one is chosen; `chance` instead of the counter's own stream, if given."""
        count, index = self.count, self.seen
        self.seen += 1
        if index < count.skip or (index - count.skip) % count.step or (count.take is not None and self.taken >= count.take):
            return False
        if count.share < 1 and (chance or self.chance)() >= count.share:
            return False
        self.taken += 1
        return True
