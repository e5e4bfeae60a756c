"""`flip`: bytes arrive changed."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from faultproxy.core import rng
from faultproxy.core.events import Direction
from faultproxy.core.rng import Chance
from faultproxy.core.stage import NOTHING, Act, Chunk, Items, Stage
from faultproxy.faults.base import StreamFault
from faultproxy.faults.fields import Counting


class Flip(Counting, StreamFault):
    """Changes bytes on their way: which ones, `skip`, `step`, `take` and `share` say, counted from where the fault begins.

    The program at the other end gets a wrong byte with a right checksum, as from broken memory in between; TCP cannot notice. Each
    chosen byte has the bits of `mask` inverted, or, without it, one bit at random. At least one of the four must be given.
    """

    example: ClassVar[str] = 'kind = "flip"\ndirection = "s2c"\nshare = "0.1%"\ntake = 5\n'
    keeps_bytes: ClassVar[bool] = False

    kind: Literal["flip"] = "flip"
    mask: int | None = Field(None, ge=1, le=255, description="the bits to invert, 1 to 255 (default: one at random, drawn for each)")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not {"skip", "step", "take", "share"} & self.model_fields_set:
            raise ValueError('which bytes? Say so with skip, step, take or share, such as `take = 1` or `share = "0.1%"`')
        if self.share == 0:
            raise ValueError("`share` is zero: it would change nothing")
        return self

    def stage(self, direction: Direction, chance: Chance, shared: object) -> Stage:
        """Knows which byte is next, so that what lies between costs nothing."""
        return _Flip(self, chance)


class _Flip(Stage):
    def __init__(self, fault: Flip, chance: Chance) -> None:
        self._count = fault.count()
        self._mask = fault.mask
        self._chance = chance
        self._seen = 0
        self._left = self._count.take
        self._next = 0
        """The next byte to change, counted from the start."""

    def start(self, now: float) -> Items:
        self._seen = 0
        self._left = self._count.take
        self._next = self._count.skip + self._gap() * self._count.step
        return NOTHING

    def chunk(self, chunk: Chunk, now: float) -> Items:
        begin = self._seen
        end = self._seen = begin + len(chunk.data)
        if self._next >= end or self._left == 0:
            return (chunk,)
        data = bytearray(chunk.data)
        first, flipped = self._next - begin, 0
        while self._next < end and self._left != 0:
            data[self._next - begin] ^= self._mask or 1 << int(self._chance() * 8)
            flipped += 1
            if self._left is not None:
                self._left -= 1
            self._next += (1 + self._gap()) * self._count.step
        offset = chunk.offset if chunk.injected else chunk.offset + first
        return (Chunk(chunk.offset, bytes(data), chunk.injected), Act("flipped", offset, flipped))

    def _gap(self) -> int:
        # How many candidates are passed over: one draw for each byte that changes, not for each that might.
        return rng.geometric(self._chance, self._count.share) if self._count.share < 1 else 0
