"""A fault as a table, and back: what the journal keeps is enough to build the same fault again."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest

from faultproxy.faults import KINDS
from faultproxy.faults.base import Fault
from faultproxy.faults.stream.latency import Latency
from faultproxy.faults.tables import BY_KIND, fault, plans


def through_json(table: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(table))
    return read


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_comes_back(kind: type[Fault]) -> None:
    made = kind.model_validate(tomllib.loads(kind.example))
    assert fault(through_json(made.table())) == made


@pytest.mark.parametrize(
    "keys",
    [
        {"after_bytes": "64KiB"},
        {"after_bytes": {"s2c": "1000B"}},
        {"on_match": "LOGIN OK\r\n"},
        {"on_match": {"hex": "ff 00"}},
        {"on_match": {"c2s": {"regex": "^a.*b$"}}},
        {"on_fin": "client", "after": "1.123456789s"},
        {"on_fault": "other"},
        {"on_heal": "other", "connections": [1, 3]},
        {"manual": True, "connections": {"skip": 2, "step": 3, "take": 1, "share": "5%", "source": "10.0.0.0/8"}},
        {"at": "5s", "lasts": "125s", "every": "1h", "times": 3, "may_not_fire": True},
        {"proxy": "db", "direction": "s2c", "correlation": "12.5%"},
    ],
)
def test_every_common_key_comes_back(keys: dict[str, Any]) -> None:
    made = Latency.model_validate({"kind": "latency", "name": "slow", "delay": "50ms"} | keys)
    again = fault(through_json(made.table()))
    assert again == made
    assert isinstance(again, Latency)
    assert (again.schedule(), again.ways()) == (made.schedule(), made.ways())


def test_kinds_are_known_by_name() -> None:
    assert BY_KIND["latency"] is Latency
    assert len(BY_KIND) == len(KINDS)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "there is no kind of fault None"),
        ({"kind": "lag"}, "there is no kind of fault 'lag'"),
        ({"kind": "latency", "name": "slow"}, "the fault 'slow' cannot be read: delay: Field required"),
        ({"kind": "latency", "name": "slow", "delay": 3}, "the fault 'slow' cannot be read: delay: Value error, a time needs a unit"),
    ],
)
def test_a_table_that_cannot_be_read_is_told_in_one_line(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="fault") as caught:
        plans([table])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
