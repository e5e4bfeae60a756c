"""`faultproxy faults`: the kinds of fault, and the documentation of each."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faultproxy.errors import ScenarioError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from faultproxy.faults.base import Fault

PLANES = {
    "stream": "bytes of one direction",
    "connection": "how a connection opens and closes",
    "packet": "TCP segments; `faultproxy doctor` says what that needs here",
}


def complete(incomplete: str) -> list[str]:
    """Kinds that begin like this, for the shell."""
    from faultproxy.faults.tables import BY_KIND

    return [kind for kind in BY_KIND if kind.startswith(incomplete)]


def faults(
    kind: Annotated[str | None, typer.Argument(metavar="KIND", autocompletion=complete, help="One kind, with its keys.")] = None,
) -> None:
    """List the kinds of fault; with KIND, all about one."""
    from rich.console import Console

    from faultproxy.faults.tables import BY_KIND

    console = Console(highlight=False, markup=False)
    if kind is None:
        console.print(overview(list(BY_KIND.values())))
        return
    if kind not in BY_KIND:
        from faultproxy.scenario.kinds import unknown_kind

        raise ScenarioError(unknown_kind(kind))
    console.print(documentation(BY_KIND[kind]))


def summary(kind: type[Fault]) -> str:
    """The first sentence of its documentation."""
    text = inspect.getdoc(kind) or ""
    return " ".join(text.split("\n\n")[0].split()).split(". ")[0].split(": ")[0].removesuffix(".")


def overview(kinds: list[type[Fault]]) -> RenderableType:
    """All kinds by plane, a line each."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for plane, what in PLANES.items():
        table.add_row(Text(plane, style="bold"), Text(what, style="dim"))
        for kind in kinds:
            if kind.plane == plane:
                name = kind.model_fields["kind"].default
                table.add_row(Text(f"  {name}", style="cyan"), Text(summary(kind)))
    table.add_row()
    table.add_row("", Text("faultproxy faults KIND tells all about one", style="dim"))
    return table


def documentation(kind: type[Fault]) -> RenderableType:
    """The text of a kind, its own keys, an example, and the keys that all kinds have."""
    from rich.console import Group
    from rich.text import Text

    from faultproxy.faults.base import Fault

    name = kind.model_fields["kind"].default
    shown: list[RenderableType] = [Text.assemble((name, "bold cyan"), f"  ({kind.plane} plane: {PLANES[kind.plane]})"), Text()]
    for paragraph in (inspect.getdoc(kind) or "").split("\n\n"):
        shown += [Text(" ".join(paragraph.split()) if not paragraph.startswith((" ", "-", "|")) else paragraph), Text()]
    own = [key for key in kind.model_fields if key not in Fault.model_fields]
    if own:
        shown += [Text("Keys of its own", style="bold"), _keys(kind, own), Text()]
    shown += [
        Text("Example", style="bold"),
        Text("  [[fault]]"),
        *(Text(f"  {line}") for line in kind.example.strip().splitlines()),
        Text(),
    ]
    common = [key for key in Fault.model_fields if key != "kind"]
    shown += [Text("Keys of every fault", style="bold"), _keys(kind, common)]
    return Group(*shown)


def _keys(kind: type[Fault], names: list[str]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for name in names:
        field = kind.model_fields[name]
        text = field.description or ""
        if field.is_required():
            text += " (must be given)"
        elif (default := _default(kind, name)) is not None and "default" not in text:
            text += f" (default: {default})"
        table.add_row(Text(f"  {field.alias or name}", style="cyan"), Text(text))
    return table


def _default(kind: type[Fault], name: str) -> str | None:
    """The default as a file would have it; None where there is nothing to tell."""
    value: Any = kind.model_fields[name].get_default(call_default_factory=True)
    if not value:  # nothing, no, none, zero: what a reader expects where nothing is said
        return None
    try:
        written = kind.model_construct(**{name: value}).model_dump(mode="json", include={name})[name]
    except ValueError:
        return None
    return None if isinstance(written, dict | list) else str(written)
