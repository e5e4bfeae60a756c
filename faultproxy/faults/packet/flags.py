"""`flags`: flags of a segment are set or cleared."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, WithJsonSchema, model_validator

from faultproxy.faults.packet.segments import FLAGS, SelectingFault, one_or_list

_SCHEMA = WithJsonSchema({"anyOf": [{"enum": list(FLAGS)}, {"type": "array", "items": {"enum": list(FLAGS)}}]})
_READ = one_or_list(FLAGS, "a flag", '"PSH"')


class Flags(SelectingFault):
    """Sets or clears flags in the TCP header of the chosen segments, such as PSH or the two of ECN (RFC 3168)."""

    example: ClassVar[str] = 'kind = "flags"\ndirection = "to_server"\nsegments = "data"\nclear = "PSH"\n'

    kind: Literal["flags"] = "flags"
    set: Annotated[tuple[str, ...], _READ, _SCHEMA] = Field((), description=f"flags to set: one or a list of {', '.join(FLAGS)}")
    clear: Annotated[tuple[str, ...], _READ, _SCHEMA] = Field((), description="flags to clear")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.set and not self.clear:
            raise ValueError("neither `set` nor `clear` is given: it would do nothing")
        if both := [name for name in self.set if name in self.clear]:
            raise ValueError(f"{both[0]} is both set and cleared")
        return self
