"""From text to a sheet: reading a file, and hints for the traps of TOML itself."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path as FilePath
from typing import Any

from faultproxy.core.limits import SCENARIO_FILE
from faultproxy.core.units import show_size
from faultproxy.errors import ScenarioError
from faultproxy.scenario.locate import DEEPEST, TooDeep, locate
from faultproxy.scenario.sheet import LISTS, Sheet

_SINGLE = ("vars", "server", "client", "sandbox")
_WHERE = re.compile(r" ?\(at (?:line (\d+), column (\d+)|end of document)\)$")


def read_text(path: FilePath) -> str:
    """The text of a scenario file. Raises ScenarioError if it cannot be had."""
    try:
        if path.is_dir():
            raise ScenarioError(f"{path}: a folder, where a scenario file was expected: name the file")
        with path.open("rb") as file:
            raw = file.read(SCENARIO_FILE + 1)
    except FileNotFoundError as exc:
        raise ScenarioError(f"{path}: no such file{_neighbour(path)}") from exc
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise ScenarioError(f"{path}: cannot be read: {reason}") from exc
    if len(raw) > SCENARIO_FILE:
        raise ScenarioError(f"{path}: larger than {show_size(SCENARIO_FILE)}: this is no scenario file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise ScenarioError(f"{path}:{line}: not UTF-8 (byte 0x{raw[exc.start]:02x}): TOML is written in UTF-8; save the file so") from exc


def _neighbour(path: FilePath) -> str:
    try:
        names = sorted(os.listdir(path.parent))
    except OSError:
        return f": there is no folder {path.parent}" if not path.parent.exists() else ""
    stems = [name.removesuffix(".toml") for name in names if name.endswith(".toml")]
    near = get_close_matches(path.name.removesuffix(".toml"), stems, 1, 0.6)
    return f"; did you mean {path.parent / near[0]}.toml?" if near else ""


def sheet(text: str, name: str, *, profile: bool = False) -> tuple[Sheet, list[tuple[tuple[str], str]]]:
    """A text as a sheet, with the mistakes in its outermost shape. Raises ScenarioError if it is no TOML, or empty."""
    try:
        data = tomllib.loads(text)
        lines = locate(text)
    except (RecursionError, TooDeep) as exc:
        raise ScenarioError(f"{name}: tables or lists are nested deeper than {DEEPEST}: this is no scenario file") from exc
    except ValueError as exc:
        raise ScenarioError(_syntax(text, name, str(exc))) from exc
    if not data:
        raise ScenarioError(f'{name}: empty: a scenario says at least where the proxy listens, [proxy] listen = "127.0.0.1:0"')
    mistakes = _shape(data)
    return Sheet(name, data, lines, profile=profile), mistakes


def tables(data: Mapping[str, Any], name: str) -> tuple[Sheet, list[tuple[tuple[str], str]]]:
    """As `sheet`, of what is no text: a document in JSON, with the same keys."""
    data = dict(data)
    return Sheet(name, data), _shape(data)


def _shape(data: dict[str, Any]) -> list[tuple[tuple[str], str]]:
    mistakes = []
    for key, value in list(data.items()):
        if key in LISTS and key != "proxy" and isinstance(value, dict):
            mistakes.append(((key,), f"[{key}] is a single table, and there can be several: write [[{key}]]"))
            data[key] = [value]
        elif key in LISTS and not _tables(value):
            mistakes.append(((key,), f"expected tables, each below its own [[{key}]]"))
            del data[key]
        elif key in _SINGLE and isinstance(value, list):
            mistakes.append(((key,), f"there is only one: write [{key}], with single brackets"))
            del data[key]
        elif key in _SINGLE and not isinstance(value, dict):
            mistakes.append(((key,), f"expected a table: its keys stand below [{key}]"))
            del data[key]
    return mistakes


def _tables(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and all(isinstance(table, dict) for table in value))


def _syntax(text: str, name: str, message: str) -> str:
    """A syntax error as we tell it: the place first, then what `tomllib` says, then what was probably meant."""
    found = _WHERE.search(message)
    what = message[: found.start()] if found else message
    lines = text.replace("\r\n", "\n").split("\n")
    number = int(found[1]) if found and found[1] else len(lines)
    column = int(found[2]) if found and found[2] else 0
    line = lines[number - 1] if number <= len(lines) else ""
    if not found or not found[1]:
        number = max(1, len(text.rstrip().split("\n")))
        line = lines[number - 1]
        column = len(line) + 1
    hint = _hint(what, line, line[: column - 1], lines[: number - 1])
    what = what[:1].lower() + what[1:]
    return f"{name}:{number}: not valid TOML: {what}" + (f" ({hint})" if hint else "")


def _hint(what: str, line: str, before: str, above: list[str]) -> str:
    if declared := re.match(r"Cannot declare \('([\w-]+)',?\) twice", what):
        key = declared[1]
        return f"for several, write [[{key}]] each time, with two brackets" if key in LISTS else "put all its keys below one header"
    if "Cannot overwrite a value" in what or "Cannot mutate immutable namespace" in what or "Cannot declare" in what:
        return "the same key stands twice in one table, or as a value and as a table"
    if _open(before, "{", "}") and before.strip() in (line.strip(), line.partition("#")[0].strip()):
        return "an inline table { … } stands on one line; for more, write it as a table of its own below a [header]"
    if above and not line.strip() and _open(above[-1], "{", "}"):
        return "an inline table { … } stands on one line"
    value = re.match(r"\s*[\w.\"'-]+\s*=\s*(.*)$", line)
    word = value[1].split("#")[0].strip() if value else ""
    if re.fullmatch(r"[Tt]rue|[Ff]alse|TRUE|FALSE", word):
        return f"write {word.lower()}, in small letters"
    if re.fullmatch(r"[+-]?[\d.]+\s*[A-Za-z%µ/]+|[A-Za-z_][\w:.\-/]*", word):
        return f'strings and values with a unit stand in quotes: "{word}"'
    if "\\" in line and ("Unescaped" in what or "Invalid hex" in what):
        return r"a backslash in double quotes begins an escape; write it twice, or use single quotes: '\d+'"
    if word and word.startswith(("[", "{")) and re.search(r"[\[{,=]\s*[A-Za-z_][\w]*\s*[,\]}]", word):
        return "strings stand in quotes, in lists and inline tables too"
    if re.match(r"\s*[\w.-]+\s*:", line):
        return "TOML puts = between key and value, not a colon"
    return ""


def _open(text: str, opening: str, closing: str) -> bool:
    bare = re.sub(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'", "", text)
    return bare.count(opening) > bare.count(closing)
