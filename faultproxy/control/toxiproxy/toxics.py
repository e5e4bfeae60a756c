"""Toxics as our faults: each is one fault at most, so its toxicity is drawn once for each connection and its figures change in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from faultproxy.core.events import Direction
from faultproxy.faults import tables
from faultproxy.faults.base import Fault

STREAMS: dict[str, Direction] = {"upstream": "c2s", "downstream": "s2c"}
"""What Toxiproxy calls the directions, in any case."""

_FOREVER = 10**9
"""Seconds, 31 years: whoever asks for more gets that."""
_MOST = 10**15
"""Bytes, or bytes a second: likewise."""

Attributes = Mapping[str, int]


class Unsound(ValueError):
    """The figures of a toxic make no sense; the message says which do."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of toxic: its attributes in the order in which they are shown, and what of our fault's table is made of them."""

    attributes: tuple[str, ...]
    table: Callable[[Attributes], dict[str, Any] | None]
    """None: such a toxic does nothing."""
    figures: Callable[[Any], dict[str, int]] = lambda fault: {}
    """The way back: the attributes as far as that fault of ours, of the kind that `table` names, tells them."""


@dataclass(frozen=True, slots=True)
class Toxic:
    """A toxic as a client sees it. `stream` is as the client wrote it; `toxicity` the share of connections that it hits."""

    name: str
    type: str
    stream: str
    toxicity: float
    attributes: Attributes

    @property
    def direction(self) -> Direction:
        """The direction in which it acts."""
        return STREAMS[self.stream.lower()]

    def check(self) -> None:
        """Raises Unsound for figures that cannot be meant."""
        if not 0 <= self.toxicity <= 1:
            raise Unsound(f"toxicity must be from 0 to 1, not {self.toxicity:g}: it is the share of connections that the toxic hits")
        for name, value in self.attributes.items():
            if value < 0:
                raise Unsound(f"attribute {name} must be 0 or more, not {value}")
        if self.type == "slicer":
            size, variation = self.attributes["average_size"], self.attributes["size_variation"]
            if size < 1:
                raise Unsound("attribute average_size must be 1 or more: a slicer cuts pieces of that many bytes")
            if variation >= size:
                raise Unsound(f"attribute size_variation must be less than average_size, which is {size}, not {variation}")

    def fault(self) -> Fault | None:
        """What does it here; None: nothing needs to. The toxic must be sound."""
        table = KINDS[self.type].table(self.attributes)
        if table is None:
            return None
        whom = {} if self.toxicity == 1 else {"connections": {"share": self.toxicity}}
        return tables.fault({"name": self._fault_name(table["kind"]), "direction": self.direction} | table | whom)

    def as_in(self, fault: Fault) -> Toxic:
        """This toxic with the figures that its fault has by now, as far as a toxic has words for them."""
        if fault == self.fault():
            return self  # as written: zeros that mean something, figures above our bounds
        direction = getattr(fault, "direction", self.direction)
        stream = next((name for name, each in STREAMS.items() if each == direction and each != self.direction), self.stream)
        whom = fault.connections
        share = getattr(whom, "share", None) if whom != "all" else 1.0
        figures = {**self.attributes, **KINDS[self.type].figures(fault)}
        found = replace(self, stream=stream, toxicity=self.toxicity if share is None else share, attributes=figures)
        return self if found.fault() is None else found  # of a toxic that does nothing nobody would know which fault it is

    def _fault_name(self, kind: str) -> str:
        # While a stall takes over from a rate, both are there. A tilde in a name is doubled, so no other toxic's fault is called that.
        name = self.name.replace("~", "~~")
        return f"{name}~stall" if kind == "stall_reads" else name


def attributes(type_: str) -> dict[str, int]:
    """The attributes of a type, each at its default."""
    return dict.fromkeys(KINDS[type_].attributes, 0)


def _ms(count: int) -> str:
    return f"{min(count, _FOREVER * 10**3)}ms"


def _bytes(count: int) -> str:
    return f"{min(count, _MOST)}B"


def _latency(given: Attributes) -> dict[str, Any] | None:
    if not given["latency"] and not given["jitter"]:
        return None
    return {"kind": "latency", "delay": _ms(given["latency"]), "jitter": _ms(given["jitter"]), "fin": False}


def _bandwidth(given: Attributes) -> dict[str, Any]:
    rate = given["rate"]
    return {"kind": "bandwidth", "rate": f"{min(rate, _MOST // 1000)}kB/s"} if rate else {"kind": "stall_reads"}


def _slow_close(given: Attributes) -> dict[str, Any]:
    return {"kind": "hold_fin", "hold": _ms(given["delay"])}


def _timeout(given: Attributes) -> dict[str, Any]:
    hole = {"kind": "blackhole", "ends": "close"}
    return hole | {"ends_after": _ms(given["timeout"])} if given["timeout"] else hole


def _reset_peer(given: Attributes) -> dict[str, Any]:
    return {"kind": "blackhole", "ends": "reset", "ends_after": _ms(given["timeout"])}


def _slicer(given: Attributes) -> dict[str, Any]:
    interval = f"{min(given['delay'], _FOREVER * 10**6)}us"
    return {"kind": "slice", "size": _bytes(given["average_size"]), "variation": _bytes(given["size_variation"]), "interval": interval}


def _limit_data(given: Attributes) -> dict[str, Any]:
    return {"kind": "close", "allow": _bytes(given["bytes"]), "both_legs": True}


def _rounded(fault: Any, unit: float, **keys: str) -> dict[str, int]:
    # What our fault leaves open, such as a FIN that is held until it heals, no toxic can say.
    return {name: round(value * unit) for name, key in keys.items() if (value := getattr(fault, key)) is not None}


def _of_slice(fault: Any) -> dict[str, int]:
    return _rounded(fault, 1, average_size="size", size_variation="variation") | _rounded(fault, 1e6, delay="interval")


KINDS: dict[str, Kind] = {
    "latency": Kind(("latency", "jitter"), _latency, lambda fault: _rounded(fault, 1000, latency="delay", jitter="jitter")),
    "bandwidth": Kind(("rate",), _bandwidth, lambda fault: _rounded(fault, 1 / 1000, rate="rate") if fault.kind == "bandwidth" else {}),
    "slow_close": Kind(("delay",), _slow_close, lambda fault: _rounded(fault, 1000, delay="hold")),
    "timeout": Kind(("timeout",), _timeout, lambda fault: {"timeout": 0} | _rounded(fault, 1000, timeout="ends_after")),
    "reset_peer": Kind(("timeout",), _reset_peer, lambda fault: _rounded(fault, 1000, timeout="ends_after")),
    "slicer": Kind(("average_size", "size_variation", "delay"), _slicer, _of_slice),
    "limit_data": Kind(("bytes",), _limit_data, lambda fault: _rounded(fault, 1, bytes="allow")),
    "noop": Kind((), lambda given: None),
}
"""Every type of toxic. `down` is none: a proxy is disabled instead."""

DRAINS = frozenset({"latency", "bandwidth", "slice", "hold_fin"})
"""Kinds of ours that hold what passes until a certain time: taken out, they let it keep that time."""
