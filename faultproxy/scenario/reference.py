"""Documentation that is made from the models: `docs/faults.md`, the tables of `docs/scenarios.md`, the JSON Schema for editors.

``python -m faultproxy.scenario.reference docs`` writes them; a test tells when they are out of date.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from faultproxy.core.units import show_duration
from faultproxy.faults import KINDS
from faultproxy.faults.base import Choice, Fault
from faultproxy.scenario import observables
from faultproxy.scenario.expect import Expect
from faultproxy.scenario.model import Head
from faultproxy.scenario.profiles import NAMES
from faultproxy.scenario.sandbox import Sandbox
from faultproxy.scenario.schema import document_schema
from faultproxy.scenario.sections import Client, Crowd, Hello, Probe, Proxy, Ready, Server

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BEGIN = "<!-- generated: python -m faultproxy.scenario.reference docs -->"
_END = "<!-- end of what is generated -->"
_PLANES = {
    "stream": "Bytes of one direction. Any system, no privilege.",
    "connection": "Opening and closing. Any system, no privilege.",
    "packet": "TCP segments of real kernels. What that needs, and how to get it without privilege: [packet-plane.md](packet-plane.md).",
}


def json_schema() -> str:
    """The JSON Schema of a scenario file (draft 2020-12), for editors."""
    schema = {"$schema": _DIALECT, "title": "faultproxy scenario"} | {k: v for k, v in document_schema().items() if k != "title"}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def faults_markdown() -> str:
    """`docs/faults.md`: every kind of fault, by plane."""
    parts = [
        "# Faults",
        _BEGIN,
        "Every kind of fault, made from the program itself. How a file says when a fault starts and whom it hits is told in"
        " [scenarios.md](scenarios.md); the keys that all kinds have stand [at the end](#keys-of-every-fault).",
    ]
    for plane, about in _PLANES.items():
        kinds = [kind for kind in KINDS if kind.plane == plane]
        parts += [f"## {plane.capitalize()}", about] if kinds else []
        for kind in kinds:
            parts += _kind(kind)
    parts += ["## Keys of every fault", _keys(Fault, leave_out=("kind",))]
    parts += ["`connections` as a table has these keys:", _keys(Choice)]
    return "\n\n".join([*parts, _END]) + "\n"


def scenario_tables() -> str:
    """The reference part of `docs/scenarios.md`: each table's keys, and what an expectation can be about."""
    parts = [_BEGIN, "## Keys", "### Before the first table", _keys(Head)]
    tables: tuple[tuple[str, type[BaseModel], str], ...] = (
        ("[proxy]", Proxy, ""),
        ("[server]", Server, ""),
        ("ready", Ready, "A table inside [server]."),
        ("[client]", Client, ""),
        ("[[probe]]", Probe, ""),
        ("[[crowd]]", Crowd, ""),
        ("hello", Hello, "A table inside [[probe]] and [[crowd]]."),
        ("[sandbox]", Sandbox, ""),
        ("[[fault]]", Fault, "And those of its `kind`: see [faults.md](faults.md)."),
        ("[[expect]]", Expect, ""),
    )
    for title, model, more in tables:
        parts += [f"### `{title}`", _prose(model), *([more] if more else []), _keys(model)]
    return "\n\n".join([*parts, *_vocabulary(), _END]) + "\n"


