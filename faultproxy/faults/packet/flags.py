"""`flags`: flags of a segment are set or cleared."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, WithJsonSchema, model_validator

from faultproxy.core.events import Tap
from faultproxy.core.header import Packet
from faultproxy.core.packet_stage import Items
from faultproxy.core.rng import Chance
from faultproxy.core.track import Leg
from faultproxy.faults.packet.segments import FLAGS, SelectingFault, bits, one_or_list
from faultproxy.faults.packet.stage import TapStage

_SCHEMA = WithJsonSchema({"anyOf": [{"enum": list(FLAGS)}, {"type": "array", "items": {"enum": list(FLAGS)}}]})
_READ = one_or_list(FLAGS, "a flag", '"PSH"')


class Flags(SelectingFault):
    """Sets or clears flags in the TCP header of the chosen segments, such as PSH or the two of ECN (RFC 3168).

    A segment that is as it should be already is left alone.
    """

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

    def stage(self, tap: Tap, chance: Chance, leg: Leg) -> TapStage:
        """Two masks."""
        return _Flags(self, tap, chance, leg)


class _Flags(TapStage):
    def __init__(self, fault: Flags, tap: Tap, chance: Chance, leg: Leg) -> None:
        super().__init__(tap, leg)
        self._selector = fault.selector(chance)
        self._set, self._clear = bits(fault.set), bits(fault.clear)
        self._what = " and ".join(f"{did} {', '.join(names)}" for did, names in (("set", fault.set), ("cleared", fault.clear)) if names)

    def start(self, now: float) -> Items:
        self._selector.reset()
        return ()

    def packet(self, packet: Packet, matched: bool, now: float) -> Items:
        flags = (packet.flags | self._set) & ~self._clear
        if not self._selector.takes(packet, matched) or flags == packet.flags:
            return (packet,)
        act = self.did(f"{self._what} in", packet)
        packet.flags = flags
        packet.changed = True
        return (act, packet)
