"""`timestamps`: the clock in the timestamp option is shifted."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from faultproxy.faults.packet.segments import SelectingFault


class Timestamps(SelectingFault):
    """Shifts the timestamp (TSval) of the chosen segments: set back, they look old, and PAWS discards them (RFC 7323, 5).

    Each discarded segment is answered by a duplicate ACK and nothing else, as where two hosts share an address behind a NAT.
    """

    example: ClassVar[str] = 'kind = "timestamps"\ndirection = "to_client"\nshift = -100000\nlasts = "2s"\n'

    kind: Literal["timestamps"] = "timestamps"
    shift: int = Field(ge=-(2**31), lt=2**31, description="ticks to add to the clock, on Linux milliseconds; negative: back")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.shift == 0:
            raise ValueError("a `shift` of 0 would do nothing")
        return self
