"""`linger`, step by step."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from faultproxy.core.actions import CloseLeg, Fired, Healed, Send, Started
from faultproxy.faults.connection.linger import Linger
from tests.core.playbook import Playbook, fault


@pytest.mark.parametrize(("timeout", "seconds"), [("off", None), ("0s", 0.0), ("5s", 5.0)])
def test_the_fin_becomes_a_close(timeout: str, seconds: float | None) -> None:
    book = Playbook(fault("linger", direction="c2s", timeout=timeout)).send(0.0, "c2s", b"bye").fin(1.0, "c2s")
    book.must(
        (0.0, Started("linger", "connection opened")),
        (0.0, Send("c2s", b"bye")),
        (1.0, CloseLeg("server", seconds)),
        (1.0, Fired("linger", f"closed with SO_LINGER {timeout}", "c2s")),
        (1.0, CloseLeg("client")),
        (1.0, Healed("linger", "the connection has ended", final=True)),
    )


@pytest.mark.parametrize(
    ("timeout", "told"), [("1.5s", "SO_LINGER counts whole seconds"), (5, 'write it like "50ms"'), ("40000s", "not to be had everywhere")]
)
def test_whole_seconds_only(timeout: object, told: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(told)):
        Linger.model_validate({"kind": "linger", "timeout": timeout})
