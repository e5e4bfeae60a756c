"""Plays a scenario in a process of its own, for a program that has other things to do: `faultproxy serve`.

`pool.py` forks, and so can only be used where there is one thread and no event loop. Here a new interpreter is started (`worker.py`), which
costs half a second and owes nothing to who starts it: whatever a scenario and its crowds do, and for how long, delays nobody there.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import trio

from faultproxy.control.runs import Ending
from faultproxy.errors import FaultproxyError
from faultproxy.scenario import Scenario
from faultproxy.verify import process

GRACE = 2.0
"""Seconds that it has to close its connections after SIGTERM."""
LATE = 30.0
"""Seconds over the scenario's own timeout after which its process is taken for hung."""
LAST_WORDS = 1.0
"""Seconds that we wait for the end of what it has written when it has ended."""
PIECE = 64 * 1024
"""Bytes that are taken from it in one turn, so that nobody waits for ours; a pipe holds no more."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Task:
    """What to play. `again` is the command that repeats it, `words` has each fault in words, by name."""

    scenario: Scenario
    seed: int
    again: str
    words: Mapping[str, str] = field(default_factory=dict)


class Died(FaultproxyError):
    """The process that played it has ended before its time; what it has last said is told."""

    def __init__(self, how: str, phase: str, output: process.Output) -> None:
        when = f"in the phase {phase!r}" if phase else "before its first phase"
        super().__init__(f"the process that played it {how}, {when}; the last that it has written:\n{output.tail()}")


async def play(task: Task, say: Say) -> Ending:
    """How it ended. `say` hears which phase begins. Raises Died, and FaultproxyError if there can be no process for it.

    Cancelled, it ends the process, and the end of ours, however it comes, does so too.
    """
    worker = _Worker(await _started(), say)
    how = "had hung beyond its timeout and was ended"
    try:
        async with process.kept(worker.process, GRACE):
            with trio.move_on_after(task.scenario.timeout + LATE):
                code = await worker.work(pickle.dumps(task))
                how = f"ended with {process.named(code)}" if code >= 0 else f"was ended by {process.named(code)}"
    finally:
        await worker.close()
    if worker.ending is None:
        raise Died(how, worker.phase, worker.output)
    return worker.ending


async def _started() -> trio.Process:
    # It is to import what we have, from where we have it, and nothing that happens to lie in this folder (-P).
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        return await trio.lowlevel.open_process(
            [sys.executable, "-P", "-m", "faultproxy.verify.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise FaultproxyError(f"no process can be started for it: {error.strerror or error}") from error


class _Worker:
    def __init__(self, running: trio.Process, say: Say) -> None:
        self.process = running
        self.phase = ""
        """The last that has begun."""
        self.ending: Ending | None = None
        self.output = process.Output()
        self._say = say
        self._heard = bytearray()

    async def work(self, task: bytes) -> int:
        """Has it play, and returns how its process ended: as `process.ending`."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._give, task)
            drained = trio.Event()
            nursery.start_soon(self._drain, drained)
            await self._hear()
            code = await process.ended(self.process)
            with trio.move_on_after(LAST_WORDS):
                await drained.wait()
            nursery.cancel_scope.cancel()
        return code

    async def close(self) -> None:
        """Its pipes; it is over."""
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with trio.CancelScope(shield=True):
                    await pipe.aclose()

    async def _give(self, task: bytes) -> None:
        assert self.process.stdin is not None
        with suppress(trio.BrokenResourceError):  # it has died, which is told by its end
            await self.process.stdin.send_all(task)
        await self.process.stdin.aclose()

    async def _drain(self, drained: trio.Event) -> None:
        assert self.process.stderr is not None
        async for data in self.process.stderr:
            self.output.add(bytes(data))
        drained.set()

    async def _hear(self) -> None:
        while (line := await self._line()) is not None:
            said = json.loads(line)
            if "phase" not in said:
                text = await self._text(said["size"])
                if text is not None:
                    self.ending = Ending(said["outcome"], said["reason"], text)
                return
            self.phase = said["phase"]
            self._say(self.phase)

    async def _line(self) -> bytes | None:
        while b"\n" not in self._heard:
            if not await self._more():
                return None
        line, _, self._heard = self._heard.partition(b"\n")
        return bytes(line)

    async def _text(self, size: int) -> bytes | None:
        while len(self._heard) < size:
            if not await self._more():
                return None
        return bytes(self._heard)

    async def _more(self) -> bool:
        assert self.process.stdout is not None
        piece = await self.process.stdout.receive_some(PIECE)
        self._heard += piece
        return bool(piece)
