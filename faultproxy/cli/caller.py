"""Calls the control API for `faultproxy ctl`, and shows what it answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
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
