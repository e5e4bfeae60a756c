"""`close`: the connection ends orderly, but too soon."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from faultproxy.core.events import Direction
from faultproxy.core.rng import Chance
from faultproxy.core.stage import Act, Chunk, Close, Items, Stage
from faultproxy.core.timeline import Schedule
from faultproxy.faults.base import ConnectionFault
from faultproxy.faults.fields import Size


class CloseFault(ConnectionFault):
    """Closes the leg that `direction` leads to, in both its directions, behind the bytes that came before its place: a FIN, as from a
    program that calls `close()`.

    `s2c` closes towards the client, so what the client still sends is answered with a RST; the server's leg stays open, read and
    unanswered, unless `both_legs` closes it too. `both` closes both, each behind its own bytes. To end one direction only, see
    `half_close`. With `allow`, so many bytes of `direction` still pass from its place on, and it closes behind the last of them.
    """

    example: ClassVar[str] = 'kind = "close"\ndirection = "s2c"\non_match = "BYE"\n'
    keeps_bytes: ClassVar[bool] = False
    momentary: ClassVar[bool] = True
    after_fin: ClassVar[bool] = True

    kind: Literal["close"] = "close"
    allow: Size | None = Field(None, description="so many bytes pass before it closes; 0: it closes at the first")
    both_legs: bool = Field(False, strict=True, description="the leg that `direction` comes from is closed with it")

    def schedule(self) -> Schedule:
        """Momentary only where nothing more may pass."""
        return replace(super().schedule(), momentary=self.allow is None)

    def stage(self, direction: Direction, chance: Chance, shared: object) -> Stage:
        """Acts at its place, or counts from there."""
        close = Close(both=self.both_legs)
        return _Close(close) if self.allow is None else _Allowance(self.allow, close)


class _Close(Stage):
    touches_data = False

    def __init__(self, close: Close) -> None:
        self._close = close

    def reached(self, offset: int, now: float) -> Items:
        return (self._close, Act("closed", offset))


class _Allowance(Stage):
    def __init__(self, allowed: int, close: Close) -> None:
        self._allowed = allowed
        self._close = close
        self._passed = 0

    def chunk(self, chunk: Chunk, now: float) -> Items:
        left = max(0, self._allowed - self._passed)
        if len(chunk.data) < left:
            self._passed += len(chunk.data)
            return (chunk,)
        before, _ = chunk.split(left)
        self._passed += left
        return (*((before,) if before.data else ()), self._close, Act("closed", before.end))

    def inherit(self, before: Stage) -> bool:
        if not isinstance(before, _Allowance):
            return False
        self._passed = before._passed
        return True
