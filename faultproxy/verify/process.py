"""A process that a run starts, in a session of its own: whatever happens it is ended again, with all that it has started itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT

import trio

from faultproxy.errors import FaultproxyError
from faultproxy.verify import strays

OUTPUT_KEPT = 64 * 1024
"""Bytes of output kept, the last: enough for any stack trace."""
OUTPUT_SHOWN = 20
"""Lines of it in an error message."""
POLL = 0.02
"""Seconds between two looks at a process: what it wrote last is in the pipe a moment longer than it lives."""


class Output:
    """What a process has written, as far as it is kept."""

    def __init__(self, kept: int = OUTPUT_KEPT) -> None:
        self._kept = kept
        self._data = bytearray()
        self.left_out = 0
        """Bytes from the beginning that are not kept any more."""

    def add(self, data: bytes) -> None:
        """The process has written `data`."""
        self._data += data
        surplus = len(self._data) - self._kept
        if surplus > 0:
            del self._data[:surplus]
            self.left_out += surplus

    def __contains__(self, text: str) -> bool:
        return text.encode() in self._data

    def __str__(self) -> str:
        return self._data.decode(errors="backslashreplace")

    def tail(self, lines: int = OUTPUT_SHOWN) -> str:
        """The last lines, set off for a message; says so if there is nothing."""
        shown = str(self).splitlines()[-lines:]
        return "\n".join(f"  | {line}" for line in shown) if shown else "  (it has written nothing)"


async def start(
    command: Sequence[str], folder: Path | None, environment: Mapping[str, str] | None = None, *, mark: str = ""
) -> trio.Process:
    """Starts it in a session of its own, its standard output and error in one pipe; `environment` comes on top of ours.

    `mark` (`strays.new_mark`) is what its descendants are known by that leave its session.
    Raises OSError, for which `unstartable` has the words. It belongs into `kept` at once.
    """
    return await trio.lowlevel.open_process(
        command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, cwd=folder, env=_environment(environment or {}, mark), start_new_session=True
    )


@asynccontextmanager
async def kept(process: trio.Process, grace: float, *, mark: str = "") -> AsyncIterator[None]:
    """At the end of the block the process gets SIGTERM, and after `grace` seconds SIGKILL, and so does what it has left behind: in its
    session, and by the `mark` that it was started with also outside.

    Should we be killed ourselves meanwhile, it is killed with all that it has started. Raises FaultproxyError where that cannot be had.
    """
    guard = None
    try:
        try:
            guard = _guard(process.pid, mark)
        except OSError as error:
            raise FaultproxyError(f"no shell can be started to end process {process.pid} should we be killed: {error.strerror}") from error
        yield
    finally:
        with trio.CancelScope(shield=True):
            await _stop(process, grace, mark)
            if guard is not None:
                guard.communicate(b"stopped\n")


def found(command: Sequence[str]) -> list[str]:
    """The command, its program looked for on PATH and, as programs that are installed with us, beside this Python."""
    program, *arguments = command
    if shutil.which(program) is None and os.sep not in program:
        beside = Path(sys.executable).parent / program
        if beside.exists():
            return [str(beside), *arguments]
        if program == "faultproxy-arena":  # we may run without being installed
            return [sys.executable, "-m", "faultproxy.arena.server", *arguments]
    return [program, *arguments]


def unstartable(error: OSError, program: str, folder: Path | None) -> str:
    """Why a program cannot be started, in words."""
    if isinstance(error, FileNotFoundError) and folder is not None and not folder.is_dir():
        return f"there is no folder {folder}"
    # Where a folder of PATH may not be looked into, execvp(3) says EACCES of a program that is nowhere.
    nowhere = isinstance(error, PermissionError) and os.sep not in program and shutil.which(program) is None
    if nowhere or isinstance(error, FileNotFoundError):
        if os.sep not in program:
            return f"there is no program {program!r} (is it installed, and on PATH?)"
        seen_from = "" if os.path.isabs(program) else f", seen from the folder {(folder or Path()).resolve()}"
        return f"there is no program {program!r}{seen_from}"
    return error.strerror or str(error)


async def drain(process: trio.Process, output: Output) -> None:
    """Keeps what it writes, until nobody has the other end of its pipe any more."""
    assert process.stdout is not None
    async for data in process.stdout:
        output.add(bytes(data))


def ending(process: trio.Process) -> int | None:
    """The exit status, or the negative number of the signal that has ended it; None while it runs.

    It is not reaped by this: as long as it is a zombie nobody else can get its number, which is that of its group too.
    """
    if not hasattr(os, "waitid"):
        return process.poll()
    info = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if info is None:
        return None
    return info.si_status if info.si_code == os.CLD_EXITED else -info.si_status


async def ended(process: trio.Process) -> int:
    """Waits for its end, and tells it as `ending` does."""
    await _readable(process.pid)
    while (code := ending(process)) is None:  # noqa: ASYNC110 - only where the kernel sends no event
        await trio.sleep(POLL)
    return code


async def _readable(pid: int) -> None:
    # A pidfd is readable once the process has ended (pidfd_open(2)). It may be forbidden (seccomp), or unknown elsewhere than on Linux.
    try:
        fd = os.pidfd_open(pid)
    except (AttributeError, OSError):
        return
    try:
        await trio.lowlevel.wait_readable(fd)
    finally:
        os.close(fd)


def named(code: int) -> str:
    """An ending for a person: ``status 1``, ``SIGKILL``."""
    return f"status {code}" if code >= 0 else signal.Signals(-code).name


def signal_group(group: int, number: signal.Signals) -> None:
    """Sends a signal to a process and all that it has started, as far as they are in its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody left in it (macOS answers EPERM for a zombie)
        os.killpg(group, number)


def _environment(more: Mapping[str, str], mark: str) -> dict[str, str]:
    # `faultproxy-arena` is found although nobody has activated the virtual environment that we run in; last, so that it hides nothing.
    path = os.environ.get("PATH", os.defpath)
    return {**os.environ, "PATH": os.pathsep.join([path, str(Path(sys.executable).parent)]), **more, **strays.environment(mark)}


def _guard(group: int, mark: str) -> subprocess.Popen[bytes]:
    """A shell that waits on a pipe from us. Where we are killed the pipe ends without a word, and it kills the group and all with the mark.

    (PR_SET_PDEATHSIG would miss what the process has started, and acts when the *thread* dies that started it.)
    """
    marked = '[ -z "$2" ] || for each in $(grep -ls "$2" /proc/[0-9]*/environ); do each="${each%/*}"; kill -9 "${each##*/}"; done'
    script = f'read -r word || {{ kill -9 "-$1"; {marked}; }}'
    return subprocess.Popen(
        ["/bin/sh", "-c", script, "guard", str(group), strays.word(mark)],
        stdin=PIPE,
        stdout=DEVNULL,
        stderr=DEVNULL,
        start_new_session=True,
    )


async def _stop(process: trio.Process, grace: float, mark: str) -> None:
    signal_group(process.pid, signal.SIGTERM)
    with trio.move_on_after(grace):
        await ended(process)
    signal_group(process.pid, signal.SIGKILL)
    await process.wait()
    strays.kill_marked(mark)
    if process.stdout is not None:
        await process.stdout.aclose()
