"""`close`: the connection ends orderly, but too soon."""

from __future__ import annotations

from typing import ClassVar, Literal

from faultproxy.core.events import Direction
from faultproxy.core.rng import Chance
from faultproxy.core.stage import Act, Close, Items, Stage
from faultproxy.faults.base import ConnectionFault


class CloseFault(ConnectionFault):
    """Closes the leg that `direction` leads to, in both its directions, behind the bytes that came before its place: a FIN, as from a
    program that calls `close()`.

    `s2c` closes towards the client, so what the client still sends is answered with a RST; the server's leg stays open, read and
    unanswered. `both` closes both. To end one direction only, see `half_close`.
    """

    example: ClassVar[str] = 'kind = "close"\ndirection = "s2c"\non_match = "BYE"\n'
    keeps_bytes: ClassVar[bool] = False
    momentary: ClassVar[bool] = True
    after_fin: ClassVar[bool] = True

    kind: Literal["close"] = "close"

    def stage(self, direction: Direction, chance: Chance, shared: object) -> Stage:
        """Acts at its place only."""
        return _Close()


class _Close(Stage):
    touches_data = False

    def reached(self, offset: int, now: float) -> Items:
        return (Close(), Act("closed", offset))
