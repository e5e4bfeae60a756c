"""What the page's scripts are given: compact, bounded, the most telling connections first."""

from __future__ import annotations

import pytest

from faultproxy.verify.outcome import Finding, Mark, Track
from faultproxy.verify.reports import drawing
from faultproxy.verify.reports.drawing import drawings
from tests.verify.reports.samples import crowd, failed, result


def test_a_mark_leaves_out_what_is_as_usual() -> None:
    (drawn,) = drawings([failed()])
    marks = drawn["tracks"][0]["marks"]
    assert [*marks[:3], *marks[122:]] == [
        [0.0, "c", "p", "SYN"],
        [0.001, "p", "s", "SYN"],
        [1.0, "p", "c", "ACK", 0, 1, 0, 1, "dropped an ACK"],
        [1.2, "c", "", "zero window", 0, 1, -1, 0, "the client may not send"],
        [1.5, "c", "p", "retransmission", 0, 2],
        [2.0, "c", "p", "data", 1400],
        [2.5, "p", "", "note", 0, 1, 0, 0, "held the FIN"],
        [2.6, "c", "", "window open", 0, 1, -1, 0, "the client may send"],
        [3.0, "s", "p", "FIN"],
        [3.0, "p", "c", "FIN"],
        [3.2, "p", "", "note", 0, 1, -1, 0, "closed towards the client"],
        [3.3, "c", "p", "RST"],
    ]


def test_a_socket_that_is_closed_without_a_word_before_sends_its_fin_now() -> None:
    closing = Track("1", "outsider", 0.0, 1.0, [Mark(1.0, "proxy", "server", "FIN", note="close")])
    (drawn,) = drawings([result(tracks=[closing])])
    assert drawn["tracks"][0]["marks"] == [[1.0, "p", "s", "FIN", 0, 1, -1, 0, "close"]]


def test_marks_are_in_order_of_time() -> None:
    # What is read off counters is told a little later than it happened.
    odd = Track("1", "outsider", 0.0, 1.0, [Mark(0.5, "client", "proxy", "data", 1), Mark(0.4, "client", "proxy", "SYN")])
    (drawn,) = drawings([result(tracks=[odd])])
    assert [mark[0] for mark in drawn["tracks"][0]["marks"]] == [0.4, 0.5]


def test_what_one_look_has_found_is_a_request_and_then_its_answer() -> None:
    ways = [("proxy", "client"), ("server", "proxy"), ("proxy", "server"), ("client", "proxy")]
    (drawn,) = drawings([result(tracks=[Track("1", "outsider", 0.0, 1.0, [Mark(0.5, *way, "data", 1) for way in ways])])])
    assert [mark[1] + mark[2] for mark in drawn["tracks"][0]["marks"]] == ["cp", "ps", "sp", "pc"]


def test_a_curve_is_its_times_and_its_values() -> None:
    (drawn,) = drawings([failed()])
    assert drawn["tracks"][0]["curves"]["client.tcp_state"] == [[0.0, 3.0, 3.3], ["ESTABLISHED", "CLOSE_WAIT", "CLOSED"]]


def test_findings_of_one_expectation_that_ended_alike_are_one() -> None:
    (drawn,) = drawings([failed()])
    assert [(finding["judged"], finding["count"], [member[0] for member in finding["members"]]) for finding in drawn["findings"]] == [
        ("failed", 2, ["lurkers 1", "lurkers 2"]),
        ("passed", 1, [""]),
    ]


@pytest.mark.parametrize("label", ["lurkers 3", ""])
def test_what_does_not_fit_is_left_out_from_the_end(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "BUDGET", 2 * 50 * drawing.MARK)
    whole = crowd(4)
    findings = [Finding(0, "x", "failed", subject=label)]
    (drawn,) = drawings([result("failed", tracks=whole.tracks, findings=findings)])
    kept = ["lurkers 0", "lurkers 3"] if label else ["lurkers 0", "lurkers 1"]
    assert [track["label"] for track in drawn["tracks"] if "marks" in track] == kept
    assert [track["label"] for track in drawn["tracks"]] == [f"lurkers {n}" for n in range(4)]


def test_what_failed_is_drawn_before_what_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "BUDGET", 50 * drawing.MARK)
    passed, bad = result(tracks=crowd(1).tracks), crowd(1)
    assert ["marks" in drawn["tracks"][0] for drawn in drawings([passed, bad])] == [False, True]
