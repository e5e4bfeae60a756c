"""`${name}` and `$$` in the strings of a scenario. A `$` before anything else is itself, so that `'^OK$'` needs no care.

Two moments: on loading, `[vars]`, `[[case]]` and `--var` are filled in; what only a run can know (`RUN_TIME`) stays as it is where it is
allowed, and is filled in by `substitute` when it is needed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import overload

Value = str | int | float | bool
"""What a variable can hold."""

RUN_TIME = ("proxy_host", "proxy_port", "server_port", "seed", "n")
"""Names that only a run can fill in; `n` is the number of a crowd's member."""

_REFERENCE = re.compile(r"\$\$|\$\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


LONGEST = 2**18
"""Characters of a string once it is filled in: with variables that are made of others, ten lines could otherwise fill all memory."""


class Unknown(ValueError):
    """A reference that cannot be filled in; the message says why and what may have been meant."""


def is_name(name: str) -> bool:
    """Whether `name` can stand in ``${…}``."""
    return _NAME.fullmatch(name) is not None


def references(text: str) -> tuple[str, ...]:
    """The names that `text` refers to, in order."""
    return tuple(found[1] for found in _REFERENCE.finditer(text) if found[1] is not None)


@overload
def substitute(text: str, values: Mapping[str, Value]) -> str: ...
@overload
def substitute(text: list[str] | tuple[str, ...], values: Mapping[str, Value]) -> tuple[str, ...]: ...
def substitute(text: str | list[str] | tuple[str, ...], values: Mapping[str, Value]) -> str | tuple[str, ...]:
    """Fills in every ``${name}`` and turns ``$$`` into ``$``, in a string or in each of a list. Raises Unknown."""
    if not isinstance(text, str):
        return tuple(substitute(part, values) for part in text)
    return _REFERENCE.sub(_filler(values, (), ""), text)


def fill(text: str, values: Mapping[str, Value], later: Iterable[str], known: Iterable[str] = RUN_TIME) -> Value:
    """What `text` stands for once `values` are filled in; alone in its string, a value keeps its type.

    With `later` (names of `RUN_TIME` that are allowed here) the result is a template still, and always a string: their references and
    every ``$$`` are kept for `substitute`. Raises Unknown, also for names that are `known` but not allowed here.
    """
    later = tuple(later)
    long = sum(len(shown(values[name])) for name in references(text) if name in values)
    if long > LONGEST:
        raise Unknown(f"filled in, this would have {long} characters; a string has at most {LONGEST}")
    whole = _REFERENCE.fullmatch(text)
    if whole and not later and whole[1] in values and not isinstance(values[whole[1]], str):
        return values[whole[1]]
    return _REFERENCE.sub(_filler(values, later, "$" if later else "", known), text)


def _filler(
    values: Mapping[str, Value], later: tuple[str, ...], escape: str, known: Iterable[str] = RUN_TIME
) -> Callable[[re.Match[str]], str]:
    def one(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return escape + "$"
        if name in values:
            text = shown(values[name])
            return text.replace("$", "$$") if escape else text
        if name in later:
            return found[0]
        raise Unknown(_complaint(name, [*values, *later], known))

    return one


def _complaint(name: str, here: Sequence[str], known: Iterable[str]) -> str:
    if name == "n" and name in known:
        return "`${n}` is the number of a crowd's member: it is known only in the `hello`, `send` and `reply` of a [[crowd]]"
    if name in known:
        return (
            f"`${{{name}}}` is known only while a run goes on: it can stand in a `command`, a `hello`, `send` or `reply`, and in `contains`"
        )
    near = get_close_matches(name, here, 1)
    hint = f"did you mean `${{{near[0]}}}`?" if near else f"known here: {', '.join(here) or 'none'}; define it in [vars] or with --var"
    return f"unknown name `${{{name}}}`: {hint}"


def shown(value: Value) -> str:
    """A value inside a longer string: as TOML writes it, a string without its quotes."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def from_command_line(text: str, default: Value | None) -> Value:
    """The value of ``--var name=text``: a number or boolean where it is written as one, unless the file's own default is a string."""
    if isinstance(default, str):
        return text
    try:
        value = tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text
