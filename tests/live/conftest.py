"""What the tests of the command share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.program import ECHO


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """A scenario file that starts an echo server."""
    file = tmp_path / "echo.toml"
    file.write_text(ECHO)
    return file
