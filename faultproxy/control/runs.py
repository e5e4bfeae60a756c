"""Scenarios that are played for callers: a few at once, each with an end, the last ones remembered.

Who plays them is given from outside, because the control plane knows nothing of tests.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import trio

from faultproxy.control.errors import Bounded, Unknown
from faultproxy.errors import FaultproxyError
from faultproxy.scenario import Scenario

REMEMBERED = 20
"""Runs that have ended and can still be asked for."""

Say = Callable[[str], None]
Play = Callable[[Scenario, int, Say], Awaitable[Mapping[str, Any]]]
"""Plays a scenario with a seed, says which phase begins, and returns its result as JSON, with `outcome` and `reason`."""


@dataclass(slots=True)
class Run:
    """One scenario, played once."""

    id: str
    scenario: Scenario
    seed: int
    state: Literal["running", "ended", "cancelled"] = "running"
    phases: list[str] = field(default_factory=list)
    result: Mapping[str, Any] | None = None
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    _moved: trio.Event = field(default_factory=trio.Event)

    @property
    def outcome(self) -> str | None:
        """How it ended; None before."""
        return None if self.result is None else str(self.result["outcome"])

    @property
    def reason(self) -> str:
        """Why it did not pass."""
        return "" if self.result is None else str(self.result.get("reason", ""))

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
                run.result = _finite(await self._play(run.scenario, run.seed, say))
        except FaultproxyError as error:
            run.result = {"outcome": "error", "reason": str(error)}
        except Exception as error:  # it ends this run, and not the daemon
            run.result = {"outcome": "error", "reason": f"a mistake of faultproxy itself: {error!r}"}
        finally:
            run.state = "cancelled" if run.result is None else "ended"
            run.moved()


def _finite(value: Any) -> Any:
    # JSON has no infinity, and no number that is none.
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(key): _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
    return value
