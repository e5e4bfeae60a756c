"""The server of a scenario: started, found ready, and whatever happens stopped again, with all that it has started itself."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT

import trio

from faultproxy.errors import UpstreamError

OUTPUT_KEPT = 64 * 1024
"""Bytes of output kept, the last: enough for any stack trace."""
OUTPUT_SHOWN = 20
"""Lines of it in an error message."""
READY_WITHIN = 10.0
"""Seconds until a server must be ready where the scenario says nothing."""
STOP_GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""
POLL = 0.02
"""Seconds between two looks at a process or a port."""


def free_port(host: str = "127.0.0.1") -> int:
    """A port on which nobody listens now. Somebody else may take it before it is used; then the server says so."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
        return port


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


class Server:
    """One server process in a session of its own. `serve()` runs it; `port` is what it should listen on at `host`.

    Ready is: it accepts a connection (`connect`), or has written `log`, or both; neither asked for: it has started. `notify` is told
    when it ends by itself.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        port: int,
        host: str = "127.0.0.1",
        folder: Path | None = None,
        connect: bool = False,
        log: str | None = None,
        within: float = READY_WITHIN,
        notify: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.output = Output()
        self.port = port
        self.pid: int | None = None
        self._command = tuple(command)
        self._host = host
        self._folder = folder
        self._connect = connect
        self._log = log
        self._within = within
        self._notify = notify

    def __str__(self) -> str:
        return shlex.join(self._command)

    def kill(self) -> None:
        """Ends it by force, with all that it has started: for when nothing else can be waited for."""
        if self.pid is not None:
            _signal_group(self.pid, signal.SIGKILL)

    async def serve(self, *, task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED) -> None:
        """Starts it, reports once it is ready, and runs until cancelled; then stops it. Raises UpstreamError if it is never ready."""
        process = await self._start()
        self.pid = process.pid
        guard = _guard(process.pid)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._drain, process)
                await self._wait_until_ready(process)
                task_status.started(self)
                ending = await _ended(process)
                await trio.sleep(POLL)  # what it wrote last is still in the pipe
                self._notify(f"the server has ended by itself with {ending}:\n{self.output.tail(5)}")
                await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await _stop(process)
                guard.communicate(b"stopped\n")

    async def _start(self) -> trio.Process:
        try:
            return await trio.lowlevel.open_process(
                self._command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, cwd=self._folder, env=_environment(), start_new_session=True
            )
        except OSError as error:
            if isinstance(error, FileNotFoundError) and self._folder is not None and not self._folder.is_dir():
                reason = f"there is no folder {self._folder}"
            elif isinstance(error, FileNotFoundError):
                reason = f"there is no program {self._command[0]!r} (is it installed, and on PATH?)"
            else:
                reason = error.strerror or str(error)
            raise UpstreamError(f"the server cannot be started: {reason}\n  command: {self}") from error

    async def _drain(self, process: trio.Process) -> None:
        assert process.stdout is not None
        async for data in process.stdout:
            self.output.add(bytes(data))

    async def _wait_until_ready(self, process: trio.Process) -> None:
        with trio.move_on_after(self._within) as waiting:
            while not await self._is_ready():
                if ending := _ending(process):
                    await trio.sleep(POLL)  # what it wrote last is still in the pipe
                    raise self._failed(f"ended with {ending} before it was ready")
                await trio.sleep(POLL)
        if waiting.cancelled_caught:
            raise self._failed(f"was not ready within {self._within:g} s: {self._lacking()}")

    async def _is_ready(self) -> bool:
        if self._log is not None and self._log not in self.output:
            return False
        return not self._connect or await _accepts(self._host, self.port)

    def _lacking(self) -> str:
        if self._log is not None and self._log not in self.output:
            return f"it has not written {self._log!r}"
        return f"nothing accepts connections on {self._host}:{self.port} (does its command use ${{server_port}}?)"

    def _failed(self, why: str) -> UpstreamError:
        return UpstreamError(f"the server {why}\n  command: {self}\n{self.output.tail()}")


def _environment() -> dict[str, str]:
    # `faultproxy-arena` is found although nobody has activated the virtual environment that we run in; last, so that it hides nothing.
    path = os.environ.get("PATH", os.defpath)
    return os.environ | {"PATH": os.pathsep.join([path, str(Path(sys.executable).parent)])}


def _guard(group: int) -> subprocess.Popen[bytes]:
    """A shell that waits on a pipe from us. Where we are killed the pipe ends without a word, and it kills the group.

    (PR_SET_PDEATHSIG would miss what the server has started, and acts when the *thread* dies that started it.)
    """
    script = 'read -r word || kill -9 "-$1"'
    return subprocess.Popen(
        ["/bin/sh", "-c", script, "guard", str(group)], stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
    )


async def _accepts(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with trio.socket.socket(family, socket.SOCK_STREAM) as sock:
        try:
            await sock.connect((host, port))
        except OSError:
            return False
        # A dial to a free port of this machine can meet itself, when the kernel takes that very port as its source.
        return bool(sock.getsockname() != sock.getpeername())


def _ending(process: trio.Process) -> str:
    """How it has ended, as `status 1` or `SIGKILL`; empty while it runs.

    It is not reaped by this: as long as it is a zombie nobody else can get its number, which is that of its group too.
    """
    if not hasattr(os, "waitid"):
        code = process.poll()
        return "" if code is None else _named(code)
    info = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if info is None:
        return ""
    return _named(info.si_status if info.si_code == os.CLD_EXITED else -info.si_status)


def _named(code: int) -> str:
    return f"status {code}" if code >= 0 else signal.Signals(-code).name


async def _ended(process: trio.Process) -> str:
    while True:
        if ending := _ending(process):
            return ending
        await trio.sleep(POLL)


async def _stop(process: trio.Process) -> None:
    _signal_group(process.pid, signal.SIGTERM)
    with trio.move_on_after(STOP_GRACE):
        await _ended(process)
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()
    if process.stdout is not None:
        await process.stdout.aclose()


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody left in it (macOS answers EPERM for a zombie)
        os.killpg(group, number)
