"""From samples to verdicts."""

from __future__ import annotations

import pytest

from bench import report
from bench.cases import CASES, Case, Metric, Sample, Target
from bench.measure import Result
from bench.report import Verdict


def a_case(*targets: Target) -> Case:
    return Case("rate-of-it", "How fast it is", "echo", 1.0, (Metric("rate", "/s"),), lambda visit: {}, targets)


def samples(*rates: float) -> list[Sample]:
    return [{"rate": rate} for rate in rates]


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    # The machine was ten times slower in the second round, for both: it must not show.
    result = Result(a_case(), {"faultproxy": samples(90, 9, 100), "socat": samples(100, 10, 100)})
    assert report.ratio(result, "rate", "faultproxy", "socat") == 0.9
    assert report.ratio(result, "rate", "faultproxy", "direct") is None


def test_who_failed_after_a_round_is_compared_by_that_round() -> None:
    result = Result(a_case(), {"faultproxy": samples(90, 9, 100), "socat": samples(45)})
    assert report.ratio(result, "rate", "faultproxy", "socat") == 2.0


def test_verdicts() -> None:
    targets = (Target("rate", at_least=0.9, to="socat"), Target("rate", at_most=80), Target("rate", at_least=1, to="haproxy"))
    result = Result(a_case(*targets), {"faultproxy": samples(90), "socat": samples(100)})
    assert report.verdicts(result) == [
        Verdict("rate-of-it", "rate: 0.90 x socat (target >= 0.9 x socat)", 0.9, True),
        Verdict("rate-of-it", "rate: 90.00 /s (target <= 80 /s)", 90, False),
        Verdict("rate-of-it", "rate: not measured (target >= 1 x haproxy)", None, None),
    ]


def test_data_for_programs() -> None:
    result = Result(a_case(), {"direct": samples(1, 2)}, {"socat": "socat is not installed"}, {"haproxy": "it ended"})
    assert report.as_data([result], 2)["cases"] == [
        {
            "name": "rate-of-it",
            "title": "How fast it is",
            "units": {"rate": "/s"},
            "values": {"direct": {"rate": [1, 2]}},
            "skipped": {"socat": "socat is not installed"},
            "failed": {"haproxy": "it ended"},
            "targets": [],
        }
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_target_is_of_a_metric_of_its_case(case: Case) -> None:
    assert {target.metric for target in case.targets} <= {metric.name for metric in case.metrics}
    assert all((target.at_least is None) != (target.at_most is None) for target in case.targets)


def test_the_names_of_cases_are_their_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
