"""The JSON document: everything, and nothing that JSON does not have."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

from faultproxy import __version__
from faultproxy.verify import reports
from faultproxy.verify.outcome import Finding, Track
from tests.verify.reports.samples import EVIL, failed, result


def test_the_heading() -> None:
    document = json.loads(reports.json([result(), failed()], seconds=3.5, seed=7, command="x", began=datetime(2030, 1, 2, tzinfo=UTC)))
    del document["results"]
    totals = {"error": 0, "failed": 1, "fault_not_fired": 0, "inconclusive": 0, "skipped": 0, "passed": 1}
    assert document == {
        "faultproxy": __version__,
        "command": "x",
        "began": "2030-01-02T00:00:00+00:00",
        "seconds": 3.5,
        "seed": 7,
        "outcome": "failed",
        "totals": totals,
    }


def test_a_result_is_there_as_it_is() -> None:
    (told,) = json.loads(reports.json([failed()], seconds=3.5, seed=7))["results"]
    assert told == json.loads(json.dumps(failed().table()))


def test_numbers_that_json_does_not_have_are_null() -> None:
    odd = result(
        findings=[Finding(0, "x", "passed", at=math.inf)], tracks=[Track("1", "outsider", 0.0, None, curves={"rtt": [(0, math.nan)]})]
    )
    (told,) = json.loads(reports.json([odd], seconds=3.5, seed=7))["results"]
    assert told["findings"][0]["at"] is None
    assert told["tracks"][0]["curves"]["rtt"] == [[0, None]]


def test_any_text_comes_back_and_can_be_written_to_a_file() -> None:
    for text in (EVIL, "\x00\udc80", "é"):
        document = reports.json([result(title=text)], seconds=3.5, seed=7)
        assert json.loads(document.encode("utf-8"))["results"][0]["title"] == text
