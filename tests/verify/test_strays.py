"""Processes that leave the session they were started in: they bear a mark, or have become children of ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from faultproxy.kernel import syscalls
from faultproxy.verify import strays
from tests.live.rig import until
from tests.verify.test_server import is_alive

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc"),
]

DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        os.close(1)
        time.sleep(60)
    os._exit(0)
os.wait()
"""


def daemon(mark: str = "") -> int:
    """The number of a process that has lost its parent and its session."""
    command = [sys.executable, "-c", DAEMON]
    return int(subprocess.run(command, stdout=subprocess.PIPE, env={**os.environ, **strays.environment(mark)}, check=True).stdout)


async def test_who_bears_the_mark_is_killed_and_nobody_else() -> None:
    mark = strays.new_mark()
    marked, other = daemon(mark), daemon(strays.new_mark())
    try:
        strays.kill_marked("")
        assert is_alive(marked)
        strays.kill_marked(mark)
        await until(lambda: not is_alive(marked), "its end")
        assert is_alive(other)
    finally:
        os.kill(other, signal.SIGKILL)


def test_a_subreaper_kills_orphans_too_although_they_bear_no_mark() -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            syscalls.adopt_orphans()
            left = daemon()
            assert is_alive(left)
            strays.kill_children()
            os.write(writer, b"gone" if not is_alive(left) else b"alive")
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        assert pipe.read() == b"gone"
    os.waitpid(pid, 0)
