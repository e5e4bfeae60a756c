"""Reads what a caller sends: faults and scenarios. Nothing named in them is opened, started or looked up on this machine."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from faultproxy.control.errors import Bounded, Taken
from faultproxy.control.post import FAULTS
from faultproxy.control.security import Limits
from faultproxy.control.v1 import expressions
from faultproxy.core.units import show_duration
from faultproxy.errors import ScenarioError
from faultproxy.faults.base import Choice, Fault, Place
from faultproxy.faults.tables import BY_KIND
from faultproxy.scenario import Scenario, load_tables, load_text
from faultproxy.scenario.check import missing
from faultproxy.scenario.kinds import unknown_kind
from faultproxy.scenario.mistakes import read

FORBIDDEN = {
    "server": "it names a command, and no command is run for a caller: start the server yourself, and name its address as `upstream`",
    "client": "it names a command, and no command is run for a caller: start it yourself while the scenario is played",
    "sandbox": "a process enters a network of its own before it does anything else: use `faultproxy test`",
}
PROFILE = "profile:"
UNIX = "unix:"
CROWD = 500
"""Members of crowds that play in the daemon's own process."""
LONGEST = 3600.0
"""Seconds that a scenario may take."""
ENTRIES = 200
"""Keys at the top of a scenario, tables of one sort below them, and keys of a fault: whoever has more of them cannot be helped by a list of
his mistakes, which would take long to draw up."""
CALLED = "scenario"
"""How messages call what was sent."""


def faults(tables: Sequence[Mapping[str, Any]], limits: Limits, *, beside: Collection[str] = ()) -> tuple[Fault, ...]:
    """The faults of these tables, for a TCP proxy that has those named in `beside`.

    Raises ScenarioError with every mistake, Taken, or Bounded.
    """
    if len(tables) + len(beside) > FAULTS:
        raise Bounded(f"a proxy has at most {FAULTS} faults: delete some")
    if too_long := expressions.too_long(tables):
        raise ScenarioError(*too_long)
    found: list[Fault] = []
    mistakes: list[str] = []
    for number, table in enumerate(tables, 1):
        where = f"fault {table.get('name') or table.get('kind') or number!r}"[: limits.name]
        fault, wrong = _fault(table, limits)
        mistakes += [f"{where}: {what}" for what in wrong]
        if fault is not None:
            found.append(fault)
    names = [*beside, *(fault.name for fault in found)]
    for fault in found:
        if fault.name in beside:
            raise Taken(f"there is a fault called {fault.name!r} already: give yours another `name`")
        mistakes += [f"fault {fault.name}: {what}" for what in _references(fault, names)]
    if mistakes:
        raise ScenarioError(*mistakes)
    return tuple(found)


def scenario(sent: str | Mapping[str, Any]) -> Scenario:
    """The scenario of a TOML text, or of a document in JSON with the same keys. Raises ScenarioError, Bounded.

    What would read a file or run a command is refused, and so are several cases: name one by sending it alone. It may take a second: where
    bytes are carried, that is for a thread (`parts.Control.scenario`).
    """
    refuse(sent)
    (found,) = load_text(sent, CALLED, Path()) if isinstance(sent, str) else load_tables(sent, CALLED, Path())
    if len(found.faults) > FAULTS:
        raise Bounded(f"a scenario has at most {FAULTS} faults here")
    if unsupported := found.unsupported():
        raise ScenarioError(*unsupported)
    parts = [(kind, part) for kind in ("fault", "probe", "crowd") for part in getattr(found, f"{kind}s")]
    if slow := [f"{CALLED}: {kind} {part.name}: {what}" for kind, part in parts for what in expressions.slow(part)]:
        raise ScenarioError(*slow)
    return found


def playable(scenario: Scenario) -> None:
    """Raises ScenarioError for a scenario that cannot be played here, though its faults could be applied."""
    mistakes = [f"{CALLED}: {lacking}" for lacking in scenario.lacking_for_test()]
    mistakes += [
        f"{CALLED}: proxy {proxy.name}: `upstream` is missing: what it connects to" for proxy in scenario.proxies if not proxy.upstream
    ]
    members = sum(crowd.count for crowd in scenario.crowds)
    if members > CROWD:
        mistakes.append(f"{CALLED}: crowds of {members} in all: at most {CROWD} play here, beside the daemon's own work")
    if scenario.timeout > LONGEST:
        mistakes.append(f"{CALLED}: timeout: at most {show_duration(LONGEST)} here")
    if mistakes:
        raise ScenarioError(*mistakes)


