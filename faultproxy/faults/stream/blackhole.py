"""`blackhole`: bytes go in, and nothing comes out."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from faultproxy.core.events import Direction
from faultproxy.core.rng import Chance
from faultproxy.core.stage import NOTHING, Act, Broken, Chunk, Close, Items, Stage
from faultproxy.faults.base import StreamFault
from faultproxy.faults.fields import Duration


class Blackhole(StreamFault):
    """Swallows what travels in `direction`: bytes, the FIN and a RST. The sender is acknowledged and notices nothing, unlike with a
    dead peer (which is `vanish`, a packet fault).

    A stream with a hole cannot be mended: healed after it has swallowed anything, it ends both legs, with a RST or as `ends` says.
    Healed before that, it leaves no trace. With `ends_after` it ends both legs by itself, so long after it has started, whether
    anything has come or not.
    """

    example: ClassVar[str] = 'kind = "blackhole"\ndirection = "s2c"\nafter_bytes = "1KiB"\n'
    keeps_bytes: ClassVar[bool] = False
    keeps_fin: ClassVar[bool] = False
    after_fin: ClassVar[bool] = True

    kind: Literal["blackhole"] = "blackhole"
    ends: Literal["reset", "close"] = Field("reset", description="how both legs end: with a RST, or with a FIN as from `close()`")
    ends_after: Duration | None = Field(None, description="both legs end that long after it has started (default: when it heals)")

    def stage(self, direction: Direction, chance: Chance, shared: object) -> Stage:
        """Remembers since when it swallows, and whether there was anything."""
        return _Blackhole(Close(both=True) if self.ends == "close" else Broken(), self.ends_after)


class _Blackhole(Stage):
    def __init__(self, end: Close | Broken, after: float | None) -> None:
        self._end = end
        self._after = after
        self._since: float | None = None
        """When it started; None: it has ended both legs, or has healed."""
        self._swallowed = False

    def start(self, now: float) -> Items:
        self._since = now
        return NOTHING

    def chunk(self, chunk: Chunk, now: float) -> Items:
        self._swallowed = True
        return (Act("swallowed", chunk.offset, len(chunk.data)),)

    def fin(self, now: float) -> Items:
        self._swallowed = True
        return (Act("swallowed the FIN"),)

    def rst(self, now: float) -> Items:
        self._swallowed = True
        return (Act("swallowed the RST"),)

    def deadline(self) -> float | None:
        return self._since + self._after if self._since is not None and self._after is not None else None

    def due(self, now: float) -> Items:
        self._since, self._swallowed = None, False
        return (self._end, Act("ended both legs"))

    def heal(self, now: float) -> Items:
        swallowed, self._since, self._swallowed = self._swallowed, None, False
        return (self._end,) if swallowed else NOTHING

    def inherit(self, before: Stage) -> bool:
        if not isinstance(before, _Blackhole):
            return False
        self._since, self._swallowed = before._since, before._swallowed
        return True
