"""What packet faults have in common: at which taps they lay hold of segments, and of which."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from faultproxy.core.events import DIRECTIONS, Direction
from faultproxy.core.plan import FaultPlan
from faultproxy.errors import CapabilityError
from faultproxy.faults.base import Fault, Place, Plane
from faultproxy.faults.fields import Pattern, Share, Strict

Tap = Literal["from_client", "to_client", "from_server", "to_server"]
Segment = Literal["syn", "synack", "ack", "data", "fin", "rst", "retransmission", "window_update", "keepalive", "any"]
FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")
"""The flags of a TCP header (RFC 9293, 3.1)."""

_TAPS: tuple[str, ...] = get_args(Tap)
_WAYS = ("c2s", "s2c", "both")
_DIRECTION_OF: dict[str, Direction] = {"from_client": "c2s", "to_server": "c2s", "from_server": "s2c", "to_client": "s2c"}
_SEGMENTS: tuple[str, ...] = get_args(Segment)


def one_or_list(known: tuple[str, ...], what: str, example: str) -> BeforeValidator:
    """Reads one of `known` or a list of them as a tuple."""

    def read(value: object) -> tuple[str, ...]:
        names = value if isinstance(value, list | tuple) else [value]
        if not names:
            raise ValueError(f"the list is empty: expected {what}, such as {example}")
        for name in names:
            if name not in known:
                raise ValueError(f"expected {what}: one or a list of {', '.join(known)}, not {name!r}")
        if len(set(names)) != len(names):
            raise ValueError("the list names something twice")
        return tuple(names)

    return BeforeValidator(read)


def _one_or_list_schema(known: tuple[str, ...]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"enum": list(known)}, {"type": "array", "items": {"enum": list(known)}, "minItems": 1}]})


def _direction(value: object) -> Any:
    if isinstance(value, str) and value in _WAYS:
        return (value,)
    return one_or_list(_TAPS, "a tap", '"to_client"').func(value)  # type: ignore[call-arg]


def flag_names(value: object) -> tuple[str, ...]:
    """Flags from ``"ACK,!SYN"`` or a list; a `!` stands for a flag that must be absent. Raises ValueError."""
    parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not parts or not all(isinstance(part, str) for part in parts):
        raise ValueError('expected flags such as "ACK,!SYN"')
    names = tuple(part.upper() for part in parts)
    for name in names:
        if name.removeprefix("!") not in FLAGS:
            raise ValueError(f"{name!r} is no flag of TCP: they are {', '.join(FLAGS)}, with a ! before one that must be absent")
    bare = [name.removeprefix("!") for name in names]
    if len(set(bare)) != len(bare):
        raise ValueError("a flag is named twice")
    return names


class Length(Strict):
    """Bounds of the payload in bytes, both included."""

    min: int = Field(0, ge=0, description="at least so many bytes")
    max: int | None = Field(None, ge=0, description="at most so many bytes")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max is not None and self.max < self.min:
            raise ValueError(f"no segment is at least {self.min} and at most {self.max} bytes long")
        return self


class Burst(Strict):
    """Losses in bursts, after Gilbert and Elliott: a good state that hits nothing and a bad one that hits `share`."""

    enter: Share = Field(gt=0, description="the chance, at each segment, to pass from good to bad")
    leave: Share = Field(gt=0, description="the chance, at each segment, to pass back")
    share: Share = Field(1.0, description="the chance that a segment is hit in the bad state")


class PacketFault(Fault):
    """Acts on TCP segments at one of the four taps, or on UDP datagrams."""

    plane: ClassVar[Plane] = "packet"
    datagrams: ClassVar[bool] = False
    """It can act on UDP as well."""

    direction: Annotated[tuple[str, ...], BeforeValidator(_direction), _one_or_list_schema(_TAPS + _WAYS)] = Field(
        (),
        description="at which tap: one or a list of from_client, to_client, from_server, to_server; on UDP and with `intercept` "
        "c2s, s2c or both (default there: both)",
    )

    def ways(self) -> tuple[Direction, ...]:
        """The directions in which the segments at its taps travel."""
        if self.direction in ((), ("both",)):
            return DIRECTIONS
        found = {_DIRECTION_OF.get(name, name) for name in self.direction}
        return tuple(direction for direction in DIRECTIONS if direction in found)

    def unfit(self, place: Place) -> tuple[tuple[str, str], ...]:
        """Taps belong to a proxied TCP connection; UDP and `intercept` have directions."""
        found: list[tuple[str, str]] = []
        if place.unix("client") or place.unix("server"):
            found.append(("kind", "a unix socket has no segments: a packet fault needs TCP on both legs"))
        two_ways = place.udp or place.intercept
        where = "on UDP" if place.udp else "with `intercept`"
        if place.udp and not self.datagrams:
            found.append(("kind", f"`{self.kind}` acts on what only a TCP segment has: UDP has datagrams"))
        if two_ways and any(name in _TAPS for name in self.direction):
            found.append(("direction", f"{where} there are no taps: write c2s, s2c or both"))
        elif not two_ways and not self.direction:
            found.append(("direction", f"a segment is met at one of four taps, and none is the default: {', '.join(_TAPS)}"))
        elif not two_ways and self.direction[0] in _WAYS:
            way = self.direction[0]
            taps = "from_client or to_server" if way == "c2s" else "from_server or to_client" if way == "s2c" else "a list of taps"
            found.append(("direction", f'a proxied connection is two, so "{way}" could be either: write {taps}'))
        return tuple(found)

    def plan(self) -> FaultPlan:
        """Raises CapabilityError: this version has no packet plane, and a relay's two sockets cannot stand in for it."""
        raise CapabilityError(self.cannot_run())

    def cannot_run(self) -> str:
        """Why it cannot run."""
        return (
            f'fault "{self.name}": `{self.kind}` acts on packets, and the packet plane is not part of this version. '
            "It is not imitated with bytes: a relay that swallows bytes loses data, where a lost segment is sent again"
        )


