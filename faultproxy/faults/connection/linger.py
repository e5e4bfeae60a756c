"""`linger`: how `close()` treats what has not been sent yet."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from faultproxy.core import units
from faultproxy.core.events import SINK, Direction, Side
from faultproxy.core.rng import Chance
from faultproxy.core.stage import Act, Close, Items, Stage
from faultproxy.faults.base import ConnectionFault

_LONGEST = 32767.0
"""Seconds: Linux keeps the setting in jiffies and cuts it, other systems have 16 bits for it."""


def _timeout(value: object) -> float | None:
    if value is None or value == "off":
        return None
    seconds = units.duration(value)
    if seconds != int(seconds):
        raise ValueError(f"SO_LINGER counts whole seconds (socket(7)), and {value!r} is none")
    if seconds > _LONGEST:
        raise ValueError(f"SO_LINGER of more than {_LONGEST:.0f} s is not to be had everywhere: {value!r}")
    return seconds


def _written(value: float | None) -> str:
    return "off" if value is None else units.write_duration(value)


Timeout = Annotated[
    float | None,
    BeforeValidator(_timeout),
    PlainSerializer(_written, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["off", "0s", "5s"]}),
]
"""Whole seconds, or None for "off"."""


class Linger(ConnectionFault):
    """Turns the FIN that travels in `direction` into a `close()` of the leg it leads to, with that setting of SO_LINGER.

    `"off"`: close returns at once, and the kernel goes on sending what is left. `"5s"`: close waits until all is sent and
    acknowledged, for 5 s at most. `"0s"`: what is left is thrown away, and a RST is sent in place of the FIN. Unlike a FIN passed
    on, a close ends both directions of that leg: what its peer still sends is answered with a RST.
    """

    example: ClassVar[str] = 'kind = "linger"\ndirection = "c2s"\ntimeout = "5s"\n'
    keeps_bytes: ClassVar[bool] = False  # with "0s", or when the time is over

    kind: Literal["linger"] = "linger"
    timeout: Timeout = Field(description='SO_LINGER: "off", or whole seconds, such as "0s" or "5s"')

    def needs_tcp(self) -> dict[Side, str]:
        """SO_LINGER says nothing to a unix socket."""
        return {SINK[direction]: "SO_LINGER has no effect on it" for direction in self.ways()}

    def stage(self, direction: Direction, chance: Chance, shared: object) -> Stage:
        """Acts on the FIN only."""
        return _Linger(self.timeout)


class _Linger(Stage):
    touches_data = False

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout

    def fin(self, now: float) -> Items:
        return (Close(self._timeout), Act(f"closed with SO_LINGER {_written(self._timeout)}"))
