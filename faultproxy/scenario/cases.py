"""`[vars]`, `[[case]]` and `--var`: the variables of each case, and a document in which they are filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from faultproxy.scenario.locate import Path
from faultproxy.scenario.mistakes import Mistakes
from faultproxy.scenario.model import Head
from faultproxy.scenario.observables import meant
from faultproxy.scenario.sheet import Merged
from faultproxy.scenario.variables import RUN_TIME, Unknown, Value, fill, from_command_line, is_name, references

_NOT_FILLED = ("vars", "case", "include")
_FILLED = 2**22
"""Characters of all strings together once they are filled in."""
_OF_THE_RUN = tuple(name for name in RUN_TIME if name != "n")


@dataclass(frozen=True)
class Case:
    """One test of a file; without [[case]] there is one, which has no name."""

    name: str
    variables: Mapping[str, Value]


def cases_of(merged: Merged, given: Mapping[str, str], mistakes: Mistakes) -> tuple[Case, ...]:
    """The cases of a document with all their variables: [vars], under those of the case, under those `given` on the command line."""
    used = _used(merged.data)
    defaults = _variables(merged, ("vars",), used, mistakes)
    tables = merged.data.get("case", [])
    named: list[tuple[str, dict[str, Value]]] = []
    for index, table in enumerate(tables):
        name = table.get("name")
        if not isinstance(name, str) or not name or not name.isprintable() or set(name) & set("[]"):
            mistakes.at(merged, ("case", index), "a case needs a `name`, without square brackets: it is shown as file.toml[name]")
        elif name in [other for other, _ in named]:
            mistakes.at(merged, ("case", index, "name"), f"there is another case called `{name}`: names are used once")
        named.append((str(name), _variables(merged, ("case", index), used, mistakes)))
    known = {*defaults, *(key for _, own in named for key in own)}
    for name in given:
        if name in RUN_TIME:
            mistakes.add("--var", f"`{name}` is filled in by the run and cannot be set", (-1, 0))
        elif name not in known | used:
            mistakes.add("--var", f"nothing in the file uses `${{{name}}}`: {meant(name, sorted(known | used))}", (-1, 0))
    every = [(name, defaults | own) for name, own in named] or [("", defaults)]
    return tuple(Case(name, _resolved(merged, own, given, mistakes)) for name, own in every)


def _resolved(merged: Merged, own: dict[str, Value], given: Mapping[str, str], mistakes: Mistakes) -> dict[str, Value]:
    """Variables may be made of others: ``url = "redis://${host}"``."""
    raw = own | {name: from_command_line(text, own.get(name)) for name, text in given.items()}
    done: dict[str, Value] = {}

    def resolve(name: str, waiting: tuple[str, ...]) -> Value:
        value = raw[name]
        if name in done or not isinstance(value, str) or name in given:
            return done.setdefault(name, value)
        if name in waiting:
            raise Unknown(f"`${{{name}}}` is made of itself")
        parts = {other: resolve(other, (*waiting, name)) for other in references(value) if other in raw}
        return done.setdefault(name, fill(value, parts, ()))

    for name in raw:
        try:
            resolve(name, ())
        except Unknown as exc:
            mistakes.at(merged, ("vars", name), str(exc))
            done[name] = raw[name]
    return done


def _variables(merged: Merged, path: Path, used: set[str], mistakes: Mistakes) -> dict[str, Value]:
    table: Any = merged.data
    for key in path:
        table = table[key] if not isinstance(table, dict) or key in table else {}
    found: dict[str, Value] = {}
    for name, value in table.items():
        where = (*path, name)
        if name == "name" and path[0] == "case":
            continue
        if not isinstance(value, str | int | float):
            mistakes.at(merged, where, f"a variable is a string, a number, true or false, not {value!r}")
        elif not is_name(name):
            mistakes.at(merged, where, "the name of a variable has letters, digits, `_` and `-`, and begins with a letter")
        elif name in RUN_TIME:
            mistakes.at(merged, where, f"`{name}` is filled in by the run: choose another name")
        elif name in Head.model_fields and name not in used:
            what = f"`{name}` is a variable here, and nothing uses it: if it is meant for the whole file, put it above the first table"
            mistakes.at(merged, where, what)
        else:
            found[name] = value
    return found


def _used(node: Any) -> set[str]:
    if isinstance(node, str):
        return set(references(node))
    if isinstance(node, dict | list):
        return {name for part in (node.values() if isinstance(node, dict) else node) for name in _used(part)}
    return set()


def filled(merged: Merged, case: Case, mistakes: Mistakes) -> tuple[dict[str, Any], frozenset[Path]]:
    """The document with the variables of a case filled in, and the places where that could not be done."""
    unfilled: set[Path] = set()
    size = 0

    def walk(node: Any, path: Path) -> Any:
        nonlocal size
        if isinstance(node, str):
            if size > _FILLED:
                return node
            try:
                value = fill(node, case.variables, _later(path))
                size += len(value) if isinstance(value, str) else 0
                if size > _FILLED:
                    raise Unknown(f"filled in, the strings up to this one have more than {_FILLED} characters: this is no scenario file")
                return value
            except Unknown as exc:
                mistakes.at(merged, path, str(exc))
                unfilled.add(path)
                return node
        if isinstance(node, dict):
            return {key: walk(value, (*path, key)) for key, value in node.items()}
        if isinstance(node, list):
            return [walk(value, (*path, index)) for index, value in enumerate(node)]
        return node

    data = {key: value if key in _NOT_FILLED else walk(value, (key,)) for key, value in merged.data.items()}
    return data, frozenset(unfilled)


def _later(path: Path) -> tuple[str, ...]:
    """Which names may stay in the string at `path` until the run fills them in."""
    section, last = path[0], path[-1]
    if section in ("server", "client") and len(path) == 3 and (path[1] == "command" or path[1:] == ("ready", "log")):
        return _OF_THE_RUN
    if section in ("probe", "crowd") and last in ("send", "reply"):
        return RUN_TIME if section == "crowd" else _OF_THE_RUN
    if section == "expect" and last == "contains":
        return _OF_THE_RUN
    return ()
