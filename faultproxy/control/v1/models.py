"""What `/v1` takes and gives. A fault is the table that a scenario file would have, in JSON; sizes are bytes, times seconds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from faultproxy.control.post import FAULTS, Post
from faultproxy.control.v1.state import State, state
from faultproxy.core.run import FaultStats
from faultproxy.faults.base import Fault
from faultproxy.faults.tables import BY_KIND
from faultproxy.net.proxy import Row

FAULT_MARK = "x-faultproxy-fault"
Table = Annotated[dict[str, Any], WithJsonSchema({"type": "object", FAULT_MARK: True})]
"""A fault as in a scenario file. In the OpenAPI document its schema is that of all kinds (`document.py`)."""

NAME = r"^[^/\x00-\x1f\x7f]+$"
Name = Annotated[str, Field(min_length=1, max_length=128, pattern=NAME, description="any characters but / and control characters")]
Address = Annotated[
    str, Field(min_length=1, max_length=300, description="HOST:PORT; port 0: any that is free", examples=["127.0.0.1:6379"])
]
Count = Annotated[int, Field(ge=0)]


class Taken(BaseModel):
    """What a caller sends: an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewProxy(Taken):
    """A proxy to be made."""

    name: Name
    upstream: Address
    listen: Address = "127.0.0.1:0"
    enabled: bool = Field(True, description="false: it does not listen yet")
    faults: list[Table] = Field([], description="each as a table of a scenario file")
    fail_open: bool = Field(True, description="segments that cannot be judged pass; false: they are lost")
    unreachable: Literal["reset", "close"] = Field("reset", description="what a client gets if the upstream cannot be had: a RST or a FIN")
    rcvbuf: int | None = Field(None, ge=256, le=1 << 30, description="SO_RCVBUF of both legs")
    sndbuf: int | None = Field(None, ge=256, le=1 << 30, description="SO_SNDBUF of both legs")


class ProxyChange(Taken):
    """What is to be otherwise; what is left out stays."""

    listen: Address | None = None
    upstream: Address | None = None
    enabled: bool | None = Field(None, description="false closes all its connections with a FIN")


class FaultState(BaseModel):
    """A fault and what it has done since the proxy was enabled."""

    name: str
    kind: str
    plane: Literal["stream", "connection", "packet"]
    table: dict[str, Any] = Field(description="as a scenario file would have it")
    state: State = Field(
        description="active: it acts in at least one place; armed: it starts where a connection opens that it concerns; waiting: for what "
        "starts it, such as a hand or a byte; resting: healed by hand, and only a hand starts it again; over: its time is; disabled: as "
        "the proxy is"
    )
    active: Count = Field(description="in how many places (connections, or the listener) it acts now")
    starts: Count
    heals: Count
    fired: Count = Field(description="how often it has acted on something")
    chosen: Count = Field(description="connections that it concerns or has concerned")
    last: str = Field(description="the last that it did, in words")

    @classmethod
    def of(cls, post: Post, fault: Fault, stats: FaultStats | None) -> FaultState:
        """Of a fault of a proxy; `stats` None: the proxy is disabled."""
        at = stats or FaultStats(fault.name, fault.kind)
        return cls(
            name=fault.name,
            kind=fault.kind,
            plane=fault.plane,
            table=_table(post, fault),
            state=state(post.proxy, fault, at),
            active=at.where,
            starts=at.starts,
            heals=at.heals,
            fired=at.fired,
            chosen=at.chosen,
            last=at.last,
        )


class Faults(BaseModel):
    """Faults of a proxy in the order in which bytes meet them; `left_out` tells what of a scenario only `faultproxy test` acts on."""

    faults: list[FaultState]
    left_out: list[str] = []


class ProxyState(BaseModel):
    """A proxy as it stands. Bytes are those read: c2s from clients, s2c from servers."""

    name: str
    listen: str = Field(description="where clients connect; the port is known once it has listened")
    upstream: str
    enabled: bool
    listening: str = Field(description="what the listener does just now")
    opened: Count
    open: Count
    failed: Count = Field(description="connections for which the upstream could not be dialled")
    c2s: Count
    s2c: Count
    held: Count = Field(description="bytes that faults hold")
    faults: list[FaultState]
    messages: list[str] = Field(description="the last that a person should know")

    @classmethod
    def of(cls, post: Post) -> ProxyState:
        """Of a proxy of the fleet."""
        now = post.snapshot()
        return cls(
            name=post.name,
            listen=post.listen,
            upstream=post.upstream,
            enabled=post.enabled,
            listening=now.listening,
            opened=now.opened,
            open=now.open,
            failed=now.failed,
            c2s=now.c2s,
            s2c=now.s2c,
            held=now.held,
            faults=faults_of(post).faults,
            messages=list(post.messages),
        )