def _vocabulary() -> Iterable[str]:
    yield "## What an expectation can be about"
    yield (
        "States are " + ", ".join(f"`{state}`" for state in observables.STATES) + "; spellings such as `ESTAB` and `FIN-WAIT-2` are"
        ' understood. A *tally* is a count (`190`), or a share (`"95%"`) of a crowd\'s `count` or of what a probe has asked.'
    )
    rows: list[tuple[str, str, str]] = [(f"client.{key}, server.{key}", sort, text) for key, (sort, text) in observables.SOCKET.items()]
    rows += [
        (
            "client.sockets.STATE, server.sockets.STATE",
            "count",
            "sockets in that state, without the proxy's own and those from before the clock started",
        )
    ]
    rows += [(f"connections.{key}", sort, text) for key, (sort, text) in observables.CONNECTIONS.items()]
    rows += [(f"probe.NAME.{key}, crowd.NAME.{key}", sort, text) for key, (sort, text) in observables.PLAYER.items()]
    rows += [("probe.NAME.errors.ERRNO, crowd.NAME.errors.ERRNO", "tally", "system calls that failed so, such as `ECONNRESET`")]
    rows += [(f"client.process.{key}, server.process.{key}", sort, text) for key, (sort, text) in observables.PROCESS.items()]
    rows += [("host.COUNTER", "count", "a counter of the kernel, such as `host.TCPChallengeACK` or `host.Tcp.InCsumErrors`")]
    yield _table(
        ("what", "value", "meaning"), ((", ".join(f"`{name}`" for name in what.split(", ")), sort, text) for what, sort, text in rows)
    )
    yield "Profiles: " + ", ".join(f"`profile:{name}`" for name in NAMES) + "."


def _kind(kind: type[Fault]) -> list[str]:
    name = kind.model_fields["kind"].default
    own = [key for key in kind.model_fields if key not in Fault.model_fields]
    parts = [f"### `{name}`", _prose(kind)]
    if own:
        parts.append(_keys(kind, only=own))
    return [*parts, f"```toml\n[[fault]]\n{kind.example.strip()}\n```"]


def _prose(model: type[BaseModel]) -> str:
    return inspect.cleandoc(model.__doc__ or "")


def _keys(model: type[BaseModel], only: Iterable[str] | None = None, leave_out: Iterable[str] = ()) -> str:
    schema = model.model_json_schema()
    chosen = list(model.model_fields if only is None else only)
    rows = []
    for name in chosen:
        if name not in leave_out:
            field = model.model_fields[name]
            key = field.alias or name
            shown = schema["properties"][key]
            rows.append((f"`{key}`", _type(shown, schema), _default(field), field.description or ""))
    return _table(("key", "value", "default", "meaning"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines)


def _type(schema: dict[str, Any], root: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _type(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return ", ".join(dict.fromkeys(kind for kind in (_type(one, root) for one in schema[union]) if kind != "null"))
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(choice)}`" for choice in schema["enum"])
    if "examples" in schema:
        return f"like `{json.dumps(schema['examples'][0])}`"
    kind = schema.get("type", "any")
    if kind == "array":
        return "list"
    if kind == "object":
        return "table {" + ", ".join(schema["properties"]) + "}" if schema.get("properties") else "table"
    names = {"integer": "whole number", "boolean": "true, false"}
    kinds: list[str] = kind if isinstance(kind, list) else [kind]
    return ", ".join(names.get(one, one) for one in kinds)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ("", (), {}) or isinstance(value, BaseModel):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float) and "50ms" in json.dumps(field.metadata, default=_schema_of):
        return f'`"{show_duration(value)}"`' if value else '`"0s"`'
    if isinstance(value, int) and "64KiB" in json.dumps(field.metadata, default=_schema_of):
        return f'`"{value}B"`'
    return f"`{json.dumps(value)}`"


def _schema_of(part: Any) -> Any:
    return getattr(part, "json_schema", str(part))


def write_docs(folder: Path) -> tuple[Path, ...]:
    """Writes faults.md and scenario.schema.json to `folder`, and the tables into its scenarios.md; returns what has changed."""
    changed = []
    for name, text in docs(folder).items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return tuple(changed)


def docs(folder: Path) -> dict[str, str]:
    """What the generated files of `folder` ought to hold. What somebody wrote in scenarios.md, round the tables, is kept."""
    scenarios = folder / "scenarios.md"
    text = scenarios.read_text(encoding="utf-8") if scenarios.exists() else f"# Scenario files\n\n{_BEGIN}\n{_END}\n"
    before, _, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2].lstrip("\n")
    whole = before + scenario_tables() + (f"\n{after}" if after else "")
    return {"faults.md": faults_markdown(), "scenario.schema.json": json_schema(), "scenarios.md": whole}


def main() -> None:
    """Writes the documentation to the folder named on the command line (default: docs)."""
    for path in write_docs(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")):
        print(path)


if __name__ == "__main__":
    main()
