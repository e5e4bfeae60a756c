"""What every fault has in common: its name, whom it hits, what starts it, how long it lasts; and the contract that a kind fulfils.

A kind is one file: a class with a `kind` (its tag in the file), fields with descriptions, an `example`, and the hooks of
`core.plan.FaultPlan` that it needs. The class docstring is the user's documentation. It is then named in `faults/__init__.py`,
and nowhere else.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from faultproxy.core import timeline
from faultproxy.core.events import DIRECTIONS, FROM, TO, Direction, Side
from faultproxy.core.plan import Dial, FaultPlan, Listening, Selection, Sockets
from faultproxy.core.rng import Chance
from faultproxy.core.stage import Stage
from faultproxy.core.units import write_size
from faultproxy.faults.fields import Counting, Duration, Network, Pattern, Size, Strict, Way, directions, write_pattern

Plane = Literal["stream", "connection", "packet"]
STARTS = ("at", "after_bytes", "on_match", "on_fin", "on_fault", "on_heal", "manual")
"""The keys of which a fault may have at most one."""


class Choice(Counting):
    """Some of the connections; everything that is said must hold."""

    source: Network | None = Field(None, description="only clients from this address or network")
    crowd: str | None = Field(None, description="only members of this crowd, by their own number")
    probe: str | None = Field(None, description="this probe (probes are hit only if named)")

    def selection(self) -> Selection:
        """The same for the core."""
        return Selection(None, self.count(), self.source, self.crowd, self.probe)


def _choice(value: object) -> Any:
    if value == "all" or isinstance(value, Choice):
        return value
    if isinstance(value, list):
        if not value or not all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in value):
            raise ValueError("expected the numbers of connections, counted from 1, such as [1, 3]")
        return tuple(value)
    if isinstance(value, dict | tuple):
        return value
    raise ValueError('expected "all", a list such as [1, 3], or a table such as {skip = 2, take = 1}')


Connections = Annotated[
    Literal["all"] | tuple[int, ...] | Choice,
    BeforeValidator(_choice),
]


def selection(value: Literal["all"] | tuple[int, ...] | Choice) -> Selection:
    """The core's form of `connections`."""
    if isinstance(value, Choice):
        return value.selection()
    return Selection() if value == "all" else Selection(frozenset(int(n) for n in value))


class InDirection(Strict):
    """A size or a pattern watched for in one direction."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for value in self.__dict__.values()) != 1:
            raise ValueError("name one direction: c2s or s2c")
        return self


class SizeIn(InDirection):
    """`{s2c = "64KiB"}`"""

    c2s: Size | None = None
    s2c: Size | None = None


class PatternIn(InDirection):
    """`{s2c = "LOGIN OK"}`"""

    c2s: Pattern | None = None
    s2c: Pattern | None = None


def _size_or_in(value: object) -> Any:
    return SizeIn.model_validate(value) if isinstance(value, dict) else Sized.model_validate({"size": value}).size


def _pattern_or_in(value: object) -> Any:
    if isinstance(value, dict) and not {"hex", "regex"} & value.keys():
        return PatternIn.model_validate(value)
    return Patterned.model_validate({"pattern": value}).pattern


class Sized(Strict):
    """Carries the schema and the check of a size."""

    size: Size = Field(gt=0)


class Patterned(Strict):
    """Carries the schema and the check of a pattern."""

    pattern: Pattern


def _schema_of(plain: type[Strict], field: str, table: type[Strict]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [plain.model_json_schema()["properties"][field], table.model_json_schema()]})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fault is to act: the proxy as far as a fault must know it before anything runs."""

    udp: bool = False
    intercept: bool = False
    unix_legs: frozenset[Side] = frozenset()

    def unix(self, side: Side) -> bool:
        """Whether the leg to `side` is a unix socket."""
        return side in self.unix_legs


def _written(value: Any) -> Any:
    # The values of `after_bytes` and `on_match`, which have no static type: as a file has them.
    match value:
        case int():
            return write_size(value)
        case InDirection():
            return value.model_dump(mode="json", exclude_none=True)
        case None:
            return None
    return write_pattern(value)


