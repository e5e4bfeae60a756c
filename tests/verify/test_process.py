"""What all processes of a run have in common: their output, and what they cost."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from faultproxy.errors import FaultproxyError
from faultproxy.verify import process
from faultproxy.verify.figures import Figures, figures
from faultproxy.verify.process import Output
from faultproxy.verify.world import Unknown
from tests.live.rig import until

MIB = 2**20
HUNGRY = """
import os, sys, time
block = b"x" * (64 << 20); files = [open(os.devnull) for _ in range(50)]
print("ready", flush=True); sys.stdin.read()
"""
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {HUNGRY!r}], stdin=sys.stdin)
child.wait()
"""


def test_output_is_kept_from_the_end() -> None:
    output = Output(kept=10)
    output.add(b"0123456789")
    output.add(b"abc\n")
    assert (str(output), output.left_out, "89a" in output, "012" in output) == ("456789abc\n", 4, True, False)
    assert output.tail() == "  | 456789abc"


def test_an_ending_has_a_name() -> None:
    assert [process.named(code) for code in (0, 3, -9, -15)] == ["status 0", "status 3", "SIGKILL", "SIGTERM"]


def test_a_program_that_is_nowhere_is_told_as_such_although_a_folder_of_path_is_closed() -> None:
    words = process.unstartable(PermissionError(13, "Permission denied"), "no-such-program", None)
    assert words == "there is no program 'no-such-program' (is it installed, and on PATH?)"
    assert process.unstartable(PermissionError(13, "Permission denied"), "/etc/passwd", None) == "Permission denied"


async def test_an_end_is_seen_without_reaping_it_where_no_pidfd_is_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    running = await process.start([sys.executable, "-c", "raise SystemExit(7)"], None)
    async with process.kept(running, 1.0):
        with trio.fail_after(10):
            assert await process.ended(running) == 7
        os.kill(running.pid, 0)  # a zombie still
    assert running.returncode == 7


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
class TestFigures:
    """Memory and open files."""

    def test_a_process_costs_what_it_holds(self) -> None:
        with subprocess.Popen([sys.executable, "-c", HUNGRY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as hungry:
            assert hungry.stdout is not None
            hungry.stdout.readline()
            alone = figures(hungry.pid)
        assert isinstance(alone.rss, int)
        assert 64 * MIB < alone.rss < 128 * MIB
        assert alone.fds == 53

    def test_its_children_count_too(self) -> None:
        with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
            assert parent.stdout is not None
            parent.stdout.readline()
            both = figures(parent.pid)
        assert isinstance(both.rss, int)
        assert both.rss > 70 * MIB
        assert both.fds == 53 + 3

    async def test_what_has_ended_is_unknown(self) -> None:
        gone = subprocess.Popen([sys.executable, "-c", ""])  # noqa: ASYNC220 - it is left a zombie
        ended = Unknown(f"process {gone.pid} has ended (its state is Z)")
        await until(lambda: figures(gone.pid) == Figures(ended, ended), "the zombie is seen")
        gone.wait()
        why = Unknown(f"process {gone.pid} has ended, or /proc does not show it (No such file or directory)")
        assert figures(gone.pid) == Figures(why, why)

    def test_what_may_not_be_read_is_unknown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def forbidden(path: object) -> list[str]:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("faultproxy.verify.figures._fds", forbidden)
        found = figures(os.getpid())
        assert isinstance(found.rss, int)
        why = f"the open files of process {os.getpid()} cannot be read (Permission denied): it must be yours, or you root"
        assert found.fds == Unknown(why)


def test_what_is_installed_beside_us_need_not_be_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    assert process.found(["faultproxy-arena", "-v"]) == [sys.executable, "-m", "faultproxy.arena.server", "-v"]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "faultproxy-arena").touch()
    assert process.found(["faultproxy-arena", "-v"]) == [str(tmp_path / "bin" / "faultproxy-arena"), "-v"]
    assert process.found(["elsewhere", "-v"]) == ["elsewhere", "-v"]
    assert process.found(["./faultproxy-arena"]) == ["./faultproxy-arena"]


async def test_without_a_guard_it_is_ended_and_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*command: object, **how: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    running = await process.start(["sleep", "60"], None, mark="")
    monkeypatch.setattr(process, "_guard", refused)
    with pytest.raises(FaultproxyError, match=f"no shell can be started to end process {running.pid} .*: Resource temporarily unavailable"):
        async with process.kept(running, 1.0):
            raise AssertionError("it has not begun")
    assert running.returncode is not None