def refuse(sent: str | Mapping[str, Any]) -> None:
    """Raises ScenarioError for what no caller may ask for. It looks at the document before anything in it is followed."""
    data: Mapping[str, Any]
    if isinstance(sent, str):
        try:
            data = tomllib.loads(sent)
        except (ValueError, RecursionError):
            return  # `load_text` says what is wrong with it, and does no more
    else:
        data = sent
    mistakes = [f"{CALLED}: [{key}] is refused: {why}" for key, why in FORBIDDEN.items() if key in data]
    if len(data) > ENTRIES or any(isinstance(part, list | dict) and len(part) > ENTRIES for part in data.values()):
        raise ScenarioError(f"{CALLED}: at most {ENTRIES} keys stand at its top, and at most {ENTRIES} tables or keys below each of them")
    cases = data.get("case")
    if isinstance(cases, list) and len(cases) > 1:  # and none of them is read: each is a whole scenario
        raise ScenarioError(f"{CALLED}: case: it has {len(cases)} cases, and one can be played at a time: send it with one")
    include = data.get("include", [])
    for entry in include if isinstance(include, list) else [include]:
        if not (isinstance(entry, str) and entry.startswith(PROFILE) and "$" not in entry):
            mistakes.append(f"{CALLED}: include = {str(entry)[:100]!r} is refused: no file is read for a caller; profiles can be included")
    mistakes += [f"{CALLED}: {what}" for what in expressions.too_long(data)]
    proxies = data.get("proxy", {})
    for table in proxies if isinstance(proxies, list) else [proxies]:
        if isinstance(table, Mapping):
            mistakes += [f"{CALLED}: {what}" for key in ("listen", "upstream") for what in unix(key, table.get(key))]
    if mistakes:
        raise ScenarioError(*mistakes)


def unix(key: str, address: object) -> list[str]:
    """Why that address is refused: a unix socket is a file, and what stands behind one trusts whoever may open it."""
    if isinstance(address, str) and (address.startswith(UNIX) or "$" in address):
        return [f"{key}: {address[:100]!r} is refused: a caller may name HOST:PORT only; unix sockets are for `--config`"]
    return []


def _fault(table: Mapping[str, Any], limits: Limits) -> tuple[Fault | None, list[str]]:
    kind = table.get("kind")
    if len(table) > ENTRIES:
        return None, [f"it has {len(table)} keys, and no fault has more than {ENTRIES}"]
    if kind is None:
        return None, ['`kind` is missing: it says what goes wrong, such as "latency"']
    if not isinstance(kind, str) or kind not in BY_KIND:
        return None, [unknown_kind(kind)]
    model = BY_KIND[kind]
    value, found = read(model, dict(table))
    if not isinstance(value, Fault):
        known = [field.alias or name for name, field in model.model_fields.items()]
        return None, [f"{'.'.join(map(str, path))}: {_meant(path, what, known)}".removeprefix(": ") for path, what in found]
    return value, list(_unfit(value, limits))


def _meant(path: Sequence[str | int], what: str, known: Sequence[str]) -> str:
    if what != "unknown key" or len(path) != 1:
        return what
    near = get_close_matches(str(path[0]), known, 1, 0.6)
    return f"unknown key; did you mean `{near[0]}`?" if near else f"unknown key; known here: {', '.join(known)}"


def _unfit(fault: Fault, limits: Limits) -> Iterator[str]:
    name = fault.name
    if not name.strip() or not name.isprintable() or "/" in name or len(name) > limits.name:
        yield f"name: expected 1 to {limits.name} characters that can be seen, and no /"
    if fault.proxy is not None:
        yield "proxy: it belongs to the proxy that it is sent to: leave this key out"
    choice = fault.connections
    if isinstance(choice, Choice) and (choice.crowd is not None or choice.probe is not None):
        yield "connections: crowds and probes take part in scenarios that are played only"
    yield from expressions.slow(fault)
    if reason := fault.cannot_run():
        yield reason
    for key, reason in fault.unfit(Place(udp=False, intercept=False, unix_legs=frozenset())):
        yield f"{key}: {reason}"


def _references(fault: Fault, names: Sequence[str]) -> Iterator[str]:
    if names.count(fault.name) > 1:
        yield "name: there is another of that name: give each a `name`"
    for key, other in (("on_fault", fault.on_fault), ("on_heal", fault.on_heal)):
        if other is not None and other not in names:
            yield f"{key}: {missing(other, 'fault', [name for name in names if name != fault.name])}"
