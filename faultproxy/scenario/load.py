"""Reads scenario files: every mistake at once, each as ``file:line: path: what is wrong``.

The way of a file: text, sheet (TOML with the places of its keys), merged with what it includes; then, for each case, variables filled
in, each table read by its model, the whole checked, and a `Scenario` made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any, Literal

from faultproxy.errors import ScenarioError
from faultproxy.scenario import profiles
from faultproxy.scenario.build import build
from faultproxy.scenario.cases import Case, cases_of, filled
from faultproxy.scenario.inline import fault_tables
from faultproxy.scenario.mistakes import Mistakes
from faultproxy.scenario.model import Scenario
from faultproxy.scenario.sheet import Merged, Sheet
from faultproxy.scenario.source import read_text, sheet, tables
from faultproxy.scenario.variables import Unknown, Value, fill, from_command_line


@dataclass(frozen=True, slots=True)
class Called:
    """How messages call what was given in words instead of in a file; `fault` takes the number of one."""

    where: str = "command line"
    fault: str = "--fault {}"
    listen: str = "--listen"
    upstream: str = "--upstream"
    intercept: str = "--intercept"


COMMAND_LINE = Called()
NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


def load(path: FilePath | str, *, variables: Mapping[str, str] = NO_VARIABLES, case: str | None = None) -> tuple[Scenario, ...]:
    """The scenarios of a file: one, or one for each of its cases (only `case`, if given). `variables` are those of ``--var``.

    Raises ScenarioError with every mistake in the file and in what it includes.
    """
    path = FilePath(path)
    return load_text(read_text(path), str(path), path.parent, variables=variables, case=case, path=path)


def load_text(
    text: str,
    name: str,
    base_dir: FilePath,
    *,
    variables: Mapping[str, str] = NO_VARIABLES,
    case: str | None = None,
    path: FilePath | None = None,
) -> tuple[Scenario, ...]:
    """As `load`, for a text that is already at hand. `name` is how messages call it; includes are looked for in `base_dir`."""
    return _load(*sheet(text, name), base_dir, variables=variables, case=case, path=path)


def load_tables(data: Mapping[str, Any], name: str, base_dir: FilePath) -> tuple[Scenario, ...]:
    """As `load_text`, for a document in JSON that has the keys of a file."""
    return _load(*tables(data, name), base_dir, variables={}, case=None, path=None)


def _load(
    own: Sheet,
    shape: Sequence[tuple[tuple[str], str]],
    base_dir: FilePath,
    *,
    variables: Mapping[str, str],
    case: str | None,
    path: FilePath | None,
) -> tuple[Scenario, ...]:
    mistakes = Mistakes()
    merged = Merged(own, _included(own, base_dir, variables, mistakes))
    for place, what in shape:
        mistakes.at(merged, place, what)
    return _scenarios(merged, mistakes, ident=FilePath(own.name).name, path=path, variables=variables, only=case)


def from_faults(
    inline: Sequence[str],
    listen: str = "127.0.0.1:0",
    upstream: str | None = None,
    *,
    protocol: Literal["tcp", "udp"] = "tcp",
    intercept: str | None = None,
    called: Called = COMMAND_LINE,
) -> Scenario:
    """A scenario of faults written in words: ``latency delay=200ms jitter=50ms direction=s2c on_match={s2c="LOGIN OK"}``.

    The first word is the kind; values are TOML, and whatever is no TOML is a string. With `intercept`, the address of a server, they act on
    its own connections and nothing listens. Raises ScenarioError with every mistake.
    """
    mistakes = Mistakes()
    proxy: dict[str, Any] = {"listen": listen, "protocol": protocol} | ({} if upstream is None else {"upstream": upstream})
    if intercept is not None:
        proxy = {"intercept": True, "upstream": intercept}
    data: dict[str, Any] = {"proxy": proxy, "fault": fault_tables(inline, mistakes, called.fault)}
    server = called.upstream if intercept is None else called.intercept
    labels: dict[tuple[str | int, ...], str] = {("proxy", "listen"): called.listen, ("proxy", "upstream"): server}
    labels |= {("fault", index): called.fault.format(index + 1) for index in range(len(inline))}
    merged = Merged(Sheet(called.where, data, labels=labels), ())
    return _scenarios(merged, mistakes, ident=called.where, path=None, variables={}, only=None)[0]


def _scenarios(
    merged: Merged, mistakes: Mistakes, *, ident: str, path: FilePath | None, variables: Mapping[str, str], only: str | None
) -> tuple[Scenario, ...]:
    made = []
    for case in _chosen(cases_of(merged, variables, mistakes), merged, only, mistakes):
        data, unfilled = filled(merged, case, mistakes)
        scenario = build(merged, data, case, mistakes, unfilled=unfilled, path=path, ident=ident)
        if scenario is not None:
            made.append(scenario)
    mistakes.raise_all()
    # What proves nothing in one case may be what the others are compared with: it is meant.
    common = set.intersection(*(set(scenario.remarks) for scenario in made)) if made else set()
    return tuple(replace(scenario, remarks=tuple(one for one in scenario.remarks if one in common)) for scenario in made)


def _chosen(cases: tuple[Case, ...], merged: Merged, only: str | None, mistakes: Mistakes) -> tuple[Case, ...]:
    if only is None:
        return cases
    chosen = tuple(case for case in cases if case.name == only)
    if not chosen:
        named = [case.name for case in cases if case.name]
        known = f"its cases are {', '.join(named)}" if named else "it has none"
        mistakes.add(merged.sheets[0].name, f"no case is called `{only}`: {known}", (-1, 0))
    return chosen or cases


# --------------------------------------------------------------- includes


def _included(own: Sheet, base_dir: FilePath, variables: Mapping[str, str], mistakes: Mistakes) -> tuple[Sheet, ...]:
    wanted = own.data.get("include", [])
    if not isinstance(wanted, list):
        return ()  # its model says so
    alone = Merged(own, ())
    found: dict[int, Sheet] = {}
    entries = [(index, name) for index, name in enumerate(_names(wanted, own, alone, variables, mistakes)) if name is not None]
    for index, name in entries:
        if not name.startswith("profile:") and (part := _file(alone, index, base_dir / name, mistakes)) is not None:
            found[index] = part
    protocol = _protocol([own, *found.values()])
    for index, name in entries:
        if name.startswith("profile:"):
            try:
                part, _ = sheet(profiles.text(name.removeprefix("profile:"), protocol), name, profile=True)
                found[index] = part
            except ScenarioError as exc:
                mistakes.at(alone, ("include", index), str(exc))
    return tuple(found[index] for index in sorted(found))


def _names(wanted: list[Any], own: Sheet, alone: Merged, variables: Mapping[str, str], mistakes: Mistakes) -> list[str | None]:
    """The entries of `include` with variables filled in: those of the file's own [vars] and --var, as cases come later."""
    table = own.data.get("vars")
    values: dict[str, Value] = {key: value for key, value in (table or {}).items() if isinstance(value, str | int | float)}
    values |= {key: from_command_line(value, values.get(key)) for key, value in variables.items()}
    names: list[str | None] = []
    for index, entry in enumerate(wanted):
        name: str | None = None
        if isinstance(entry, str):
            try:
                name = str(fill(entry, values, ()))
            except Unknown as exc:
                mistakes.at(alone, ("include", index), str(exc))
        if name is not None and not name.strip():
            mistakes.at(alone, ("include", index), "expected the name of a file or profile: the string is empty")
            name = None
        names.append(name)
    return names


def _file(alone: Merged, index: int, path: FilePath, mistakes: Mistakes) -> Sheet | None:
    try:
        text = read_text(path)
    except ScenarioError as exc:
        for mistake in exc.mistakes:
            mistakes.at(alone, ("include", index), mistake)
        return None
    try:
        part, shape = sheet(text, str(path))
    except ScenarioError as exc:
        for mistake in exc.mistakes:
            mistakes.told(mistake, (index + 1, 0))
        return None
    place = Merged(part, ())
    for where_, what in shape:
        mistakes.at(place, where_, what, behind=index + 1)
    if "include" in part.data:
        mistakes.at(place, ("include",), "an included file cannot include others: name them in the file that is run", behind=index + 1)
    return part


def _protocol(sheets: Sequence[Sheet]) -> Literal["tcp", "udp"]:
    for one in sheets:
        proxy = one.data.get("proxy")
        for table in proxy if isinstance(proxy, list) else [proxy]:
            if isinstance(table, dict) and table.get("protocol") == "udp":
                return "udp"
    return "tcp"