class Fault(Strict):
    """The keys that every kind of fault has."""

    plane: ClassVar[Plane]
    example: ClassVar[str]
    """A fault table as a user would write it, without the `[[fault]]` line; tests load and run it."""
    keeps_bytes: ClassVar[bool] = True
    """Every byte arrives, in order and unchanged, at the latest when the fault has healed."""
    keeps_fin: ClassVar[bool] = True
    """A FIN gets through while the fault is active."""
    momentary: ClassVar[bool] = False
    """It acts when it starts and has nothing to hold: `every` needs no `lasts`."""
    datagrams: ClassVar[bool] = False
    """It can act on UDP as well."""

    kind: str
    name: str = Field("", description="how the rest of the file and the journal call it (default: the kind)")
    proxy: str | None = Field(None, description="which [[proxy]], where there are several")
    connections: Connections = Field("all", description="whom it hits: all, [1, 3], or {skip, step, take, share, source, crowd, probe}")
    at: Duration | None = Field(None, description="starts at this time of the clock, for all that are open or open while it lasts")
    after_bytes: Annotated[
        Any, BeforeValidator(_size_or_in), PlainSerializer(_written, when_used="json"), _schema_of(Sized, "size", SizeIn)
    ] = Field(None, description='starts behind so many bytes of its direction, or {s2c = "64KiB"} of the other')
    on_match: Annotated[
        Any, BeforeValidator(_pattern_or_in), PlainSerializer(_written, when_used="json"), _schema_of(Patterned, "pattern", PatternIn)
    ] = Field(None, description='starts behind these bytes, or {s2c = "LOGIN OK"} in the other direction')
    on_fin: Side | None = Field(None, description="starts when that side has sent its FIN")
    on_fault: str | None = Field(None, description="starts when that fault starts")
    on_heal: str | None = Field(None, description="starts when that fault heals")
    manual: bool = Field(False, description="started by the API or a fixture only")
    after: Duration = Field(0.0, description="so much later than whatever starts it")
    lasts: Duration | None = Field(None, description="heals after this time (default: at the end of the connection or run)")
    every: Duration | None = Field(None, gt=0, description="starts again, start to start")
    times: int | None = Field(None, ge=1, description="at most so often (default 1; with `every` no limit)")
    may_not_fire: bool = Field(False, description="no failure if it never acts")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if isinstance(value, dict) and not value.get("name") and isinstance(value.get("kind"), str):
            return value | {"name": value["kind"]}
        return value

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        given = [key for key in STARTS if getattr(self, key) not in (None, False)]
        if len(given) > 1:
            raise ValueError(f"at most one of {', '.join(STARTS)} starts a fault: this one has {' and '.join(given)}")
        if self.every is not None:
            if self.lasts is None and not self.momentary:
                raise ValueError(f"`every` needs `lasts`: without it, {self.kind} never heals and cannot start again")
            if self.lasts is not None and self.lasts > self.every:
                raise ValueError("`lasts` is longer than `every`: it would start again before it has healed")
        elif self.times is not None and self.times > 1 and (not given or given[0] in ("at", "on_fin")):
            raise ValueError(f"`times = {self.times}` needs `every`: what starts this fault happens once")
        return self

    def table(self) -> dict[str, Any]:
        """The fault as a table of plain JSON, without what is left at its default; validated, it gives an equal fault."""
        return {"kind": self.kind, "name": self.name} | self.model_dump(mode="json", exclude_defaults=True)

    def belongs_to(self, proxy: str) -> bool:
        """Whether that proxy has it: it names this one, or none, which means each."""
        return self.proxy in (None, proxy)

    def ways(self) -> tuple[Direction, ...]:
        """The directions in which it acts, and in which its bare `after_bytes` and `on_match` are watched for."""
        return DIRECTIONS

    def schedule(self) -> timeline.Schedule:
        """When it starts and heals, for the core."""
        # Who starts a fault by hand says how often by doing it.
        times = self.times if self.times is not None else (None if self.every is not None or self.manual else 1)
        return timeline.Schedule(self._trigger(), self.after, self.lasts, self.every, times, self.momentary)

    def _trigger(self) -> timeline.Trigger:
        if self.at is not None:
            return timeline.At(self.at)
        if self.after_bytes is not None:
            return timeline.AfterBytes(*self._watched(self.after_bytes, SizeIn))
        if self.on_match is not None:
            return timeline.OnMatch(*self._watched(self.on_match, PatternIn))
        if self.on_fin is not None:
            return timeline.OnFin(self.on_fin)
        if self.on_fault is not None or self.on_heal is not None:
            return timeline.OnOther(self.on_fault or self.on_heal or "", heals=self.on_heal is not None)
        return timeline.Manual() if self.manual else timeline.Opens()

    def _watched(self, value: Any, table: type[InDirection]) -> tuple[tuple[Direction, ...], Any]:
        if isinstance(value, table):
            direction: Direction = "c2s" if value.__dict__["c2s"] is not None else "s2c"
            return (direction,), value.__dict__[direction]
        return self.ways(), value

    def needs_tcp(self) -> Mapping[Side, str]:
        """The legs that must be TCP and no unix sockets, each with the reason."""
        return {}

    def unfit(self, place: Place) -> tuple[tuple[str, str], ...]:
        """Why it cannot act there, each as the key that is at fault and the reason."""
        if place.intercept:
            return (("kind", f"with `intercept` nobody stands between client and server: `{self.kind}` needs a proxy that listens"),)
        if place.udp and not self.datagrams:
            return (("kind", f"`{self.kind}` acts on a TCP connection: UDP has datagrams only"),)
        return tuple(("kind", f"the {side}'s leg is a unix socket: {why}") for side, why in self.needs_tcp().items() if place.unix(side))

    def cannot_run(self) -> str:
        """Why this version cannot run it, in one line; empty if it can."""
        return ""

    @abstractmethod
    def plan(self) -> FaultPlan:
        """What the core needs to know of it."""

    def _plan(self, **hooks: Any) -> FaultPlan:
        return FaultPlan(
            name=self.name,
            kind=self.kind,
            schedule=self.schedule(),
            selection=selection(self.connections),
            directions=self.ways(),
            may_not_fire=self.may_not_fire,
            **hooks,
        )


