"""The library as a whole: every file is right, says what it shows, and can be run by this version; the rows are covered and told."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from faultproxy.scenario import load
from tests.scenarios import table
from tests.scenarios.stage import FILES, SCENARIOS, SHARED

COVERED = [
    *("A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9"),
    *("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12", "B13"),
    *("C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8"),
    *("D1", "D2", "D3", "D4", "D5", "D6", "D7", "D8", "D9", "D10", "D11", "D12", "D13", "D14", "D15", "D16", "D17", "D18"),
    *("E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8", "F7", "F8", "G1", "G2", "G3"),
]
"""The rows that this version must show."""

LONGEST = 160
"""Characters in a line: scenario files are read by people."""


@cache
def covered() -> frozenset[str]:
    """All rows that some file covers."""
    return frozenset(row for path in FILES for row in load(path)[0].covers)


def named(path: Path) -> str:
    return str(path.relative_to(SCENARIOS))


@pytest.mark.parametrize("path", [SHARED, *FILES], ids=named)
def test_it_loads_and_can_be_run(path: Path) -> None:
    for scenario in load(path):
        assert scenario.unsupported() == ()


@pytest.mark.parametrize("path", FILES, ids=named)
def test_it_is_fit_for_a_test(path: Path) -> None:
    for scenario in load(path):
        assert scenario.lacking_for_test() == ()
        assert scenario.remarks == ()
        assert scenario.expects
        assert scenario.crowds or scenario.client


@pytest.mark.parametrize("path", FILES, ids=named)
def test_it_says_what_it_shows(path: Path) -> None:
    said = table.about(path)
    assert min(map(len, (said.shown, said.evidence, said.healing, said.play))) > 10
    assert path.relative_to(SCENARIOS).as_posix() in said.play
    assert all(scenario.title for scenario in load(path))
    assert max(map(len, path.read_text(encoding="utf-8").splitlines())) <= LONGEST


@pytest.mark.parametrize("path", FILES, ids=named)
def test_it_covers_rows_that_exist(path: Path) -> None:
    for scenario in load(path):
        assert scenario.covers
        assert set(scenario.covers) <= set(table.ROWS)


@pytest.mark.parametrize("row", COVERED)
def test_the_row_is_covered(row: str) -> None:
    assert row in covered()


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_test_plays_it(path: Path) -> None:
    topic = path.parent.name
    tests = "".join(file.read_text(encoding="utf-8") for file in sorted(Path(__file__).parent.glob(f"test_{topic}*.py")))
    assert f'"{topic}/{path.name}"' in tests or f'"{path.name}"' in tests


def test_the_page_is_current() -> None:
    page = SCENARIOS.parent / "docs" / "conditions.md"
    assert page.read_text(encoding="utf-8") == table.markdown(), "write it anew: python -m tests.scenarios.table docs/conditions.md"


def test_every_row_is_on_the_page_once() -> None:
    rows = [line.split("|")[1].strip() for line in table.markdown().splitlines() if line.startswith("|")]
    assert sorted(row for row in rows if row in table.ROWS) == sorted(table.ROWS)
