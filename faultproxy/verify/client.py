"""The client of a scenario: the program under test, started, given its time, and whatever happens ended with all that it has started."""

from __future__ import annotations

import math
import shlex
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import trio

from faultproxy.errors import ScenarioError
from faultproxy.verify import process, strays
from faultproxy.verify.process import Output

STOP_GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""
LAST_WORDS = 0.5
"""Seconds in which what it wrote last is read; longer only a process keeps its pipe that has left its group."""


def environment(host: str, port: int, *, upstream: str, seed: int, scenario: str, server_pid: int | None = None) -> dict[str, str]:
    """What every client is told. `upstream` is the way round the proxy; `scenario` its id; `server_pid` the server, if the run
    has started one."""
    told = {
        "FAULTPROXY_HOST": host,
        "FAULTPROXY_PORT": str(port),
        "FAULTPROXY_UPSTREAM": upstream,
        "FAULTPROXY_SEED": str(seed),
        "FAULTPROXY_SCENARIO": scenario,
    }
    return told if server_pid is None else told | {"FAULTPROXY_SERVER_PID": str(server_pid)}


class Client:
    """One client process in a session of its own, run in `folder` with `environment` on top of ours. `run()` runs it once.

    `timeout` is how many seconds it may take; None: as long as whoever runs it waits.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path | None = None,
        timeout: float | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.output = Output()
        self.pid: int | None = None
        self.exit: int | None = None
        """Its exit status, or the negative number of the signal that has ended it; None while it has not ended."""
        self.timed_out = False
        """It had not ended within `timeout`, and was stopped."""
        self._command = tuple(command)
        self._folder = folder
        self._timeout = timeout
        self._environment = environment
        self._mark = strays.new_mark()
        self._read = trio.Event()

    def __str__(self) -> str:
        return shlex.join(self._command)

    def kill(self) -> None:
        """Ends it by force, with all that it has started: for when nothing else can be waited for."""
        if self.pid is not None:
            process.signal_group(self.pid, signal.SIGKILL)

    async def run(self, *, task_status: trio.TaskStatus[Client] = trio.TASK_STATUS_IGNORED) -> None:
        """Starts it, reports that, and returns when it has ended, in time or by force, and is reaped. Cancelled, it stops it.

        Raises ScenarioError if it cannot be started.
        """
        try:
            running = await process.start(self._command, self._folder, self._environment, mark=self._mark)
        except OSError as error:
            why = process.unstartable(error, self._command[0], self._folder)
            raise ScenarioError(f"the client cannot be started: {why}\n  command: {self}") from error
        self.pid = running.pid
        try:
            async with process.kept(running, STOP_GRACE, mark=self._mark), trio.open_nursery() as nursery:
                nursery.start_soon(self._drain, running)
                task_status.started(self)
                await self._end(running)
                with trio.move_on_after(LAST_WORDS):
                    await self._read.wait()
                nursery.cancel_scope.cancel()
        finally:
            self.exit = running.returncode

    async def _end(self, running: trio.Process) -> None:
        with trio.move_on_after(math.inf if self._timeout is None else self._timeout):
            await process.ended(running)
        self.timed_out = process.ending(running) is None
        # Not asked politely: a program that then ends with status 0 would seem to have done its work. What it has left behind goes with it.
        process.signal_group(running.pid, signal.SIGKILL)
        self.exit = await process.ended(running)

    async def _drain(self, running: trio.Process) -> None:
        await process.drain(running, self.output)
        self._read.set()
