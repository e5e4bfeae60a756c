"""`half_close`: one direction ends, the other lives on."""

from __future__ import annotations

from typing import ClassVar, Literal

from faultproxy.core.events import Direction
from faultproxy.core.rng import Chance
from faultproxy.core.stage import Act, Fin, Items, Stage
from faultproxy.faults.base import ConnectionFault


class HalfClose(ConnectionFault):
    """Sends a FIN in `direction`, behind the bytes that came before its place, as `shutdown(SHUT_WR)` does. The receiver sees the end
    of the stream and can go on sending.

    The sender knows nothing of it: what it sends from then on is read and thrown away, its own FIN included.
    """

    example: ClassVar[str] = 'kind = "half_close"\ndirection = "c2s"\nafter_bytes = "1KiB"\n'
    keeps_bytes: ClassVar[bool] = False
    momentary: ClassVar[bool] = True

    kind: Literal["half_close"] = "half_close"

    def stage(self, direction: Direction, chance: Chance, shared: object) -> Stage:
        """Acts at its place only; the pipe discards what comes after a FIN."""
        return _HalfClose()


class _HalfClose(Stage):
    touches_data = False

    def reached(self, offset: int, now: float) -> Items:
        return (Fin(), Act("half-closed", offset))
