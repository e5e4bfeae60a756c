"""Scenarios that are played for callers: a few at once, each with an end, the last ones remembered.

Who plays them is given from outside, because the control plane knows nothing of tests.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import trio

from faultproxy.control.errors import Bounded, Unknown
from faultproxy.errors import FaultproxyError, Mistake
from faultproxy.scenario import Scenario

REMEMBERED = 20
"""Runs that have ended and can still be asked for."""
KEPT = 32 * 2**20
"""Bytes of results that are kept. Beyond it those of the oldest runs go; one with a crowd of 500 has some 20 MiB."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run has ended. `result` is all that there is to tell, a JSON object, which nobody here looks into: it has megabytes."""

    outcome: str
    reason: str
    result: bytes

    @classmethod
    def error(cls, reason: str) -> Ending:
        """It could not be played to its end."""
        return cls("error", reason, json.dumps({"outcome": "error", "reason": reason}).encode())


Say = Callable[[str], None]
Play = Callable[[Scenario, int, Say], Awaitable[Ending]]
"""Plays a scenario with a seed, says which phase begins, and returns how it has ended."""


@dataclass(slots=True)
class Run:
    """One scenario, played once."""

    id: str
    scenario: Scenario
    seed: int
    state: Literal["running", "ended", "cancelled"] = "running"
    phases: list[str] = field(default_factory=list)
    ending: Ending | None = None
    gone: str = ""
    """Why its result cannot be had any more."""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    _moved: trio.Event = field(default_factory=trio.Event)

    def moved(self) -> None:
        """Wakes whoever follows it."""
        self._moved.set()
        self._moved = trio.Event()

    async def move(self) -> None:
        """Waits until something is otherwise."""
        await self._moved.wait()


class Runs:
    """Plays scenarios in `nursery`, at most `most` at once."""

    def __init__(self, nursery: trio.Nursery, play: Play, most: int) -> None:
        self._nursery = nursery
        self._play = play
        self._most = most
        self._runs: dict[str, Run] = {}

    def __iter__(self) -> Iterator[Run]:
        """In the order in which they were started."""
        return iter(self._runs.values())

    def get(self, number: str) -> Run:
        """The run of that id. Raises Unknown."""
        if number not in self._runs:
            raise Unknown(f"there is no run {number!r}: the last {REMEMBERED} that have ended are remembered")
        return self._runs[number]

    def start(self, scenario: Scenario, seed: int | None) -> Run:
        """Begins to play it, and returns at once. Raises Bounded."""
        if sum(run.state == "running" for run in self._runs.values()) >= self._most:
            raise Bounded(f"{self._most} scenarios are being played: wait for one to end, or cancel one")
        ended = [run for run in self._runs.values() if run.state != "running"]
        for run in ended[: max(0, len(ended) - REMEMBERED + 1)]:
            del self._runs[run.id]
        run = Run(secrets.token_hex(4), scenario, secrets.randbits(32) if seed is None else seed)
        self._runs[run.id] = run
        self._nursery.start_soon(self._played, run)
        return run

    def cancel(self, number: str) -> Run:
        """Ends it; its proxies close their connections. Raises Unknown."""
        run = self.get(number)
        run.scope.cancel()
        return run

    async def _played(self, run: Run) -> None:
        def say(phase: str) -> None:
            run.phases.append(phase)
            run.moved()

        try:
            with run.scope:
                run.ending = await self._play(run.scenario, run.seed, say)
        except FaultproxyError as error:
            run.ending = Ending.error(str(error))
        except Exception as error:  # it ends this run, and not the daemon
            run.ending = Ending.error(str(Mistake(error)))
        finally:
            run.state = "cancelled" if run.ending is None else "ended"
            self._make_room()
            run.moved()

    def _make_room(self) -> None:
        # The newest is kept, whatever its size: somebody waits for it.
        kept = 0
        for run in reversed([run for run in self._runs.values() if run.ending is not None and not run.gone]):
            assert run.ending is not None
            size = len(run.ending.result)
            kept += size
            if kept > KEPT and kept > size:
                run.gone = f"its {size / 2**20:.1f} MiB had to make room for the results of later runs"
                run.ending = replace(run.ending, result=b"")
                kept -= size
