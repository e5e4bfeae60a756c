"""Who a program is started as: the user who runs the tests, and, where that is root, nobody."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pydantic
import pytest

from faultproxy.kernel import sandbox

ROOT = Path(__file__).parents[2]
USERS = ["own", "nobody"]
NOBODY = 65534


@cache
def _why_not(user: str) -> str:
    """Why nothing can be started as that user; empty where it can."""
    if user == "own":
        return ""
    if os.geteuid():
        return "only root can become another user"
    if shutil.which("setpriv") is None:
        return "setpriv is not installed"
    tried = subprocess.run([*_prefix(user), *PROGRAM, "--version"], capture_output=True, text=True, check=False, env=environment())
    return f"nobody cannot run this Python: {tried.stderr.strip()[-200:]}" if tried.returncode else ""


PROGRAM = [sys.executable, "-m", "faultproxy"]


def _prefix(user: str) -> list[str]:
    return [] if user == "own" else ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


def environment() -> dict[str, str]:
    """This one, in which a program finds the package, and what the package needs, wherever it is started."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, Path(pydantic.__file__).parents[1]))), "COLUMNS": "200"}


def program(user: str, *arguments: object) -> list[str]:
    """The command line that starts `faultproxy` as that user; skips the test where that cannot be."""
    if reason := _why_not(user):
        pytest.skip(reason)
    return [*_prefix(user), *PROGRAM, *map(str, arguments)]


def needs_sandbox() -> None:
    """Skips the test where the kernel grants no sandbox."""
    if reason := sandbox.why_not():
        pytest.skip(f"no sandbox: {reason}")


@cache
def python(user: str) -> str:
    """A Python with all that the package needs, which that user can also reach from a sandbox, where he has no more rights than his own."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        asked = [*_prefix(user), "sh", "-c", 'exec "$0" -c "import faultproxy.cli, pydantic_core, rich"', candidate]
        if subprocess.run(asked, capture_output=True, check=False, env=environment()).returncode == 0:
            return candidate
    pytest.skip(f"no Python that {user} could run has what the package needs")
