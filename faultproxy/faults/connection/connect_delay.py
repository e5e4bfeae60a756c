"""`connect_delay`: the upstream is dialled late."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from faultproxy.core import rng
from faultproxy.core.plan import Dial
from faultproxy.core.rng import Chance
from faultproxy.faults.base import DialFault
from faultproxy.faults.fields import Duration


class ConnectDelay(DialFault):
    """Dials the upstream `delay` after the client has been accepted, give or take `jitter` (drawn evenly for each connection).

    The client is connected meanwhile and gets no answer; it is not read either, so what it sends waits in the kernel. To make the
    connect itself hang, see `accept_stall`.
    """

    example: ClassVar[str] = 'kind = "connect_delay"\ndelay = "2s"\njitter = "500ms"\n'

    kind: Literal["connect_delay"] = "connect_delay"
    delay: Duration = Field(description="how much later")
    jitter: Duration = Field(0.0, description="how much the delay varies")

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.delay == 0 and self.jitter == 0:
            raise ValueError("neither `delay` nor `jitter` is above zero: it would do nothing")
        for key in ("after_bytes", "on_match", "on_fin"):
            if getattr(self, key) is not None:
                raise ValueError(f"`{key}` comes too late: nothing is sent before the upstream is dialled, as the connection opens")
        if self.after and self.at is None and not self.manual and self.on_fault is None and self.on_heal is None:
            raise ValueError("`after` alone counts from the opening of the connection, when the upstream is dialled: it comes too late")
        return self

    def dial(self, dial: Dial, chance: Chance) -> Dial:
        """So much later than without it."""
        deviation = self.jitter * rng.uniform(chance) if self.jitter else 0.0
        return replace(dial, delay=dial.delay + max(0.0, self.delay + deviation))