class SelectingFault(PacketFault):
    """A packet fault that says which packets; all that is said must hold."""

    segments: Annotated[tuple[Segment, ...], one_or_list(_SEGMENTS, "a sort of segment", '"ack"'), _one_or_list_schema(_SEGMENTS)] = Field(
        ("any",), description=f"sorts of segment, one or a list of {', '.join(_SEGMENTS)}; `ack` carries nothing else"
    )
    flags: Annotated[tuple[str, ...], BeforeValidator(flag_names), WithJsonSchema({"type": "string", "examples": ["ACK,!SYN"]})] = Field(
        (), description='exact form: flags that are set, or with a ! not set, such as "ACK,!SYN"'
    )
    length: Length | None = Field(None, description="only payloads of this length, {min = 1}")
    payload: Pattern | None = Field(None, description="only those with these bytes")
    skip: int = Field(0, ge=0, description="leave out the first so many")
    step: int = Field(1, ge=1, description="then every so-manieth")
    take: int | None = Field(None, ge=1, description="at most so many (default: no limit)")
    share: Share = Field(1.0, description='a chance drawn once for each, such as "5%"')
    burst: Burst | None = Field(None, description="losses in bursts, {enter, leave, share} (Gilbert-Elliott)")

    @model_validator(mode="after")
    def _chooses(self) -> Self:
        if self.burst is not None and "share" in self.model_fields_set:
            raise ValueError("`burst` has its own `share`: write burst = {enter = …, leave = …, share = …}")
        if "any" in self.segments and len(self.segments) > 1:
            raise ValueError("`any` already means every segment: name the others without it")
        return self

    def unfit(self, place: Place) -> tuple[tuple[str, str], ...]:
        """Datagrams are of one sort and have no flags."""
        found = super().unfit(place)
        if place.udp:
            found += tuple(
                (key, f"a datagram has no `{key}`: choose by length, payload, skip, step, take, share or burst")
                for key in ("segments", "flags")
                if key in self.model_fields_set
            )
        return found
