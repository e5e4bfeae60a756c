"""One source of a scenario (a file, a profile, a command line) with the places of its keys, and several of them laid over each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from faultproxy.scenario.locate import Path

LISTS = ("case", "proxy", "probe", "crowd", "fault", "expect")
"""Lists of tables; `proxy` may be a single one as well."""

Place = tuple[int, int, str]
"""Number of the sheet, line, and both as messages begin: ``"file.toml:7"``."""


@dataclass(frozen=True)
class Sheet:
    """What one source says. `labels`, on a command line, are the options that stand for keys; a file has `lines` instead."""

    name: str
    data: dict[str, Any]
    lines: Mapping[Path, int] = field(default_factory=dict)
    labels: Mapping[Path, str] = field(default_factory=dict)
    profile: bool = False

    def line(self, path: Path) -> int:
        """The line of `path`, or of the nearest thing around it that has one; 0 if there is none."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1 if self.lines else 0

    def place(self, path: Path) -> str:
        """How a message about `path` begins."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.labels:
                return self.labels[path[:length]]
        line = self.line(path)
        return f"{self.name}:{line}" if line else self.name


class Merged:
    """The including sheet (number 0) and those it includes, as one document that still knows where each part comes from."""

    def __init__(self, own: Sheet, included: tuple[Sheet, ...]) -> None:
        self.sheets = (own, *included)
        self.data: dict[str, Any] = dict(own.data)
        self._origins: dict[Path, tuple[int, Path]] = {}
        for key in own.data:
            self._origins[key,] = (0, (key,))
        for number, sheet in enumerate(included, 1):
            for key, value in sheet.data.items():
                self._include(number, key, value)
        for key in LISTS:
            if isinstance(self.data.get(key), list):
                self._join(key)

    def _include(self, number: int, key: str, value: Any) -> None:
        if key in ("title", "covers", "include"):  # these speak of the file itself
            return
        if key not in self.data:
            self.data[key] = value
            self._origins[key,] = (number, (key,))

    def _join(self, key: str) -> None:
        own: list[Any] = self.sheets[0].data.get(key, [])
        joined: list[tuple[int, int, Any]] = []
        for number, sheet in enumerate(self.sheets[1:], 1):
            if isinstance(part := sheet.data.get(key), list):
                joined += [(number, index, value) for index, value in enumerate(part)]
        joined += [(0, index, value) for index, value in enumerate(own)]
        self.data[key] = [value for _number, _index, value in joined]
        for position, (number, index, _value) in enumerate(joined):
            self._origins[key, position] = (number, (key, index))

    def _origin(self, path: Path) -> tuple[int, Path]:
        for length in (2, 1):
            if path[:length] in self._origins and len(path) >= length:
                number, start = self._origins[path[:length]]
                return number, start + path[length:]
        return 0, path

    def place(self, path: Path) -> Place:
        """Where `path` of the whole stands."""
        number, own = self._origin(path)
        sheet = self.sheets[number]
        return number, sheet.line(own), sheet.place(own)

    def included_file(self, key: str) -> str | None:
        """The included file in which a single table stands; None if that is the including one."""
        number, _ = self._origin((key,))
        return self.sheets[number].name if number else None

    def position(self, path: Path) -> Path:
        """`path` with the index that its own sheet has for it."""
        return self._origin(path)[1]

    def from_profile(self, path: Path) -> bool:
        """Whether `path` comes from a profile that we ship."""
        return self.sheets[self._origin(path)[0]].profile
