"""What one player says and waits for, with every ``${name}`` filled in. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from faultproxy.core.match import Literal, Pattern, Regex
from faultproxy.scenario.sections import Behaviour, Crowd, Hello, Probe, Reply
from faultproxy.scenario.variables import Value

PROBE_PATIENCE = 1.0
"""Seconds that a probe waits for an answer at the least: it is there to notice when others are kept waiting."""
CROWD_PATIENCE = 5.0
"""Seconds that a member of a crowd does: he is hit by faults, and how late his answers come is what is measured."""


@dataclass(frozen=True, slots=True)
class Script:
    """A player's part. `reply` None: any answer is right. `every` None: nothing is said twice.

    `patience` is how long an answer may take until it counts as a failure. Who is `impatient` dials again if his hello is not answered.
    """

    behaviour: Behaviour
    send: bytes = b""
    reply: Pattern | None = None
    every: float | None = None
    hello: bytes = b""
    hello_reply: Pattern | None = None
    patience: float = CROWD_PATIENCE
    impatient: bool = False

    @property
    def reopens(self) -> bool:
        """Whether a connection that has ended is followed by another: only where there is a question to come back for."""
        return self.every is not None and self.behaviour in ("ask", "churn", "half_close")


def of_probe(probe: Probe, values: Mapping[str, Value]) -> Script:
    """The script of a probe; `values` holds what only the run knows."""
    return Script(
        "ask",
        probe.send.render(values),
        _pattern(probe.reply, values),
        probe.every,
        *_hello(probe.hello, values),
        patience=max(probe.every, PROBE_PATIENCE),
        impatient=True,
    )


def of_member(crowd: Crowd, number: int, values: Mapping[str, Value]) -> Script:
    """The script of one member of a crowd, whose number from 1 is ``${n}``."""
    values = {**values, "n": number}
    return Script(
        crowd.behaviour,
        crowd.send.render(values) if crowd.send is not None else b"",
        _pattern(crowd.reply, values),
        crowd.every,
        *_hello(crowd.hello, values),
        patience=max(crowd.every or 0.0, CROWD_PATIENCE),
        impatient=crowd.behaviour == "churn",
    )


def _hello(hello: Hello | None, values: Mapping[str, Value]) -> tuple[bytes, Pattern | None]:
    return (b"", None) if hello is None else (hello.send.render(values), _pattern(hello.reply, values))


def _pattern(reply: Reply | None, values: Mapping[str, Value]) -> Pattern | None:
    if reply is None or isinstance(reply, Regex):
        return reply
    return Literal(reply.render(values))
