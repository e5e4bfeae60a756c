"""One fault from a table."""

from __future__ import annotations

from typing import Any

import pytest

from faultproxy.errors import ScenarioError
from faultproxy.faults.base import Place
from faultproxy.scenario.single import single


def wrong(**table: Any) -> tuple[str, ...]:
    with pytest.raises(ScenarioError) as caught:
        single(table, ["slow"], Place(unix_legs=frozenset({"server"})))
    return caught.value.mistakes


def test_a_table_gives_the_fault_of_a_file() -> None:
    fault = single({"kind": "latency", "delay": "1s", "on_match": b"\xff\x00", "connections": [1, 2]}, [], Place())
    assert fault.table() == {
        "kind": "latency",
        "name": "latency",
        "delay": "1s",
        "on_match": {"hex": "ff 00"},
        "connections": [1, 2],
    }


def test_every_mistake_is_told_with_its_key() -> None:
    assert wrong(kind="lag") == ("there is no fault `lag`: it is called `latency`",)
    assert wrong(delay="1s") == ("expected the name of a kind of fault, not None",)
    assert wrong(kind="latency", delai="1s", delay=3) == (
        'fault latency.delay: a time needs a unit: write it like "50ms", not 3',
        "fault latency.delai: unknown key, did you mean `delay`?",
    )
    assert wrong(kind="latency", delay="1s", on_fault="slo") == ("fault latency.on_fault: no fault is called `slo`: did you mean `slow`?",)
    assert wrong(kind="reset", direction="c2s")[0].startswith("fault reset.kind: the server's leg is a unix socket")
