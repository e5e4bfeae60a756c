"""`hold_fin`: one end has said goodbye, and the other does not hear it."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from faultproxy.core.events import Direction
from faultproxy.core.rng import Chance
from faultproxy.core.stage import NOTHING, Act, Fin, Items, Rst, Stage
from faultproxy.faults.base import ConnectionFault
from faultproxy.faults.fields import Duration


class HoldFin(ConnectionFault):
    """Withholds the FIN that travels in `direction`; bytes pass, and the other direction lives on.

    Whoever sent it sits in FIN_WAIT_2, acknowledged; the other end stays ESTABLISHED and hears no end of the stream. A RST is not
    held: a client that has called `close()`, not `shutdown()`, answers the next byte from the server with one, and that ends it.
    Healing passes the FIN on. With `hold`, it passes that long after it has come.
    """

    example: ClassVar[str] = 'kind = "hold_fin"\ndirection = "c2s"\nlasts = "6s"\n'
    keeps_fin: ClassVar[bool] = False

    kind: Literal["hold_fin"] = "hold_fin"
    hold: Duration | None = Field(None, description="how long the FIN is withheld (default: until the fault heals)")

    def stage(self, direction: Direction, chance: Chance, shared: object) -> Stage:
        """Remembers the FIN."""
        return _HoldFin(self.hold)


class _HoldFin(Stage):
    touches_data = False

    def __init__(self, hold: float | None) -> None:
        self._hold = hold
        self._fin = False
        self._due: float | None = None

    def fin(self, now: float) -> Items:
        self._fin = True
        self._due = now + self._hold if self._hold is not None else None
        return (Act("held the FIN"),)

    def deadline(self) -> float | None:
        return self._due if self._fin else None

    def due(self, now: float) -> Items:
        return self.heal(now)

    def rst(self, now: float) -> Items:
        self._fin = False
        return (Rst(),)

    def heal(self, now: float) -> Items:
        held, self._fin = self._fin, False
        return (Fin(),) if held else NOTHING

    def inherit(self, before: Stage) -> bool:
        if not isinstance(before, _HoldFin):
            return False
        self._fin, self._due = before._fin, before._due
        return True
