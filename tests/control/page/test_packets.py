"""Packet faults on the live page: a stall by lost acknowledgements, as it happens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.control.page import deaf
from tests.live.users import needs_sandbox
from tests.peers.programs import program

ROOT = Path(__file__).parents[3]


@pytest.mark.peers
@pytest.mark.packets
def test_a_stall_is_shown_as_it_happens() -> None:
    needs_sandbox()
    program("chromium", "chromium")
    command = [sys.executable, "-m", "faultproxy", "sandbox", "--", sys.executable, "-m", deaf.__name__]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
