"""One fault by itself, from a table: what a program adds to a proxy that runs already."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from faultproxy.errors import ScenarioError
from faultproxy.faults.base import Fault, Place
from faultproxy.faults.tables import BY_KIND
from faultproxy.scenario.check import missing
from faultproxy.scenario.kinds import unknown_kind
from faultproxy.scenario.mistakes import read


def single(table: Mapping[str, Any], others: Collection[str], place: Place) -> Fault:
    """The fault of a table as TOML has it (bytes stand for ``{hex = …}``), beside `others`, by name, and acting at `place`.

    Raises ScenarioError with every mistake.
    """
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in BY_KIND:
        raise ScenarioError(unknown_kind(kind))
    model = BY_KIND[kind]
    fault, found = read(model, {key: _plain(value) for key, value in table.items()})
    if not isinstance(fault, Fault):
        raise ScenarioError(*(_told(kind, path, _unknown(model, path) if what == "unknown key" else what) for path, what in found))
    mistakes = [_told(kind, (key,), reason) for key, reason in fault.unfit(place)]
    for key, other in (("on_fault", fault.on_fault), ("on_heal", fault.on_heal)):
        if other is not None and other not in others:
            mistakes.append(_told(kind, (key,), missing(other, "fault", others)))
    if mistakes:
        raise ScenarioError(*mistakes)
    return fault


def _plain(value: object) -> object:
    if isinstance(value, bytes | bytearray):
        return {"hex": bytes(value).hex()}
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _told(kind: str, path: tuple[str | int, ...], what: str) -> str:
    return f"fault {'.'.join([kind, *map(str, path)])}: {what}"


def _unknown(model: type[Fault], path: tuple[str | int, ...]) -> str:
    near = get_close_matches(str(path[-1]), model.model_fields, 1, 0.6) if len(path) == 1 else []
    return f"unknown key, did you mean `{near[0]}`?" if near else "unknown key"
