"""What the JSON Schema of the file knows of a place in it: which keys there are, and what an unknown one may have been meant to be."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any

from faultproxy.scenario.locate import Path
from faultproxy.scenario.mistakes import shown, step
from faultproxy.scenario.model import Document, Head
from faultproxy.scenario.sheet import LISTS, Merged

Schema = dict[str, Any]


@cache
def document_schema() -> Schema:
    """The JSON Schema of a scenario file (draft 2020-12)."""
    return Document.model_json_schema()


def known_keys(path: Path, data: Any) -> tuple[str, ...]:
    """The keys that a table at `path` of `data` may have; empty if that cannot be said."""
    found = [document_schema()]
    for part in path:
        data = step(data, part)
        found = [inner for schema in found for inner in _inner(schema, part, data)]
    return tuple(dict.fromkeys(key for schema in found for key in schema.get("properties", {})))


def _inner(schema: Schema, part: str | int, data: Any) -> Iterator[Schema]:
    next_one = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
    if isinstance(next_one, dict):
        yield from _members(next_one, data)


def _members(schema: Schema, data: Any) -> Iterator[Schema]:
    """The schema itself, without references and unions; of the kinds of fault only the one that `data` names."""
    if "$ref" in schema:
        yield from _members(document_schema()["$defs"][schema["$ref"].rpartition("/")[2]], data)
    elif "discriminator" in schema:
        target = schema["discriminator"]["mapping"].get(data.get("kind") if isinstance(data, dict) else None)
        if target is not None:
            yield from _members({"$ref": target}, data)
    else:
        for key in ("anyOf", "oneOf", "allOf"):
            for member in schema.get(key, ()):
                yield from _members(member, data)
        yield schema


def unknown_key(merged: Merged, path: Path) -> str:
    """What to say of the key that stands at `path` and that nothing knows."""
    *outer, key = path
    table = tuple(outer)
    known = known_keys(table, merged.data)
    if not table:
        return _unknown_at_top(str(key), merged)
    below_header = merged.place(path)[1] > merged.place(table)[1]  # an inline table stands on one line, a header above its keys
    if below_header:
        for depth in range(len(table) - 1, 0, -1):
            if key in known_keys(table[:depth], merged.data):
                header = ".".join(str(part) for part in table if isinstance(part, str))
                return f"[{header}] has caught it: `{key}` belongs to {shown(merged, table[:depth])}, so put it above that header"
        if key in Head.model_fields:
            return f"`{key}` belongs to the whole file, but a key below a [table] is that table's: put it above the first table"
    return f"unknown key{_meant(str(key), known)}"


def _unknown_at_top(key: str, merged: Merged) -> str:
    known = known_keys((), merged.data)
    if near := get_close_matches(key, known, 1, 0.7):
        brackets = (
            f"[[{near[0]}]]" if near[0] in LISTS and near[0] != "proxy" else near[0] if near[0] in Head.model_fields else f"[{near[0]}]"
        )
        return f"unknown key; did you mean `{brackets}`?"
    homes = [section for section in known if section not in Head.model_fields and key in _all_keys(section)]
    if homes:
        places = " or ".join(f"[[{home}]]" if home in LISTS and home != "proxy" else f"[{home}]" for home in homes[:3])
        return f"unknown key at the top of the file; it belongs in {places}, below that header"
    return f"unknown key{_meant(key, known)}"


def _all_keys(section: str) -> set[str]:
    schema = document_schema()["properties"][section]
    members = list(_members(schema, None))
    members += [inner for member in members if isinstance(member.get("items"), dict) for inner in _members(member["items"], None)]
    return {key for member in members for key in member.get("properties", {})}


def _meant(key: str, known: tuple[str, ...]) -> str:
    if near := get_close_matches(key, known, 1, 0.6):
        return f"; did you mean `{near[0]}`?"
    return f"; known here: {', '.join(known)}" if known else ""