class DirectedFault(Fault):
    """A fault that acts on what travels in a direction, by a stage of its own."""

    after_fin: ClassVar[bool] = False
    """It still means something behind a FIN in its own direction, where no byte and no other FIN can follow."""

    direction: Way = Field("both", description="c2s (client to server), s2c, or both")

    @model_validator(mode="after")
    def _finds_something(self) -> Self:
        if self.on_fin is not None and self.ways() == (FROM[self.on_fin],) and not self.after_fin:
            other = TO[self.on_fin]
            raise ValueError(
                f'`on_fin = "{self.on_fin}"` starts it behind the last that travels {self.direction}: nothing is left for it to act on'
                f' (did you mean direction = "{other}"?)'
            )
        return self

    def ways(self) -> tuple[Direction, ...]:
        """As `direction` says."""
        return directions(self.direction)

    def plan(self) -> FaultPlan:
        """A stage in each direction, and the buffers it wants."""
        return self._plan(stage=self.stage, shared=self.shared, sockets=self.sockets)

    @abstractmethod
    def stage(self, direction: Direction, chance: Chance, shared: object) -> Stage:
        """The behaviour in one direction of one connection."""

    def shared(self) -> object:
        """Made once for each direction, for all connections together."""
        return None

    def sockets(self, sockets: Sockets) -> Sockets:
        """The kernel buffers it needs."""
        return sockets


class StreamFault(DirectedFault):
    """Acts on the bytes of a direction."""

    plane: ClassVar[Plane] = "stream"


class ConnectionFault(DirectedFault):
    """Acts on how a connection ends, in a direction."""

    plane: ClassVar[Plane] = "connection"


class DialFault(Fault):
    """Acts on how the upstream is dialled; it must be active when the connection opens."""

    plane: ClassVar[Plane] = "connection"

    def plan(self) -> FaultPlan:
        """Asked when the upstream is about to be dialled."""
        return self._plan(dial=self.dial)

    @abstractmethod
    def dial(self, dial: Dial, chance: Chance) -> Dial:
        """How to dial, given how it would be done without this fault."""


class ListenerFault(Fault):
    """Acts on the listener, and so on whoever knocks: it cannot choose connections, and probes are hit."""

    plane: ClassVar[Plane] = "connection"

    @model_validator(mode="after")
    def _nobody_chosen(self) -> Self:
        if self.connections != "all":
            raise ValueError(f"{self.kind} works on the listener: it cannot choose connections")
        return self

    def plan(self) -> FaultPlan:
        """Asked for the state of the listener while it is active."""
        return self._plan(listen=self.listen)

    @abstractmethod
    def listen(self, listening: Listening) -> Listening:
        """The state of the listener, given what it would be without this fault."""
