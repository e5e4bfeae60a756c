"""`source`: the server sees the client come from another address or port."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from faultproxy.core.events import Side
from faultproxy.core.plan import Dial
from faultproxy.core.rng import Chance
from faultproxy.faults.base import DialFault

PortRange = tuple[int, int]


def _ports(value: object) -> object:
    if value is None or isinstance(value, tuple):
        return value
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    match = re.fullmatch(r"(\d{1,5})(?:\s*-\s*(\d{1,5}))?", text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f'expected a port such as 50000, or a range such as "50000-50100", not {value!r}')
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= last <= 65535:
        raise ValueError(f"ports go from 1 to 65535, the lower one first: {value!r}")
    return first, last


def _written(ports: PortRange | None) -> str | int | None:
    return None if ports is None else ports[0] if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"


Ports = Annotated[
    PortRange | None,
    BeforeValidator(_ports),
    PlainSerializer(_written, when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "string", "examples": ["50000-50100"]}, {"type": "integer", "minimum": 1, "maximum": 65535}]}),
]
"""The first and the last port; written 50000 or "50000-50100"."""


def _address(value: object) -> str:
    try:
        if isinstance(value, str):
            return str(ip_address(value))
    except ValueError:
        pass
    raise ValueError(f'expected an IP address of this host, such as "127.0.0.2", not {value!r}')


class Source(DialFault):
    """Dials the upstream from `address`, or from one of `ports`, or both: for a server that tells clients apart by where they come
    from. On Linux all of 127.0.0.0/8 is the host's own; any other address must be configured on it.

    It must be active when a TCP connection opens. On UDP it may start later: the session then moves, as when a NAT forgets it
    or a phone changes networks.
    """

    example: ClassVar[str] = 'kind = "source"\naddress = "127.0.0.2"\nports = "50000-50100"\n'
    datagrams: ClassVar[bool] = True

    kind: Literal["source"] = "source"
    address: Annotated[str, BeforeValidator(_address)] = Field("", description="the local address to dial from")
    ports: Ports = Field(None, description='the local port, or a range such as "50000-50100" of which a free one is taken')

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if not self.address and self.ports is None:
            raise ValueError("from where? Give `address`, `ports`, or both")
        return self

    def needs_tcp(self) -> dict[Side, str]:
        """A unix socket has neither address nor port."""
        return {"server": "it has neither address nor port"}

    def dial(self, dial: Dial, chance: Chance) -> Dial:
        """From there; what is not said stays as it was."""
        return replace(dial, address=self.address or dial.address, ports=self.ports or dial.ports)
