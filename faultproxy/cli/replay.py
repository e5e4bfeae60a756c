"""`faultproxy replay`: does a journal come out again?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faultproxy.errors import JournalError


def replay(
    file: Annotated[Path, typer.Argument(help="A journal, as `faultproxy run --journal` writes it.")],
) -> None:
    """Replay a journal: the same events at the same times, and every decision compared.

    Nothing is connected to. Exit code 1 at the first decision that is not the one on record, 2 if the file is no journal.
    """
    from faultproxy.core.replay import replay as replay_lines
    from faultproxy.faults.tables import plans

    try:
        with file.open(encoding="utf-8", errors="backslashreplace", newline="\n") as lines:
            result = replay_lines(lines, plans)
    except OSError as error:
        raise JournalError(f"{file}: cannot be read ({error.strerror})") from error
    except JournalError as error:
        raise JournalError(f"{file}: {error}") from error
    for header in result.headers:
        scenario = f", {header.scenario}" if header.scenario else ""
        faults = ", ".join(str(table.get("name")) for table in header.faults) or "none"
        typer.echo(f"seed {header.seed}{scenario}, faults: {faults}")
    typer.echo(f"{result.lines} lines, {result.connections} connections, {result.decisions} decisions compared")
    if result.truncated:
        typer.echo("the journal is cut off at its end, as by a kill: replayed as far as it goes")
    if result.difference is not None:
        typer.echo(f"the replay decides otherwise in {result.difference}", err=True)
        raise typer.Exit(1)
    typer.echo("every decision came out as on record")
