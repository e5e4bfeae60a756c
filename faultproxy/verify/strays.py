"""Processes that leave the session in which they were started, as daemons do: they are found all the same, and ended with the rest.

There are two ways, for neither is enough. Whatever a process starts inherits its environment, and so a mark in it (environ in proc(5));
but a program may write over its environment, as nginx does to show its title. And whoever loses its parent becomes a child of the next
ancestor that is a *subreaper* (PR_SET_CHILD_SUBREAPER in prctl(2)), which a scenario's own process is; but only that one may take all
its children for the scenario's. What escapes both: a program that has written over its environment, outside of a process that is the
scenario's own (pytest), or when that is itself killed; and a program that runs as another user, whom we may not signal.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

_NAME = "FAULTPROXY_STARTED"
_PASSES = 5
"""Looks for more of them: one that was just starting another may have escaped the look before."""
_PAUSE = 0.01
"""Seconds that the dead need to be gone."""


def new_mark() -> str:
    """One that no other process has."""
    return uuid4().hex


def environment(mark: str) -> dict[str, str]:
    """What a process is to be started with to bear the mark."""
    return {_NAME: mark} if mark else {}


def word(mark: str) -> str:
    """What is in the environment of whoever bears it; empty without one."""
    return f"{_NAME}={mark}" if mark else ""


def kill_marked(mark: str) -> None:
    """Kills all who bear the mark. Nothing happens where there is no ``/proc``."""
    if mark:
        for _ in range(_PASSES):
            found = list(_marked(word(mark).encode()))
            if not found:
                return
            _kill(found)


def kill_children() -> None:
    """Kills and reaps all children of this process, and theirs as they become ours: for a subreaper that has no others."""
    for _ in range(_PASSES):
        children = _children()
        if not children:
            return
        _kill(children)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    time.sleep(_PAUSE)


def _marked(text: bytes) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone already, or another user's; of a zombie it is empty
            if text in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)


def _children() -> list[int]:
    # A kernel without CONFIG_PROC_CHILDREN has no such file.
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path("/proc/self/task").iterdir():
            found += map(int, (thread / "children").read_text(encoding="ascii").split())
    return found
