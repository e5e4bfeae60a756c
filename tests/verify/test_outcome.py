"""Outcomes, worst first, and what they make of the exit code."""

from __future__ import annotations

import json

import pytest

from faultproxy.verify.outcome import OUTCOMES, FaultReport, Finding, Mark, Outcome, Result, Track, exit_code, worst


def result(outcome: Outcome) -> Result:
    return Result("cut.toml", "a cut", outcome, 0.5, 1, "faultproxy test cut.toml --seed 1")


@pytest.mark.parametrize("place", range(len(OUTCOMES)))
def test_the_worst_is_the_first_of_the_list(place: int) -> None:
    assert worst(reversed(OUTCOMES[place:])) == OUTCOMES[place]


def test_of_nothing_the_worst_is_passed() -> None:
    assert worst(()) == "passed"


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([], 0),
        (["passed", "skipped"], 0),
        (["passed", "failed"], 1),
        (["error"], 1),
        (["fault_not_fired", "inconclusive"], 1),
        (["passed", "inconclusive"], 3),
    ],
)
def test_the_exit_code(outcomes: list[Outcome], code: int) -> None:
    assert exit_code([result(outcome) for outcome in outcomes]) == code


@pytest.mark.parametrize(("outcome", "code"), [("passed", 4), ("inconclusive", 4), ("failed", 1)])
def test_a_lacking_capability_is_worse_than_inconclusive_and_not_so_bad_as_a_failure(outcome: Outcome, code: int) -> None:
    assert exit_code([result(outcome)], lacking=True) == code


def test_a_result_becomes_plain_json() -> None:
    whole = Result(
        "cut.toml",
        "a cut",
        "failed",
        0.5,
        1,
        "again",
        findings=[Finding(0, "server.tcp_state", "failed", at=5.0)],
        faults=[FaultReport("cut", "reset", "", 1, 1, 0, bands=[(0.0, None, "1")])],
        tracks=[Track("1", "outsider", 0.0, None, marks=[Mark(0.1, "client", "proxy", "data", 5)], curves={"rtt": [(0.1, 0.02)]})],
    )
    table = json.loads(json.dumps(whole.table()))
    assert table["findings"][0]["judged"] == "failed"
    assert table["faults"][0]["bands"] == [[0.0, None, "1"]]
    assert table["tracks"][0]["curves"] == {"rtt": [[0.1, 0.02]]}
