"""Places of keys, in documents whose places are known because the test has laid them out."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultproxy.scenario.locate import DEEPEST, Path, TooDeep, locate

KEYS = st.one_of(
    st.text("abcdefgh_-0123456789", min_size=1, max_size=6),
    st.text(st.characters(codec="utf-8", exclude_characters="\x7f", min_codepoint=32), max_size=6),
)
SCALARS = st.one_of(
    st.integers(-(2**40), 2**40),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\x7f")),
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6)
TABLES = st.dictionaries(KEYS, VALUES, max_size=4)
DOCUMENTS = st.tuples(TABLES, st.dictionaries(KEYS, st.one_of(TABLES, st.lists(TABLES, min_size=1, max_size=3)), max_size=4))


class Writer:
    """Writes TOML line by line and remembers on which line it has put what."""

    def __init__(self, draw: Any) -> None:
        self.lines: list[str] = []
        self.places: dict[Path, int] = {}
        self._draw = draw

    def pick(self, *choices: Any) -> Any:
        return self._draw(st.sampled_from(choices))

    def here(self, path: Path) -> None:
        self.places.setdefault(path, len(self.lines) + 1)

    def key(self, key: str) -> str:
        if key and all(char.isascii() and (char.isalnum() or char in "_-") for char in key) and self.pick(True, False):
            return key
        if "'" not in key and key.isprintable() and self.pick(True, False):
            return f"'{key}'"
        return json.dumps(key, ensure_ascii=False)

    def put(self, text: str) -> None:
        """A part of the current line."""
        self.lines[-1] += text

    def pair(self, table: Path, key: str, value: Any) -> None:
        self.lines.append("")
        self.places[*table, key] = len(self.lines)
        self.put(self.key(key) + self.pick("=", " = ", "\t=\t"))
        self.value((*table, key), value, self.pick(True, False))
        self.put(self.pick("", " ", " # a = [comment] \"'"))
        if self.pick(True, False):
            self.lines.append(self.pick("", "  ", "# [not] = 'a table'"))

    def value(self, path: Path, value: Any, broken: bool) -> None:
        """A value, over several lines where `broken` and TOML allow it."""
        match value:
            case list():
                self.put("[")
                for index, part in enumerate(value):
                    if broken:
                        self.lines.append(self.pick("", "# ]", "  "))
                        self.lines.append("")
                    self.places[*path, index] = len(self.lines)
                    self.value((*path, index), part, broken)
                    self.put(self.pick(",", " , ") if index < len(value) - 1 else self.pick("", ","))
                self.put("]")
            case dict():
                self.put("{")
                for index, (key, part) in enumerate(value.items()):
                    self.put(", " if index else " ")
                    self.places[*path, key] = len(self.lines)
                    self.put(self.key(key) + " = ")
                    self.value((*path, key), part, False)
                self.put("}")
            case str() if broken and value.isprintable() and "'" not in value:
                self.put("'''")
                self.lines.append(value + "'''" + self.pick("", "'"))
            case str():
                self.put(json.dumps(value, ensure_ascii=False))
            case bool():
                self.put(str(value).lower())
            case _:
                self.put(repr(value))


def laid_out(writer: Writer, top: dict[str, Any], tables: dict[str, Any]) -> str:
    for key, value in top.items():
        writer.pair((), key, value)
    for key, value in tables.items():
        if key in top:
            continue
        for index, table in enumerate(value if isinstance(value, list) else [value]):
            several = isinstance(value, list)
            path: Path = (key, index) if several else (key,)
            writer.here((key,))
            writer.here(path)
            writer.lines.append(f"[[ {writer.key(key)} ]]" if several else f"[{writer.key(key)}]")
            for inner, part in table.items():
                writer.pair(path, inner, part)
    line_end: str = writer.pick("\n", "\r\n")
    return line_end.join(writer.lines)


def paths(node: Any, path: Path = ()) -> Iterator[Path]:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from paths(value, (*path, key))


@settings(deadline=None, max_examples=200)
@given(st.data(), DOCUMENTS)
def test_every_key_is_found_where_it_was_put(data: st.DataObject, document: tuple[dict[str, Any], dict[str, Any]]) -> None:
    writer = Writer(data.draw)
    text = laid_out(writer, *document)
    found = locate(text)
    assert found == writer.places
    assert set(found) == set(paths(tomllib.loads(text)))


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", {}),
        ("# only\n\n  # comments", {}),
        ("a = 1", {("a",): 1}),
        ("a.b.c = 1\na.d = 2\n", {("a",): 1, ("a", "b"): 1, ("a", "b", "c"): 1, ("a", "d"): 2}),
        ('\n"a b".\'c\' = """\n"""\nd = 1', {("a b",): 2, ("a b", "c"): 2, ("d",): 4}),
        ('a = """x\n\\""" y"""""\nb = 1', {("a",): 1, ("b",): 3}),
        ("a = '''\n'''''\nb = 1", {("a",): 1, ("b",): 3}),
        ("[x.y]\n[x]\nz = 1", {("x",): 1, ("x", "y"): 1, ("x", "z"): 3}),
        (
            "[[f]]\nk = 1\n[f.sub]\nl = 1\n[[f]]\n[f.sub]\nl = 2\n[[f.g]]\n[[f.g]]\nm = 1",
            {
                ("f",): 1,
                ("f", 0): 1,
                ("f", 0, "k"): 2,
                ("f", 0, "sub"): 3,
                ("f", 0, "sub", "l"): 4,
                ("f", 1): 5,
                ("f", 1, "sub"): 6,
                ("f", 1, "sub", "l"): 7,
                ("f", 1, "g"): 8,
                ("f", 1, "g", 0): 8,
                ("f", 1, "g", 1): 9,
                ("f", 1, "g", 1, "m"): 10,
            },
        ),
        ("t = 1979-05-27 07:32:00Z # when\nu = 1", {("t",): 1, ("u",): 2}),
        ("a = [ [1,\n 2], # ]\n {b = 'c,}', d = []},\n]", None),
    ],
)
def test_forms_that_toml_has(text: str, places: dict[Path, int] | None) -> None:
    if places is None:
        places = {("a",): 1, ("a", 0): 1, ("a", 0, 0): 1, ("a", 0, 1): 2, ("a", 1): 3, ("a", 1, "b"): 3, ("a", 1, "d"): 3}
    assert locate(text) == places


def test_depth_is_bounded() -> None:
    text = "a = " + "[" * DEEPEST + "]" * DEEPEST
    assert len(locate(text)) == DEEPEST
    with pytest.raises(TooDeep):
        locate("a = " + "[" * (DEEPEST + 2) + "]" * (DEEPEST + 2))
