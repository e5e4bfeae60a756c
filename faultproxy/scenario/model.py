"""The scenario: the file's model, and what it becomes once it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import BeforeValidator, Field, WithJsonSchema

from faultproxy.core.plan import FaultPlan
from faultproxy.faults import KINDS
from faultproxy.faults.base import Fault
from faultproxy.faults.fields import Duration, Strict
from faultproxy.scenario.expect import Expect
from faultproxy.scenario.sandbox import Sandbox
from faultproxy.scenario.sections import Client, Crowd, Probe, Proxy, Server
from faultproxy.scenario.variables import Value

if TYPE_CHECKING:
    AnyFault = Fault
else:
    AnyFault = Annotated[Union[KINDS], Field(discriminator="kind")]  # noqa: UP007

_ROWS = {"A": 9, "B": 13, "C": 8, "D": 18, "E": 8, "F": 8, "G": 3}
"""How many conditions each chapter of the catalogue has."""


def _row(value: object) -> str:
    found = re.fullmatch(r"([A-G])([1-9][0-9]?)", value) if isinstance(value, str) else None
    if found is None or int(found[2]) > _ROWS[found[1]]:
        last = ", ".join(f"{chapter}1 to {chapter}{count}" for chapter, count in _ROWS.items())
        raise ValueError(f"{value!r} is no row of the catalogue of conditions: {last}")
    return str(value)


Row = Annotated[str, BeforeValidator(_row), WithJsonSchema({"type": "string", "pattern": "^[A-G][1-9][0-9]?$"})]


class Head(Strict):
    """The keys that stand before the first table."""

    title: str = Field("", description="what the scenario is called in reports (default: the name of its file)")
    covers: tuple[Row, ...] = Field((), description="rows of the catalogue of conditions that it brings about")
    timeout: Duration = Field(60.0, gt=0, description="the whole run takes no longer")
    duration: Duration | None = Field(None, gt=0, description="how long the fault phase lasts, where nothing in the file ends it")
    recovery: Duration = Field(10.0, gt=0, description="every probe succeeds again within this time after healing")
    include: tuple[str, ...] = Field((), description='other files, relative to this one, and profiles ("profile:3g")')


_SCALAR = WithJsonSchema({"type": ["string", "number", "boolean"]})
_CASE = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}


class Document(Head):
    """A scenario file: what is proxied, what goes wrong and when, and what must then be true."""

    vars: dict[str, Annotated[Value, _SCALAR]] = Field({}, description="defaults for ${…}, overridden by [[case]], then by --var")
    case: tuple[Annotated[dict[str, Any], WithJsonSchema(_CASE)], ...] = Field(
        (), description="each is a test of its own, with its variables"
    )
    proxy: Proxy | tuple[Proxy, ...] = Field((), description="where the proxy listens and what it connects to")
    server: Server | None = Field(None, description="a server that the run starts and stops")
    client: Client | None = Field(None, description="the program under test")
    probe: tuple[Probe, ...] = Field((), description="healthy players beside the trouble")
    crowd: tuple[Crowd, ...] = Field((), description="many players of one behaviour")
    sandbox: Sandbox | None = Field(None, description="a network namespace of its own")
    fault: tuple[AnyFault, ...] = Field((), description="what goes wrong, and when")
    expect: tuple[Expect, ...] = Field((), description="what must be true")


TABLES = {"server": Server, "client": Client, "sandbox": Sandbox}
"""The single tables."""


@dataclass(frozen=True)
class Scenario:
    """One scenario, checked; times in seconds, sizes in bytes. `id` is ``file.toml``, or ``file.toml[case]``."""

    id: str
    path: Path | None
    title: str
    covers: tuple[str, ...]
    proxies: tuple[Proxy, ...]
    faults: tuple[Fault, ...]
    server: Server | None = None
    client: Client | None = None
    probes: tuple[Probe, ...] = ()
    crowds: tuple[Crowd, ...] = ()
    sandbox: Sandbox | None = None
    expects: tuple[Expect, ...] = ()
    timeout: float = 60.0
    duration: float | None = None
    recovery: float = 10.0
    variables: Mapping[str, Value] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    """What is right and yet hardly meant, a line each with its place."""
    included: tuple[Path, ...] = ()
    """The files that it takes in, without profiles."""
    folders: Mapping[str, Path] = field(default_factory=dict)
    """Where the commands of `server` and `client` run: the folder of the file in which the table stands, or else would."""

    def plans(self, proxy_name: str | None = None) -> tuple[FaultPlan, ...]:
        """What the core needs of the faults of a proxy (None: of all), in file order. A fault that names no proxy belongs to each.

        Raises CapabilityError if one cannot run in this version; `unsupported` says so beforehand.
        """
        return tuple(fault.plan() for fault in self.faults if proxy_name is None or fault.belongs_to(proxy_name))

    def unsupported(self) -> tuple[str, ...]:
        """What this version cannot run, a line each with the reason; empty if it can run all."""
        found: list[str] = []
        for proxy in self.proxies:
            if proxy.protocol == "udp":
                found.append(f'proxy "{proxy.name}": protocol = "udp" needs the datagram plane, which is not part of this version')
        for fault in self.faults:
            if reason := fault.cannot_run():
                found.append(reason)
        return tuple(found)

    @property
    def acts_on_packets(self) -> bool:
        """Whether any of its faults acts on TCP segments: what that needs is not to be had everywhere."""
        return any(fault.plane == "packet" for fault in self.faults)

    @property
    def self_contained(self) -> bool:
        """Whether all that it connects to is started by itself, so that it can run in a network of its own."""
        return self.server is not None and all(proxy.upstream is None for proxy in self.proxies)

    def left_out_by_run(self) -> tuple[str, ...]:
        """What `run` reads and checks but leaves alone, a line each: only `test` acts on it."""
        found = ["[client] is not started"] if self.client is not None else []
        found += [f"[[{kind}]] {', '.join(names)}: not played" for kind, names in self._players() if names]
        if self.expects:
            count = len(self.expects)
            found.append(f"[[expect]]: {count} expectation{'s are' if count > 1 else ' is'} not judged")
        return tuple(found)

    def lacking_for_test(self) -> tuple[str, ...]:
        """What a test needs besides: without an end of the fault phase, it would never come to a judgement."""
        ends = (
            self.duration is not None
            or self.client is not None
            or any(fault.lasts is not None for fault in self.faults)
            or any(expect.limit is not None and not expect.about_healing for expect in self.expects)
        )
        return () if ends else ('`duration` is missing: nothing in the file ends the fault phase; write duration = "30s" at the top',)

    def _players(self) -> tuple[tuple[str, list[str]], ...]:
        return ("probe", [probe.name for probe in self.probes]), ("crowd", [crowd.name for crowd in self.crowds])
