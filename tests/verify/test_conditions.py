"""One value against what is wanted of it, and several at one moment."""

from __future__ import annotations

import math
from typing import Any

import pytest

from faultproxy.scenario.expect import Condition
from faultproxy.verify.conditions import Combine, Demand, Reading, Truth, combined
from faultproxy.verify.world import NotYet, Unknown

YES, NO, NOT_YET, UNKNOWN = Truth.YES, Truth.NO, Truth.NOT_YET, Truth.UNKNOWN


def demand(what: str, **comparison: Any) -> Demand:
    return Demand.of(Condition.model_validate({"what": what} | comparison))


@pytest.mark.parametrize(
    ("what", "comparison", "value", "truth"),
    [
        ("server.tcp_state", {"is": "CLOSE-WAIT"}, "CLOSE_WAIT", YES),
        ("server.tcp_state", {"is": "CLOSE_WAIT"}, "ESTABLISHED", NO),
        ("server.tcp_state", {"is": ["TIME_WAIT", "CLOSED"]}, "CLOSED", YES),
        ("server.tcp_state", {"is": ["TIME_WAIT", "CLOSED"]}, "ESTABLISHED", NO),
        ("server.tcp_state", {"not": "ESTABLISHED"}, "CLOSED", YES),
        ("server.tcp_state", {"not": ["ESTABLISHED", "CLOSED"]}, "CLOSED", NO),
        ("client.rst_received", {"is": False}, False, YES),
        ("client.rst_received", {"is": False}, True, NO),
        ("client.rst_received", {"not": True}, False, YES),
        ("server.retransmits", {"at_least": 3}, 3, YES),
        ("server.retransmits", {"at_least": 3}, 2, NO),
        ("server.bytes_sent", {"at_most": "1kB"}, 1000, YES),
        ("server.bytes_sent", {"at_most": "1kB"}, 1001, NO),
        ("client.rtt", {"between": ["20ms", "40ms"]}, 0.04, YES),
        ("client.rtt", {"between": ["20ms", "40ms"]}, 0.0401, NO),
        ("client.rtt", {"at_least": "20ms"}, 0.02, YES),
        ("client.process.exit", {"is": -15}, -15, YES),
        ("client.process.output", {"contains": "RESUMED"}, "hello\nRESUMED\n", YES),
        ("client.process.output", {"contains": "RESUMED"}, "hello", NO),
        ("probe.healthy.latency_p99", {"at_most": "50ms"}, math.inf, NO),
    ],
)
def test_a_value(what: str, comparison: dict[str, Any], value: Any, truth: Truth) -> None:
    assert demand(what, **comparison).truth(Reading(value)) is truth


@pytest.mark.parametrize("value", [Unknown("it is elsewhere"), NotYet("it is still running")])
@pytest.mark.parametrize(
    ("what", "comparison"), [("client.process.exit", {"is": 0}), ("client.process.exit", {"not": 0}), ("server.unacked", {"at_most": 5})]
)
def test_what_has_no_value_is_neither_so_nor_not_so(what: str, comparison: dict[str, Any], value: Any) -> None:
    reading = Reading(value)
    assert demand(what, **comparison).truth(reading) is (UNKNOWN if isinstance(value, Unknown) else NOT_YET)
    assert reading.missing == value.why


@pytest.mark.parametrize(
    ("comparison", "ok", "total", "truth"),
    [
        ({"at_least": "95%"}, 95, 100, YES),
        ({"at_least": "95%"}, 94, 100, NO),
        ({"at_least": 95}, 94, 94, NO),
        ({"is": "100%"}, 3, 3, YES),
        ({"is": "30%"}, 3, 10, YES),
        ({"between": ["10%", "30%"]}, 3, 10, YES),
        ({"between": ["10%", "30%"]}, 4, 10, NO),
        ({"at_least": "95%"}, 0, 0, NOT_YET),
        ({"is": 0}, 0, 0, YES),
    ],
)
def test_a_share_is_of_the_total_and_a_count_is_not(comparison: dict[str, Any], ok: int, total: int, truth: Truth) -> None:
    assert demand("probe.healthy.ok", **comparison).truth(Reading(ok, total)) is truth


@pytest.mark.parametrize(("times", "truth"), [((9.9, 10.4), YES), ((9.9, 3.0), NO)])
def test_of_several_times_each_must_do(times: tuple[float, ...], truth: Truth) -> None:
    assert demand("crowd.drippers.closed_after", at_least="9.5s").truth(Reading(times)) is truth


@pytest.mark.parametrize(
    ("combine", "truths", "truth"),
    [
        ("all", [YES, YES], YES),
        ("all", [YES, NO], NO),
        ("all", [UNKNOWN, NO], NO),
        ("all", [UNKNOWN, YES], UNKNOWN),
        ("all", [NOT_YET, YES], NOT_YET),
        ("any", [NO, YES], YES),
        ("any", [UNKNOWN, YES], YES),
        ("any", [UNKNOWN, NO], UNKNOWN),
        ("any", [NOT_YET, NO], NOT_YET),
        ("any", [NO, NO], NO),
    ],
)
def test_several_at_one_moment(combine: Combine, truths: list[Truth], truth: Truth) -> None:
    assert combined(combine, truths) is truth
    assert combined(combine, reversed(truths)) is truth
