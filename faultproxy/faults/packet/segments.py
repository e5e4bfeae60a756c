"""What packet faults have in common: at which taps they lay hold of segments, and of which."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, Self, cast, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from faultproxy.core import events, track
from faultproxy.core.events import DIRECTIONS, FLOW, Direction
from faultproxy.core.match import Count
from faultproxy.core.packet_stage import PacketPlan, PacketStage
from faultproxy.core.plan import FaultPlan
from faultproxy.core.rng import Chance
from faultproxy.core.shape import SHAPES, Shape
from faultproxy.core.track import Leg
from faultproxy.faults.base import Fault, Place, Plane
from faultproxy.faults.fields import Pattern, Share, Strict
from faultproxy.faults.packet.selector import Bursts, Selector, Sorts

Tap = Literal["from_client", "to_client", "from_server", "to_server"]
Segment = Literal["syn", "synack", "ack", "data", "fin", "rst", "retransmission", "window_update", "keepalive", "any"]
FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")
"""The flags of a TCP header, from its lowest bit (RFC 9293, 3.1)."""

_TAPS: tuple[str, ...] = get_args(Tap)
_WAYS = ("c2s", "s2c", "both")
_MARKS = {"retransmission": track.RETRANSMISSION, "window_update": track.WINDOW_UPDATE, "keepalive": track.KEEPALIVE}
"""Sorts that only the segments before can tell."""
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


def bits(names: Iterable[str]) -> int:
    """The bits of these flags in a header."""
    return sum(1 << FLAGS.index(name) for name in names)


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

    whole: ClassVar[bool] = True
    """It changes segments, looks into them or sends them later, so they must be copied whole."""
    back: ClassVar[bool] = False
    """It must see the other way of the leg as well."""

    def taps(self) -> tuple[events.Tap, ...]:
        """Where it lays hold of segments; on a connection that is not proxied, the two directions."""
        return DIRECTIONS if self.direction in ((), ("both",)) else cast(tuple[events.Tap, ...], self.direction)

    def ways(self) -> tuple[Direction, ...]:
        """The directions in which the segments at its taps travel."""
        found = {FLOW[tap] for tap in self.taps()}
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
        """A stage at each tap."""
        return self._plan(packet=self.packet_plan())

    def packet_plan(self) -> PacketPlan:
        """What the core must know of it; a kind says more."""
        return PacketPlan(taps=self.taps(), stage=self.stage, whole=self.whole, back=self.back)

    @abstractmethod
    def stage(self, tap: events.Tap, chance: Chance, leg: Leg) -> PacketStage:
        """The behaviour at one tap of one connection."""


class SelectingFault(PacketFault):
    """A packet fault that says which packets; all that is said must hold."""

    carrying: ClassVar[bool] = False
    """Segments without payload do not concern it."""

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
        sorts = self.sorts()
        if not sorts.shapes and not sorts.marks:
            raise ValueError(
                "`segments`, `flags` and `length` leave nothing: no segment is all of that" + self.carrying * " and has a payload"
            )
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

    def sorts(self) -> Sorts:
        """What a segment must look like; without `shapes` and `marks` where no segment can be so."""
        least, most = (self.length.min, self.length.max) if self.length else (0, None)
        return _sorts(self.segments, self.flags, max(least, 1) if self.carrying else least, most)

    def selector(self, chance: Chance) -> Selector:
        """Goes through the segments of one tap of one connection."""
        bursts = None if self.burst is None else Bursts(self.burst.enter, self.burst.leave, self.burst.share)
        return Selector(self.sorts(), self.count(), bursts, chance)

    def count(self) -> Count:
        """Which of those that look so."""
        return Count(self.skip, self.step, self.take, self.share)

    @property
    def counts(self) -> bool:
        """Whether it takes only some of those that look alike."""
        return self.count() != Count() or self.burst is not None or self.payload is not None

    def packet_plan(self) -> PacketPlan:
        """With the bytes that it looks for."""
        return PacketPlan(
            taps=self.taps(), stage=self.stage, payload=self.payload, whole=self.whole or self.payload is not None, back=self.back
        )


@lru_cache(maxsize=256)
def _sorts(segments: tuple[Segment, ...], flags: tuple[str, ...], least: int, most: int | None) -> Sorts:
    # Asked for every connection, with the same answer.
    if most is not None and most < least:
        return Sorts(())
    absent = [name for name in flags if name.startswith("!")]
    exact = Shape(bits(set(flags) - set(absent)), bits(name[1:] for name in absent), least, most)
    shapes = (SHAPES[sort].both(exact) for sort in segments if sort in SHAPES)
    marks = sum(_MARKS[sort] for sort in segments if sort in _MARKS)
    return Sorts(tuple(found for found in shapes if found is not None), marks, exact)
