"""The keys that every fault has: what starts it, how long, how often, whom."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import ValidationError

from faultproxy.core.match import Count, Literal
from faultproxy.core.plan import Selection
from faultproxy.core.timeline import AfterBytes, At, Manual, OnFin, OnMatch, OnOther, Opens, Schedule, Trigger
from faultproxy.faults.base import Fault, selection
from faultproxy.faults.connection.refuse import Refuse
from faultproxy.faults.connection.reset import Reset
from faultproxy.faults.stream.latency import Latency


def latency(**keys: Any) -> Latency:
    return Latency.model_validate({"kind": "latency", "delay": "1s"} | keys)


@pytest.mark.parametrize(
    ("keys", "trigger"),
    [
        ({}, Opens()),
        ({"at": "5s"}, At(5.0)),
        ({"after_bytes": "1KiB"}, AfterBytes(("c2s", "s2c"), 1024)),
        ({"after_bytes": "1KiB", "direction": "s2c"}, AfterBytes(("s2c",), 1024)),
        ({"after_bytes": {"s2c": "1KiB"}, "direction": "c2s"}, AfterBytes(("s2c",), 1024)),
        ({"on_match": "OK", "direction": "c2s"}, OnMatch(("c2s",), Literal(b"OK"))),
        ({"on_match": {"s2c": {"hex": "ff"}}}, OnMatch(("s2c",), Literal(b"\xff"))),
        ({"on_fin": "client"}, OnFin("client")),
        ({"on_fault": "other"}, OnOther("other", heals=False)),
        ({"on_heal": "other"}, OnOther("other", heals=True)),
        ({"manual": True}, Manual()),
    ],
)
def test_what_starts_it(keys: dict[str, Any], trigger: Trigger) -> None:
    assert latency(**keys).schedule().trigger == trigger


@pytest.mark.parametrize(
    ("keys", "times"),
    [
        ({}, 1),
        ({"times": 3, "on_match": "a"}, 3),
        ({"every": "5s", "lasts": "1s"}, None),
        ({"manual": True}, None),
        ({"manual": True, "times": 2}, 2),
    ],
)
def test_how_often(keys: dict[str, Any], times: int | None) -> None:
    assert latency(**keys).schedule().times == times


def test_how_long_and_that_it_is_momentary() -> None:
    assert latency(after="1s", lasts="2s", every="3s").schedule() == Schedule(Opens(), 1.0, 2.0, 3.0, None)
    assert Reset.model_validate({"kind": "reset", "at": "1s", "every": "2s"}).schedule() == Schedule(
        At(1.0), 0.0, None, 2.0, None, momentary=True
    )


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"at": "1s", "on_fin": "client"}, "at most one of"),
        ({"every": "5s"}, "`every` needs `lasts`: without it, latency never heals"),
        ({"every": "5s", "lasts": "6s"}, "`lasts` is longer than `every`"),
        ({"times": 4}, "`times = 4` needs `every`"),
        ({"times": 4, "at": "1s"}, "`times = 4` needs `every`"),
        ({"direction": "c2s", "on_fin": "client"}, 'did you mean direction = "s2c"?'),
        ({"direction": "upstream"}, "direction"),
        ({"connections": []}, "counted from 1"),
        ({"connections": [0]}, "counted from 1"),
        ({"connections": 3}, 'expected "all"'),
        ({"connections": {"source": "nowhere"}}, "neither an address nor a network"),
        ({"after_bytes": 5}, "needs a unit"),
        ({"after_bytes": {"c2s": "1B", "s2c": "1B"}}, "name one direction"),
        ({"on_match": ""}, "the string is empty"),
        ({"on_match": {"regex": "("}}, "not a regular expression"),
        ({"colour": "red"}, "Extra inputs"),
        ({"at": 5}, 'write it like "50ms"'),
    ],
)
def test_mistakes(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(told)):
        latency(**keys)


def test_the_kind_is_the_name_unless_it_has_one() -> None:
    assert (latency().name, latency(name="slow").name) == ("latency", "slow")


def test_whom_it_hits() -> None:
    def who(connections: Any) -> Selection:
        return selection(latency(connections=connections).connections)

    assert who("all") == Selection()
    assert who([1, 3]) == Selection(frozenset({1, 3}))
    assert who({"skip": 6, "take": 1, "crowd": "players"}) == Selection(count=Count(6, 1, 1), crowd="players")


@pytest.mark.parametrize("fault", [latency(on_match={"s2c": "OK"}, connections=[2]), Refuse.model_validate({"kind": "refuse", "at": "5s"})])
def test_its_table_reads_back(fault: Fault) -> None:
    assert type(fault).model_validate(fault.table()) == fault