class Proxies(BaseModel):
    """All proxies, in the order in which they were made."""

    seed: int = Field(description="names every stream of chance")
    proxies: list[ProxyState]


class ConnectionState(BaseModel):
    """A connection: bytes read in each direction, bytes held, faults that act on it now."""

    ordinal: Count = Field(description="its number, counted from 1 by accept")
    peer: str = Field(description="the client's address")
    state: str
    age: float
    c2s: Count
    s2c: Count
    held: Count
    active: list[str]

    @classmethod
    def of(cls, row: Row, clock: float) -> ConnectionState:
        """Of a row of a snapshot; `clock` is the run's own, now."""
        return cls(
            ordinal=row.ordinal,
            peer=row.peer,
            state=row.phase,
            age=max(0.0, clock - row.opened),
            c2s=row.c2s,
            s2c=row.s2c,
            held=row.held,
            active=list(row.active),
        )


class Connections(BaseModel):
    """The newest connections that are open, newest first; `open` counts all."""

    open: Count
    connections: list[ConnectionState]


class Connection(ConnectionState):
    """A connection with the kernel's word on both of our sockets."""

    time: float = Field(description="seconds on the clock of the proxy's journal, now")
    legs: dict[str, dict[str, int | str]] = Field(
        description="`client` and `server`: TCP_INFO under the kernel's names, and `receive_queue`, `send_queue`: bytes that wait in the "
        "kernel to be read by us, and to be acknowledged by the peer; left out where a leg is closed, not dialled yet, or no TCP"
    )


class Kind(BaseModel):
    """A kind of fault, and the JSON Schema of its table."""

    kind: str
    plane: Literal["stream", "connection", "packet"]
    summary: str
    documentation: str
    example: str = Field(description="TOML")
    json_schema: dict[str, Any]


class Kinds(BaseModel):
    """Every kind of fault."""

    kinds: list[Kind]


class Version(BaseModel):
    """The program."""

    version: str
    seed: int
    proxies: Count


class RunState(BaseModel):
    """A scenario that is played, or was. `outcome` is None until it has ended; `result` has all that a report can tell."""

    id: str
    scenario: str
    seed: int
    state: Literal["running", "ended", "cancelled"]
    phases: list[str] = Field(description="those that have begun")
    outcome: str | None
    reason: str
    gone: str = Field(description="why `result` cannot be had any more, though there was one")
    result: dict[str, Any] | None = Field(description="as of `faultproxy test --json`; those of a list are left out")


class Runs(BaseModel):
    """The scenarios that are played, and the last that were."""

    runs: list[RunState]


class Problem(BaseModel):
    """Problem details, RFC 9457: `title` says what is wrong, `detail` why, `todo` what to do, `mistakes` each single one."""

    type: str
    title: str
    status: int
    detail: str
    todo: str
    error: str = Field(description="title and detail in one, as clients of Toxiproxy look for it")
    mistakes: list[str] = []


def faults_of(post: Post) -> Faults:
    """All faults of a proxy."""
    stats: Mapping[str, FaultStats] = {each.name: each for each in post.stats}
    return Faults(faults=[FaultState.of(post, fault, stats.get(name)) for name, fault in post.faults.items()])


_TABLES: WeakKeyDictionary[Post, dict[str, tuple[Fault, dict[str, Any]]]] = WeakKeyDictionary()


def _table(post: Post, fault: Fault) -> dict[str, Any]:
    # A fault never changes, another takes its place; and to write one anew is half of what it takes to list thousands.
    known = _TABLES.setdefault(post, {})
    found = known.get(fault.name)
    if found is None or found[0] is not fault:
        if len(known) >= FAULTS:
            known.clear()  # most are of faults that are gone
        found = known[fault.name] = fault, fault.table()
    return found[1]


@cache
def kinds() -> Kinds:
    """The catalogue."""
    return Kinds(kinds=[_kind(name, kind) for name, kind in BY_KIND.items()])


def _kind(name: str, kind: type[Fault]) -> Kind:
    text = " ".join((kind.__doc__ or "").split("\n\n", maxsplit=1)[0].split())
    return Kind(
        kind=name,
        plane=kind.plane,
        summary=text.split(". ")[0].removesuffix("."),
        documentation=kind.__doc__ or "",
        example=kind.example.strip(),
        json_schema=kind.model_json_schema(),
    )
