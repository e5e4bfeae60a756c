"""`blackhole`: bytes go in, and nothing comes out."""

from __future__ import annotations

from typing import ClassVar, Literal

from faultproxy.core.events import Direction
from faultproxy.core.rng import Chance
from faultproxy.core.stage import NOTHING, Act, Broken, Chunk, Items, Stage
from faultproxy.faults.base import StreamFault


class Blackhole(StreamFault):
    """Swallows what travels in `direction`: bytes, the FIN and a RST. The sender is acknowledged and notices nothing, unlike with a
    dead peer (which is `vanish`, a packet fault).

    A stream with a hole cannot be mended: healed after it has swallowed anything, it ends both legs with a RST. Healed before that,
    it leaves no trace.
    """

    example: ClassVar[str] = 'kind = "blackhole"\ndirection = "s2c"\nafter_bytes = "1KiB"\n'
    keeps_bytes: ClassVar[bool] = False
    keeps_fin: ClassVar[bool] = False
    after_fin: ClassVar[bool] = True

    kind: Literal["blackhole"] = "blackhole"

    def stage(self, direction: Direction, chance: Chance, shared: object) -> Stage:
        """Remembers only whether it has swallowed anything."""
        return _Blackhole()


class _Blackhole(Stage):
    def __init__(self) -> None:
        self._swallowed = False

    def chunk(self, chunk: Chunk, now: float) -> Items:
        self._swallowed = True
        return (Act("swallowed", chunk.offset, len(chunk.data)),)

    def fin(self, now: float) -> Items:
        self._swallowed = True
        return (Act("swallowed the FIN"),)

    def rst(self, now: float) -> Items:
        self._swallowed = True
        return (Act("swallowed the RST"),)

    def heal(self, now: float) -> Items:
        swallowed, self._swallowed = self._swallowed, False
        return (Broken(),) if swallowed else NOTHING
