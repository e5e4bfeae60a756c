"""The committed documentation says what the program does."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import faultproxy
from faultproxy.faults import KINDS
from faultproxy.scenario import reference
from faultproxy.scenario.kinds import SYNONYMS

ROOT = Path(faultproxy.__file__).parent
DOCS = ROOT.parent / "docs"


@pytest.mark.parametrize("name", ["faults.md", "scenarios.md", "scenario.schema.json"])
def test_generated_documentation_is_current(name: str) -> None:
    assert (DOCS / name).read_text() == reference.docs(DOCS)[name], "run: python -m faultproxy.scenario.reference docs"


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    assert len(reference.write_docs(tmp_path)) == 3
    assert reference.write_docs(tmp_path) == ()


def test_what_somebody_wrote_round_the_tables_is_kept(tmp_path: Path) -> None:
    page = tmp_path / "scenarios.md"
    reference.write_docs(tmp_path)
    text = page.read_text().replace("# Scenario files", "# By hand") + "\nThe end.\n"
    page.write_text(text)
    assert reference.write_docs(tmp_path) == ()
    assert page.read_text() == text


def test_the_schema_knows_every_kind() -> None:
    schema = json.loads(reference.json_schema())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    kinds = {kind.model_fields["kind"].default for kind in KINDS}
    assert set(schema["properties"]["fault"]["items"]["discriminator"]["mapping"]) == kinds
    assert schema["additionalProperties"] is False


def test_no_field_is_without_a_description() -> None:
    for kind in KINDS:
        for name, field in kind.model_fields.items():
            assert field.description or name == "kind", f"{kind.__name__}.{name}"


def test_a_synonym_is_no_kind() -> None:
    assert not set(SYNONYMS) & {kind.model_fields["kind"].default for kind in KINDS}


@pytest.mark.parametrize("path", sorted((ROOT / "scenario").glob("*.py")), ids=lambda path: path.name)
def test_scenario_is_pure(path: Path) -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not imported & {"trio", "socket", "time", "random", "subprocess", "threading"}
