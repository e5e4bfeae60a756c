"""The bench of the harness works: its cheapest figures, once."""

from __future__ import annotations

import pytest

from bench import harness

pytestmark = pytest.mark.live


def test_the_cheapest_figures(capsys: pytest.CaptureFixture[str]) -> None:
    harness.main(["--rounds", "1", "--only", "call with one"])
    said = capsys.readouterr().out
    assert "the least of 1 rounds" in said
    (row,) = [line for line in said.splitlines() if "call with one scenario, over its waiting" in line]
    assert row.count(" ms") == 2, "wall and CPU, and no target"
