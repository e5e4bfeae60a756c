"""`inject`: bytes arrive that nobody sent."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from faultproxy.core.events import Direction
from faultproxy.core.limits import READ_SIZE
from faultproxy.core.rng import Chance
from faultproxy.core.stage import Act, Chunk, Items, Stage
from faultproxy.faults.base import StreamFault
from faultproxy.faults.fields import Bytes


class Inject(StreamFault):
    """Puts `payload` into what travels in `direction`, once for each start: right behind the byte that started it, or where the
    stream is just then.

    It takes part in the faults that stand below it in the file, as if it had been sent. Behind a FIN nothing can be put any more.
    """

    example: ClassVar[str] = 'kind = "inject"\ndirection = "s2c"\npayload = {hex = "ff 00 ff 00"}\nafter_bytes = "1KiB"\n'
    keeps_bytes: ClassVar[bool] = False  # none is lost, but more arrives than was sent
    momentary: ClassVar[bool] = True

    kind: Literal["inject"] = "inject"
    payload: Bytes = Field(min_length=1, max_length=READ_SIZE, description="what to put in")

    def stage(self, direction: Direction, chance: Chance, shared: object) -> Stage:
        """Acts at its place only."""
        return _Inject(self.payload)


class _Inject(Stage):
    touches_data = False

    def __init__(self, payload: bytes) -> None:
        self._payload = payload

    def reached(self, offset: int, now: float) -> Items:
        return (Chunk(offset, self._payload, injected=True), Act("injected", offset, len(self._payload)))
