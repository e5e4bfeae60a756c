"""`source`: what it makes of the dial."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from faultproxy.core.actions import Fired
from faultproxy.core.plan import Dial
from faultproxy.faults.connection.source import Source
from tests.core.playbook import Playbook, fault


def test_the_upstream_is_dialled_from_there() -> None:
    book = Playbook(fault("source", address="127.0.0.2", ports="50000-50100"), dialled=False)
    assert book.connection.dial(Dial(delay=1.0), 0.0) == (
        Dial(1.0, "127.0.0.2", (50000, 50100)),
        [Fired("source", "dialled from 127.0.0.2 port 50000-50100")],
    )


@pytest.mark.parametrize(("ports", "meant"), [(50000, (50000, 50000)), ("50000", (50000, 50000)), (" 1 - 65535 ", (1, 65535))])
def test_ports(ports: object, meant: tuple[int, int]) -> None:
    assert Source.model_validate({"kind": "source", "ports": ports}).ports == meant


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({}, "from where?"),
        ({"address": "localhost"}, "expected an IP address of this host"),
        ({"address": ""}, "expected an IP address of this host"),
        ({"ports": "9-1"}, "the lower one first"),
        ({"ports": 0}, "ports go from 1 to 65535"),
        ({"ports": True}, "expected a port"),
        ({"ports": "http"}, "expected a port"),
    ],
)
def test_mistakes(keys: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(told)):
        Source.model_validate({"kind": "source"} | keys)
