"""`reset`: the connection ends with a RST."""

from __future__ import annotations

from typing import ClassVar, Literal

from faultproxy.core.events import SINK, Direction, Side
from faultproxy.core.rng import Chance
from faultproxy.core.stage import Act, Items, Rst, Stage
from faultproxy.faults.base import ConnectionFault


class Reset(ConnectionFault):
    """Sends a RST to the end that `direction` leads to, behind the bytes that came before its place; what that end's kernel has not
    been sent yet is thrown away.

    `s2c` gives the client a RST (`ECONNRESET`) and leaves the server's leg open, read and unanswered, until the server itself ends it;
    `both` ends both legs. There is no FIN_WAIT and no TIME_WAIT afterwards.
    """

    example: ClassVar[str] = 'kind = "reset"\ndirection = "s2c"\nafter_bytes = "4KiB"\n'
    keeps_bytes: ClassVar[bool] = False
    keeps_fin: ClassVar[bool] = False
    momentary: ClassVar[bool] = True
    after_fin: ClassVar[bool] = True

    kind: Literal["reset"] = "reset"

    def needs_tcp(self) -> dict[Side, str]:
        """Unix sockets know no RST."""
        return {SINK[direction]: "it knows no RST" for direction in self.ways()}

    def stage(self, direction: Direction, chance: Chance, shared: object) -> Stage:
        """Acts at its place only."""
        return _Reset()


class _Reset(Stage):
    touches_data = False

    def reached(self, offset: int, now: float) -> Items:
        return (Rst(), Act("reset", offset))
