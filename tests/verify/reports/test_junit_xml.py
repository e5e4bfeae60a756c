"""JUnit XML: valid, harmless, and each outcome where build servers look for it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import xmlschema

from faultproxy.verify import reports
from faultproxy.verify.outcome import OUTCOMES, Outcome, Result
from tests.verify.reports.samples import EVIL, failed, result

SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))


def written(*results: Result) -> ET.Element:
    """The document, valid and read again."""
    text = reports.junit(results, seconds=3.0, seed=7, command="faultproxy test .", began=datetime(2030, 1, 2, 3, 4, 5))
    SCHEMA.validate(text)
    return ET.fromstring(text)


def only(root: ET.Element, path: str) -> ET.Element:
    """The one element there."""
    (found,) = root.iterfind(path)
    return found


def test_of_nothing_it_is_empty() -> None:
    assert written().attrib == {"name": "faultproxy", "tests": "0", "failures": "0", "errors": "0", "skipped": "0", "time": "3.000"}


def test_each_outcome_is_counted_where_it_belongs() -> None:
    root = written(*(result(outcome, f"{outcome}.toml") for outcome in OUTCOMES))
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "6",
        "failures": "2",
        "errors": "1",
        "skipped": "2",
    }


@pytest.mark.parametrize(
    ("outcome", "tag", "message"),
    [
        ("error", "error", "why"),
        ("failed", "failure", "why"),
        ("fault_not_fired", "failure", "why"),
        ("inconclusive", "skipped", "inconclusive: why"),
        ("skipped", "skipped", "why"),
    ],
)
def test_the_element_of_an_outcome(outcome: Outcome, tag: str, message: str) -> None:
    end = only(written(result(outcome, reason="why\nand more")), f"testsuite/testcase/{tag}")
    assert end.attrib == {"type": outcome, "message": message}
    assert (end.text or "").startswith("why\nand more\n")


def test_what_passed_has_no_element() -> None:
    assert [child.tag for child in only(written(result()), "testsuite/testcase")] == ["properties"]


def test_a_folder_is_a_suite_and_a_file_a_class() -> None:
    root = written(result(scenario="scenarios/close/cut.toml[client]"), result(scenario="scenarios/open/lost.toml"))
    assert [suite.get("name") for suite in root] == ["scenarios/close", "scenarios/open"]
    cases = [{name: case.get(name) for name in ("classname", "name", "file")} for case in root.iterfind("testsuite/testcase")]
    assert cases == [
        {"classname": "scenarios.close.cut", "name": "cut.toml[client]", "file": "scenarios/close/cut.toml"},
        {"classname": "scenarios.open.lost", "name": "lost.toml", "file": "scenarios/open/lost.toml"},
    ]


def test_plays_of_one_scenario_are_told_apart_by_numbers_that_stay() -> None:
    root = written(result(seed=7), result(seed=8), result(scenario="scenarios/close/other.toml"))
    assert [case.get("name") for case in root.iterfind("testsuite/testcase")] == ["cut.toml #1", "cut.toml #2", "other.toml"]


def test_a_failure_tells_all_that_helps() -> None:
    case = only(written(failed()), "testsuite/testcase")
    properties = {each.get("name"): each.get("value") for each in case.iterfind("properties/property")}
    assert properties == {"title": "a cut", "seed": "7", "covers": "D1 D2", "outcome": "failed"}
    assert only(case, "failure").text == "\n".join(
        [
            "expectation 1 failed:",
            "  wanted  server.tcp_state is CLOSED within 5 s of cut",
            "  got     CLOSE_WAIT, at 5.1 s",
            "  on      2 of them: lurkers 1, lurkers 2",
            "  since   cut, at 0.1 s",
            "  why     it never was so",
            "faults:",
            "  cut: reset s2c, 100ms after the start (2 starts, acted 3 times)",
            "sockets at the end:",
            "  127.0.0.1:7000 - 127.0.0.1:40000  CLOSE_WAIT, send queue 0, recv queue 1",
            "what happened last:",
            "      0.100 s  connection lurkers 1: cut sent a RST",
            "server wrote:",
            "    | listening",
            "    | lost a player\\x07",
            "notes:",
            "  the probe asked seldom",
            "seed:",
            "  7",
            "to repeat it:",
            "  faultproxy test scenarios/close/cut.toml --seed 7",
        ]
    )
    assert only(case, "system-out").text == "server wrote:\n  | listening\n  | lost a player\\x07"


def test_a_suite_tells_when_it_began_and_with_which_seed() -> None:
    suite = only(written(result()), "testsuite")
    assert suite.get("timestamp") == "2030-01-02T03:04:05"
    assert {each.get("name"): each.get("value") for each in suite.iterfind("properties/property")} == {
        "seed": "7",
        "command": "faultproxy test .",
    }


@pytest.mark.parametrize("text", [EVIL, "\x00\x01\x1b[1mloud\x1b[0m", "\udc80\ufffe", "]]>", "\r\n\r", "\x85\u2028"])
def test_whatever_is_written_the_document_stays_one(text: str) -> None:
    written(result("failed", f"{text}.toml", title=text, reason=text, again=text, notes=[text], outputs={text: text}, journal=[text]))
