"""Calls the control API for `faultproxy ctl`, and shows what it answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Any

import typer

from faultproxy.control.client import Client

WIDE = 1000
"""Columns of a table that no terminal bounds."""


class Caller(Client):
    """`json` shows answers as they are."""

    def __init__(self, api: str, token: str | None, json: bool) -> None:
        super().__init__(api, token)
        self.json = json

    def advice(self, path: Sequence[str], problem: Mapping[str, Any]) -> str:
        """The same in commands of `faultproxy ctl`."""
        return _advice(tuple(path), problem["status"], problem["detail"], problem.get("todo", ""))

    def show(self, answer: Any, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table, or the answer itself."""
        if self.json:
            self._json(answer)
            return
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for head in heads:
            table.add_column(head)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        # In a pipe nothing is cut short: whoever reads it there has no edge of the screen.
        Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDE).print(table)

    def say(self, answer: Any, *lines: str) -> None:
        """Lines, or the answer itself."""
        if self.json:
            self._json(answer)
            return
        for line in lines:
            typer.echo(line)

    def _json(self, answer: Any) -> None:
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))


def _advice(path: tuple[str, ...], status: int, detail: str, todo: str) -> str:
    match status, path:
        case 401, _:
            return "set FAULTPROXY_TOKEN to its token"
        case 404, ("runs", *_):
            return "it has ended long ago, or never began: `faultproxy ctl run FILE` begins one"
        case 404, ("proxies", proxy, ("faults" | "connections") as of, *_) if not detail.startswith("there is no proxy"):
            return f"`faultproxy ctl {of} {quote(proxy)}` lists those that there are"
        case 404, _:
            return "`faultproxy ctl proxies` lists those that there are"
        case 409, ("proxies", proxy, *_, "start" | "heal"):
            return f"`faultproxy ctl enable {quote(proxy)}` lets it listen"
        case 409, ("proxies", proxy, "faults") if "delete" in todo:
            return f"`faultproxy ctl faults {quote(proxy)}` lists its faults, `faultproxy ctl rm {quote(proxy)} FAULT` takes one out"
        case 409, ("proxies",) if "delete" in todo:
            return "choose another name, or take one out: `faultproxy ctl proxies` lists them, `faultproxy ctl rm PROXY` deletes one"
        case 422, ("proxies", _, "faults", *_):
            return "mend all of it; `faultproxy faults KIND` tells the keys of one kind"
    # What else is said of HTTP means nothing to somebody at a shell.
    todo = todo.removeprefix("see what the detail names").removeprefix("; ")
    return "" if "/v1" in todo else todo
