"""`delay`: segments or datagrams arrive later."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from faultproxy.faults.fields import Duration, Share
from faultproxy.faults.packet.segments import SelectingFault


class Delay(SelectingFault):
    """Holds the chosen segments for a time: the round trip that the peers' kernels measure grows with it.

    With `jitter`, a later segment may overtake an earlier one, as on a real network. To delay the bytes and not the segments, and in
    order, there is `latency`.
    """

    example: ClassVar[str] = 'kind = "delay"\ndirection = "to_client"\nsegments = "ack"\ndelay = "200ms"\n'
    datagrams: ClassVar[bool] = True

    kind: Literal["delay"] = "delay"
    delay: Duration = Field(description="how much later, one way")
    jitter: Duration = Field(0.0, description="how much the delay varies")
    distribution: Literal["uniform", "normal", "pareto", "paretonormal"] = Field("uniform", description="how it varies")
    correlation: Share = Field(0.0, description="how much of a draw is the draw before")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.delay == 0 and self.jitter == 0:
            raise ValueError("neither `delay` nor `jitter` is above zero: it would do nothing")
        return self
