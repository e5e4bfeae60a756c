"""Mistakes in a scenario: collected, put into plain words, and told all at once."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from faultproxy.errors import ScenarioError
from faultproxy.scenario.locate import Path
from faultproxy.scenario.sheet import Merged

Found = tuple[Path, str]
"""A mistake: where, relative to the table that was read, and what."""


class Mistakes:
    """All mistakes of one loading, each told once however many cases meet it."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, int, int]] = {}

    def add(self, where: str, what: str, order: tuple[int, int] = (0, 0)) -> None:
        """A mistake at a place that is already in words."""
        self.told(f"{where}: {what}", order)

    def told(self, message: str, order: tuple[int, int] = (0, 0)) -> None:
        """A mistake that is all in words, with its place."""
        self._found.setdefault(message, (*order, len(self._found)))

    def at(self, merged: Merged, path: Path, what: str, *, behind: int = 0) -> None:
        """A mistake at a path of the document, told behind those of so many other sheets."""
        number, line, _ = merged.place(path)
        self.add(in_words(merged, path), what, (number + behind, line))

    def __bool__(self) -> bool:
        return bool(self._found)

    def raise_all(self) -> None:
        """Raises ScenarioError if there was any: those of the file first, then those of what it includes, by line."""
        if self._found:
            raise ScenarioError(*sorted(self._found, key=self._found.__getitem__))


def in_words(merged: Merged, path: Path) -> str:
    """A place as messages name it: ``file.toml:12: expect[2].within``."""
    place, named = merged.place(path)[2], shown(merged, path)
    return f"{place}: {named}" if named else place


def shown(merged: Merged, path: Path) -> str:
    """A path as messages name it: ``fault "late".delay``, ``expect[2].within``, counted from 1 in its own file."""
    text = ""
    node: Any = merged.data
    position = merged.position(path)
    for depth, key in enumerate(path):
        node = step(node, key)
        if isinstance(key, str):
            text += f".{key}" if text else key
        elif isinstance(node, dict) and depth == 1 and isinstance(name := node.get("name") or node.get("kind"), str):
            text += f' "{name}"'
        else:
            own = position[depth]
            text += f"[{own + 1 if isinstance(own, int) else own}]"
    return text


def step(node: Any, key: str | int) -> Any:
    """What stands at `key` of a table or list; None if nothing does."""
    return node[key] if _has(node, key) else None


def _has(node: Any, key: str | int) -> bool:
    if isinstance(node, dict):
        return key in node
    return isinstance(node, list) and isinstance(key, int) and key < len(node)


def read(model: type[BaseModel], raw: Any) -> tuple[BaseModel | None, list[Found]]:
    """`raw` as a `model`, or every reason why it is none. Unknown keys are left to `unknown_keys`, which knows the whole schema."""
    if not isinstance(raw, dict):
        return None, [((), f"expected a table, not {raw!r}")]
    try:
        value = model.model_validate(raw)
    except ValidationError as exc:
        found = list(_explained(exc.errors(), model, raw))
        return None, found + _hidden(model, raw, found)
    loose = list(_loose(value, raw, ()))
    return (None, loose) if loose else (value, [])


def _hidden(model: type[BaseModel], raw: dict[str, Any], found: list[Found]) -> list[Found]:
    """What only shows once the keys that are wrong in themselves are left out: pydantic compares keys only when each is right.

    Complaints about the table as a whole are not taken: they may be about what was left out.
    """
    wrong = {path[0] for path, _ in found if path}
    rest = {key: value for key, value in raw.items() if key not in wrong}
    try:
        value = model.model_validate(rest)
    except ValidationError as exc:
        return [(path, what) for path, what in _explained(exc.errors(), model, rest) if path and wrong]
    return list(_loose(value, rest, ()))


def _explained(errors: Iterable[ErrorDetails], model: type[BaseModel], raw: dict[str, Any]) -> Iterator[Found]:
    placed = [(_walk(error["loc"], raw), error) for error in errors]
    # A union that is not told apart by a tag complains once for each of its members: "not this one" is noise if another got further.
    wrong_member = ("literal_error", "tuple_type", "list_type", "model_type", "dict_type", "none_required")
    for index, (path, error) in enumerate(placed):
        others = [other for place, (other, _) in enumerate(placed) if place != index]
        if error["type"] in wrong_member and any(other[: len(path)] == path for other in others):
            continue
        if error["type"] == "missing":
            yield path, _missing(model, path, str(error["loc"][-1]))
        elif error["type"] == "extra_forbidden":
            yield path, "unknown key"
        else:
            yield path, _plain(error)


def _walk(loc: tuple[int | str, ...], raw: Any) -> Path:
    """The part of an error's place that the file has: pydantic also names the members of unions."""
    path: list[int | str] = []
    for part in loc:
        if _has(raw, part):
            path.append(part)
            raw = raw[part]
    return tuple(path)


def _missing(model: type[BaseModel], path: Path, key: str) -> str:
    field = model.model_fields.get(key) if not path else None
    return f"`{key}` is missing" + (f": {field.description}" if field is not None and field.description else "")


def _plain(error: ErrorDetails) -> str:
    context: Mapping[str, Any] = error.get("ctx", {})
    value = error["input"]
    match error["type"]:
        case "literal_error":
            known = [choice for choice in context["expected"].replace(" or ", ", ").replace("'", "").split(", ") if choice]
            near = get_close_matches(value.lower(), known, 1) if isinstance(value, str) else []
            hint = f": did you mean `{near[0]}`?" if near else ""
            if "c2s" in known and value in ("upstream", "downstream", "ingress", "egress"):
                hint = " (c2s is client to server; other tools use this word for opposite things)"
            return f"expected {', '.join(known)}, not {value!r}{hint}"
        case "greater_than_equal":
            return f"must be at least {context['ge']}, not {value!r}"
        case "greater_than":
            return f"must be more than {context['gt']}, not {value!r}"
        case "less_than_equal":
            return f"must be at most {context['le']}, not {value!r}"
        case "less_than":
            return f"must be less than {context['lt']}, not {value!r}"
        case "string_type":
            return f"expected a string, not {value!r}"
        case "int_type" | "int_parsing" | "int_from_float":
            return f"expected a whole number, not {value!r}"
        case "bool_type" | "bool_parsing":
            return f"expected true or false, not {value!r}"
        case "tuple_type" | "list_type":
            return f"expected a list, not {value!r}"
        case "model_type" | "dict_type" | "model_attributes_type":
            return f"expected a table, not {value!r}"
        case "too_short" | "string_too_short":
            return "is empty"
    return error["msg"].removeprefix("Value error, ")


def _loose(value: BaseModel, raw: Mapping[str, Any], path: Path) -> Iterator[Found]:
    """Numbers and truths that were written as something else: pydantic would take ``"5"`` for 5 and 1 for true."""
    for name, field in type(value).model_fields.items():
        key = field.alias or name
        if key not in raw:
            continue
        given, got = raw[key], getattr(value, name)
        if isinstance(got, BaseModel) and isinstance(given, dict):
            yield from _loose(got, given, (*path, key))
        elif not field.metadata or not any(hasattr(part, "func") for part in field.metadata):
            kinds = _members(field.annotation)
            if int in kinds and isinstance(got, int) and type(given) is not int and bool not in kinds:
                yield (*path, key), f"expected a whole number, not {given!r}"
            elif bool in kinds and type(got) is bool and type(given) is not bool:
                yield (*path, key), f"expected true or false, not {given!r}"


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
