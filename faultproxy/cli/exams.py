"""The last act of `faultproxy demo`: the same as a test, which a server passes, and another fails."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from faultproxy.cli.acts import Evidence

if TYPE_CHECKING:
    from rich.console import Console

PATIENCE = 30.0
"""Seconds that one may take; the slower one takes four."""
FORGETFUL = "${server} --without close_back"
"""The arena without its habit of closing a socket whose player has gone."""


@dataclass(frozen=True, slots=True)
class Exam:
    """One call of `faultproxy test`. `code` is the exit code that it must have, `seen` what that shows."""

    title: str
    options: tuple[str, ...]
    code: int
    seen: str


EXAMS = (
    Exam("the same as a test, for a build to rely on", (), 0, "the server passes, exit code 0"),
    Exam(
        "a server that forgets to close fails it, and the reason is told",
        ("--server", FORGETFUL),
        1,
        "the forgetful server fails, exit code 1",
    ),
)


def sit(exam: Exam, console: Console) -> Evidence:
    """Runs it before everybody's eyes, with the colours and the width of this very terminal."""
    words = ["test", _here(Path(str(files("faultproxy.cli").joinpath("goodbye.toml")))), *exam.options, "--seed", "1"]
    console.print(f"   $ {shlex.join(['faultproxy', *words])}", style="bold", markup=False, soft_wrap=True)
    console.file.flush()  # it writes to the same place
    try:
        code = subprocess.run([sys.executable, "-m", "faultproxy", *words], check=False, timeout=PATIENCE).returncode
    except subprocess.TimeoutExpired:
        return Evidence(missing=[f"the test took longer than {PATIENCE:g} s"])
    evidence = Evidence()
    evidence.check(code == exam.code, exam.seen if code == exam.code else f"the test's exit code is {code}, and not {exam.code}")
    return evidence


def _here(path: Path) -> str:
    # As somebody would type it who is in a checkout of faultproxy.
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
