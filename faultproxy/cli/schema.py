"""`faultproxy schema`: for editors that complete and check scenario files."""

from __future__ import annotations

import typer


def schema() -> None:
    """Print the JSON Schema of scenario files, for editors.

    In an editor with a TOML language server, keep it as scenario.schema.json and begin a file with: #:schema scenario.schema.json
    """
    from faultproxy.scenario.reference import json_schema

    typer.echo(json_schema(), nl=False)
