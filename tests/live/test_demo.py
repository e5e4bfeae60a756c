"""The demo: it must work wherever the kernel can be asked, and say so where it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from faultproxy.cli.acts import ACTS
from faultproxy.cli.exams import EXAMS, FORGETFUL
from faultproxy.scenario import load_text

pytestmark = pytest.mark.live


NO_EXAMS = "from faultproxy.cli import exams; exams.EXAMS = ()"
"""Without the tests at the end, which take half of the time."""


def play(*arguments: str, prelude: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    program = f"{prelude}\nimport sys; sys.argv = {['faultproxy', 'demo', *arguments]!r}\nfrom faultproxy.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=False, timeout=60, env=os.environ | environment
    )


def test_all_acts_are_seen() -> None:
    began = time.monotonic()
    played = play()
    assert (played.returncode, played.stderr) == (0, "")
    assert time.monotonic() - began < 45
    for title in (each.title for each in (*ACTS, *EXAMS)):
        assert title in played.stdout
    for evidence in (
        "zero window, the probe timer runs",
        "have the SHA-256 they must have",
        "the client's kernel: FIN_WAIT_2",
        "the server's kernel: ESTABLISHED",
        "ECONNRESET",
        "the server has heard it all: 3 answers to 3 questions",
        "unacknowledged, sent",
        "healed, all is acknowledged",
        "PASSED       ",
        "the server passes, exit code 0",
        "wanted  server.tcp_state is CLOSED within 1 s of the healing of late",
        "got     CLOSE_WAIT (since ",
        "leaver 1: client FIN_WAIT_2 | proxy CLOSE_WAIT, FIN_WAIT_2 | server CLOSE_WAIT",
        "leaver 1: late held the FIN",
        f"goodbye.toml --server '{FORGETFUL}' --seed 1",
        "the forgetful server fails, exit code 1",
        "All was seen.",
    ):
        assert evidence in played.stdout
    assert "✗" not in played.stdout
    assert "\x1b" not in played.stdout


def test_where_the_kernel_cannot_be_asked_it_says_so() -> None:
    hidden = (
        "from faultproxy.kernel import procnet\nfrom faultproxy.errors import CapabilityError\n"
        "def none(pid=None): raise CapabilityError('no /proc here')\nprocnet.sockets = none"
    )
    played = play(prelude=f"{hidden}\n{NO_EXAMS}")
    assert (played.returncode, played.stderr) == (3, "")
    assert "? the client's kernel is not asked: there is no /proc/net/tcp here" in played.stdout
    assert "As far as this machine can tell, all was seen." in played.stdout


def test_it_does_with_a_terminal_that_knows_ascii_only() -> None:
    played = play(prelude=NO_EXAMS, PYTHONIOENCODING="ascii:replace", PYTHONUTF8="0", LC_ALL="C")
    assert (played.returncode, played.stderr) == (0, "")
    assert "   ok the client's kernel: FIN_WAIT_2" in played.stdout


def test_a_test_that_ends_otherwise_than_it_must_is_told() -> None:
    played = play(prelude="from faultproxy.cli import acts, exams\nacts.ACTS = ()\nexams.EXAMS = (exams.Exam('x', (), 1, 'y'),)")
    assert (played.returncode, played.stderr) == (1, "")
    assert "✗ the test's exit code is 0, and not 1" in played.stdout
    assert "Not all was seen" in played.stdout


def test_its_scenario_can_be_shown_and_is_right() -> None:
    shown = play("--show").stdout
    (scenario,) = load_text(shown, "demo.toml", Path())
    assert [fault.name for fault in scenario.faults] == [act.fault for act in ACTS]
    assert scenario.unsupported() == ()
