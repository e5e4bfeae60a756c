"""On which line of a TOML file each key stands.

`tomllib` checks a file and gives its values but not their places. This scanner does the opposite: it takes for granted that the text
is valid TOML 1.0 and only finds the places, so it can skip over values without understanding them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

Path = tuple[str | int, ...]
"""Where something stands in a document: keys, and indices from 0 in lists: ``("fault", 1, "delay")``."""

DEEPEST = 32
"""Tables and lists within each other. No scenario needs ten; the bound keeps whatever walks a file off the end of the stack."""


class TooDeep(ValueError):
    """Tables or lists are nested deeper than DEEPEST."""


def locate(text: str) -> Mapping[Path, int]:
    """The line, counted from 1, of every key, table and element of a list in a text that `tomllib.loads` accepts.

    A table that is opened more than once (``[[fault]]``) has the line of each opening under its own index, and the first under its
    bare name. Raises TooDeep.
    """
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.document()
    return scanner.lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._line = 1
        self._counted_to = 0
        self._opened: dict[Path, int] = {}

    # ---------------------------------------------------------------- tokens

    def _peek(self, wanted: str) -> bool:
        return self._text.startswith(wanted, self._at)

    def _skip(self, blank: str) -> None:
        """Passes over characters of `blank`, and over comments if `blank` has the line feed."""
        while self._at < len(self._text):
            if self._text[self._at] in blank:
                self._at += 1
            elif "\n" in blank and self._text[self._at] == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            else:
                return

    def _mark(self, path: Path) -> None:
        if len(path) > DEEPEST:
            raise TooDeep(f"tables and lists are nested deeper than {DEEPEST}")
        self._line += self._text.count("\n", self._counted_to, self._at)
        self._counted_to = self._at
        self.lines.setdefault(path, self._line)

    def _string(self) -> None:
        quote = self._text[self._at]
        escapes = quote == '"'
        if self._peek(quote * 3):
            self._to_end(quote * 3, escapes)
            while self._peek(quote):  # one or two quotes may stand right before the three that close
                self._at += 1
        else:
            self._to_end(quote, escapes)

    def _to_end(self, closing: str, escapes: bool) -> None:
        self._at += len(closing)
        while not self._peek(closing):
            self._at += 2 if escapes and self._text[self._at] == "\\" else 1
        self._at += len(closing)

    # ------------------------------------------------------------------ keys

    def _key(self) -> tuple[str, ...]:
        """A key with its dots, up to what follows it."""
        parts = []
        while True:
            self._skip(" \t")
            start = self._at
            if self._text[start] in "\"'":
                self._string()
                parts.append(str(tomllib.loads(f"key = {self._text[start : self._at]}")["key"]))
            else:
                while self._text[self._at] not in " \t.=]":
                    self._at += 1
                parts.append(self._text[start : self._at])
            self._skip(" \t")
            if not self._peek("."):
                return tuple(parts)
            self._at += 1

    def document(self) -> None:
        table: Path = ()
        while True:
            self._skip(" \t\n")
            if self._at >= len(self._text):
                return
            if self._peek("["):
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        several = self._peek("[[")
        start = self._at
        self._at += 2 if several else 1
        *outer, last = self._key()
        self._at += 2 if several else 1
        end, self._at = self._at, start  # everything in a header stands on its line
        path: Path = ()
        for key in outer:
            path = self._inside((*path, key))
        path = (*path, last)
        self._mark(path)
        if several:
            self._opened[path] = self._opened.get(path, 0) + 1
            path = self._inside(path)
            self._mark(path)
        self._at = end
        return path

    def _inside(self, path: Path) -> Path:
        """`path`, or the last of the list of tables that stands there."""
        self._mark(path)
        return (*path, self._opened[path] - 1) if path in self._opened else path

    def _pair(self, table: Path) -> None:
        self._skip(" \t")
        start = self._at
        keys = self._key()
        end, self._at = self._at, start
        path = table
        for key in keys:
            path = (*path, key)
            self._mark(path)
        self._at = end + 1  # the equals sign
        self._skip(" \t")
        self._value(path)

    # ---------------------------------------------------------------- values

    def _value(self, path: Path) -> None:
        first = self._text[self._at]
        if first in "\"'":
            self._string()
        elif first == "[":
            self._list(path)
        elif first == "{":
            self._inline_table(path)
        else:
            while self._at < len(self._text) and self._text[self._at] not in ",]}#\n":
                self._at += 1

    def _list(self, path: Path) -> None:
        self._at += 1
        index = 0
        while True:
            self._skip(" \t\n,")
            if self._peek("]"):
                self._at += 1
                return
            self._mark((*path, index))
            self._value((*path, index))
            index += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while True:
            self._skip(" \t\n,")
            if self._peek("}"):
                self._at += 1
                return
            self._pair(path)
