"""Faults written in words, as on a command line: ``latency delay=200ms on_match={s2c="LOGIN OK"}``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any

from faultproxy.scenario.mistakes import Mistakes

_CLOSES = {"{": "}", "[": "]"}


def words(text: str) -> list[str]:
    """Splits at blanks that stand in no quotes and no brackets; quotes stay, because values are TOML. Raises ValueError."""
    found: list[str] = []
    word, quote, open_brackets = "", "", ""
    position = 0
    while position < len(text):
        char = text[position]
        if quote:
            if char == "\\" and quote == '"':
                word += text[position : position + 2]
                position += 2
                continue
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in _CLOSES:
            open_brackets += _CLOSES[char]
        elif open_brackets and char == open_brackets[-1]:
            open_brackets = open_brackets[:-1]
        elif char.isspace() and not open_brackets:
            found += [word] if word else []
            word = ""
            position += 1
            continue
        word += char
        position += 1
    if quote or open_brackets:
        raise ValueError(f"{text!r} ends before {quote or open_brackets[-1]!r} closes what was opened")
    return [*found, word] if word else found


def value(text: str) -> Any:
    """A value: TOML if it is TOML, else the text itself. Raises ValueError if it begins like a list, a table or a quoted string."""
    try:
        found = tomllib.loads(f"value = {text}") if "\n" not in text else {}
    except ValueError as exc:
        if text[:1] in "[{\"'" and text:
            reason = re.sub(r" \(at .*\)$", "", str(exc))
            raise ValueError(
                f'{text} is not valid TOML ({reason[:1].lower()}{reason[1:]}): strings in it stand in quotes, {{s2c = "OK"}}'
            ) from exc
        return text
    plain = found.get("value", text) if set(found) <= {"value"} else text
    return plain if isinstance(plain, str | bool | int | float | list | dict) else text


def fault_table(text: str) -> dict[str, Any]:
    """The table that a fault in words stands for. Raises ValueError."""
    parts = words(text)
    if not parts:
        raise ValueError("nothing is written: expected a kind and its keys, such as 'latency delay=200ms'")
    table: dict[str, Any] = {}
    if not re.match(r"[\w-]+=", parts[0]):
        table["kind"] = parts.pop(0)
    for part in parts:
        key, equals, rest = part.partition("=")
        if not equals or not re.fullmatch(r"[\w-]+", key):
            raise ValueError(f"{part!r} is not key=value: after the kind come keys such as delay=200ms, without blanks around the =")
        if key in table:
            raise ValueError(f"`{key}` is given twice")
        if not rest:
            raise ValueError(f"`{key}=` has no value")
        table[key] = value(rest)
    return table


def fault_tables(inline: Sequence[str], mistakes: Mistakes, label: str = "--fault {}") -> list[dict[str, Any]]:
    """The tables of several faults; those that cannot be read are told, by their number in `label`, and left out."""
    tables = []
    for number, text in enumerate(inline, 1):
        try:
            tables.append(fault_table(text))
        except ValueError as exc:
            mistakes.add(label.format(number), str(exc), (0, number))
    return tables
