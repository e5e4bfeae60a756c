"""The server of a scenario: started, found ready, and whatever happens stopped again, with all that it has started itself."""

from __future__ import annotations

import shlex
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import trio

from faultproxy.errors import UpstreamError
from faultproxy.net import addresses
from faultproxy.scenario import substitute
from faultproxy.scenario.sections import Ready
from faultproxy.scenario.sections import Server as Table
from faultproxy.scenario.variables import Value
from faultproxy.verify import process, strays
from faultproxy.verify.process import POLL, Output

__all__ = ["Output", "Server", "free_port", "make_server"]

READY_WITHIN = 10.0
"""Seconds until a server must be ready where the scenario says nothing."""
STOP_GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""


def free_port(host: str = "127.0.0.1") -> int:
    """A port on which nobody listens now. Somebody else may take it before it is used; then the server says so."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
        return port


class NotReady(UpstreamError):
    """The server was never ready. `brief` is why, and its command, without what it has written, for whoever tells that anyway."""

    def __init__(self, why: str, server: Server) -> None:
        self.brief = f"the server {why}\n  command: {server}"
        super().__init__(f"{self.brief}\n{server.output.tail()}")


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
        self.exit: int | None = None
        """Its exit status, or the negative number of the signal that has ended it; None while it runs."""
        self._command = tuple(command)
        self._host = host
        self.folder = folder
        """Where it runs; None: where we do."""
        self._connect = connect
        self._log = log
        self._within = within
        self._notify = notify
        self._mark = strays.new_mark()

    def __str__(self) -> str:
        return shlex.join(self._command)

    def kill(self) -> None:
        """Ends it by force, with all that it has started: for when nothing else can be waited for."""
        if self.pid is not None:
            process.signal_group(self.pid, signal.SIGKILL)

    async def serve(self, *, task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED) -> None:
        """Starts it, reports once it is ready, and runs until cancelled; then stops it. Raises UpstreamError if it cannot be started, and
        NotReady if it is never ready.
        """
        running = await self._start()
        self.pid = running.pid
        async with process.kept(running, STOP_GRACE, mark=self._mark), trio.open_nursery() as nursery:
            nursery.start_soon(process.drain, running, self.output)
            await self._wait_until_ready(running)
            task_status.started(self)
            try:
                self.exit = await process.ended(running)
                await trio.sleep(POLL)
            finally:
                # Also where its end has made something fail, and with that the run end, before we could notice.
                self._tell(running)
            await trio.sleep_forever()

    def _tell(self, running: trio.Process) -> None:
        self.exit = process.ending(running)
        if self.exit is not None:
            self._notify(f"the server has ended by itself with {process.named(self.exit)}:\n{self.output.tail(5)}")

    async def _start(self) -> trio.Process:
        try:
            return await process.start(self._command, self.folder, mark=self._mark)
        except OSError as error:
            why = process.unstartable(error, self._command[0], self.folder)
            raise UpstreamError(f"the server cannot be started: {why}\n  command: {self}") from error

    async def _wait_until_ready(self, running: trio.Process) -> None:
        with trio.move_on_after(self._within) as waiting:
            while not await self._is_ready():
                if (code := process.ending(running)) is not None:
                    await trio.sleep(POLL)
                    if await self._is_ready():  # it was, and has said so with its last breath
                        break
                    raise NotReady(f"ended with {process.named(code)} before it was ready", self)
                await trio.sleep(POLL)
        if waiting.cancelled_caught:
            raise NotReady(f"was not ready within {self._within:g} s: {self._lacking()}", self)

    async def _is_ready(self) -> bool:
        if self._log is not None and self._log not in self.output:
            return False
        return not self._connect or await _accepts(self._host, self.port)

    def _lacking(self) -> str:
        if self._log is not None and self._log not in self.output:
            return f"it has not written {self._log!r}"
        told = any(str(self.port) in word for word in self._command)
        hint = "" if told else " (its command does not say that port: ${server_port} stands for it)"
        return f"nothing accepts connections on {self._host}:{self.port}{hint}"


def make_server(
    table: Table | None,
    command: Sequence[str],
    *,
    upstream: str | None,
    values: Mapping[str, Value],
    folder: Path | None,
    notify: Callable[[str], None],
) -> Server:
    """A server that is not started yet, on the port of `upstream`, or on a free one where nothing says where it listens.

    `values` is what ``${name}`` stands for in `command`, beside ``${server_port}``; `table` says when it is ready (None: once it accepts).
    """
    port = addresses.parse(upstream).port if upstream and not upstream.startswith("unix:") else free_port()
    known = {**values, "server_port": port}
    ready = table.ready if table is not None else Ready(connect=True, log=None, within=READY_WITHIN)
    return Server(
        process.found(substitute(tuple(command), known)),
        port=port,
        folder=folder,
        connect=ready.connect,
        log=substitute(ready.log, known) if ready.log is not None else None,
        within=ready.within,
        notify=notify,
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
