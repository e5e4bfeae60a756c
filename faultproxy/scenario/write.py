"""Writes scenario files that read back equal."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

import toml

# A newline and its like may stand in a message as an escape; anything else below space is for a program and not for a reader.
_READABLE = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*")


class _Encoder(toml.TomlEncoder):  # type: ignore[type-arg]
    """The `toml` package, with keys and values written by us: it garbles control characters and tables inside lists, and it would open a
    table inside a table below a header, which then catches the keys behind it."""

    def dump_sections(self, o: Any, sup: str) -> tuple[str, dict[str, Any]]:
        """Every key of a table on one line; nothing is left to be opened below a header."""
        return "".join(f"{key(name)} = {inline(value)}\n" for name, value in o.items()), {}


def inline(value: Any) -> str:
    """A value on one line, as TOML. Raises TypeError for what TOML does not have."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            # A basic string of TOML has the escapes of JSON; only DEL must be escaped besides.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case int() | date() | datetime() | time():
            return str(value) if isinstance(value, int) else value.isoformat()
        case float():
            return repr(value) if math.isfinite(value) else {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")
        case Mapping():
            return "{" + ", ".join(f"{key(name)} = {inline(part)}" for name, part in value.items()) + "}"
        case Sequence():
            return "[" + ", ".join(inline(part) for part in value) + "]"
    raise TypeError(f"TOML has nothing for {value!r}")


def key(name: str) -> str:
    """A key, in quotes where it needs them."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else inline(name)


def message(data: bytes) -> str | dict[str, str]:
    """Bytes as a scenario has them: a string where that can be read, else ``{hex = "ff 00"}``."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {"hex": data.hex(" ")}
    return text if _READABLE.fullmatch(text) else {"hex": data.hex(" ")}


def dumps(document: Mapping[str, Any]) -> str:
    """A scenario as TOML: single keys first, then tables, then lists of tables with each table's own parts on one line.

    Bytes become a string or ``{hex = …}``; None is left out. Raises TypeError for what TOML does not have, and ValueError if the text
    would not read back equal.
    """
    plain = _plain(document)
    head = {name: value for name, value in plain.items() if not _is_table(value) and not _are_tables(value)}
    parts = [_keys(head)] if head else []
    for name, value in plain.items():
        if _is_table(value):
            parts.append(f"[{key(name)}]\n{_keys(value)}")
        elif _are_tables(value):
            parts += [f"[[{key(name)}]]\n{_keys(table)}" for table in value]
    text = "\n".join(parts)
    if tomllib.loads(text) != plain:
        raise ValueError("the document cannot be written so that it reads back equal")
    return text


def _keys(table: dict[str, Any]) -> str:
    return toml.dumps(table, encoder=_Encoder())


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(table, dict) for table in value)


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            return message(value)
        case Mapping():
            return {str(name): _plain(part) for name, part in value.items() if part is not None}
        case str():
            return value
        case Sequence():
            return [_plain(part) for part in value]
    return value
