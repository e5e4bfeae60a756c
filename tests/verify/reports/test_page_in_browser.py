"""The page in a browser: its scripts run without a complaint and draw what they are given."""

from __future__ import annotations

import pytest

from faultproxy.verify.outcome import Finding
from tests.verify.reports.conftest import Open
from tests.verify.reports.samples import EVIL, crowd, failed, result, track

pytestmark = pytest.mark.peers

DRAWN = "document.querySelector('.view')?.dataset.sight"
"""What the page says when it has drawn a diagram: from when to when it shows."""


def test_a_failure_is_drawn(opened: Open) -> None:
    page = opened(failed(), result())
    page.comes(DRAWN)
    assert page.texts(".why") == ["server.tcp_state is CLOSED within 5 s of cut: got CLOSE_WAIT, at 5.1 s (and 1 more)"]
    assert page.texts("svg text.label") == [
        "SYN", "SYN", "ACK × 120 · cut", "zero window", "retransmission × 2", "1400 B seq 1", "held the FIN · cut", "window open",
        "FIN", "FIN", "closed towards the client", "RST",
    ]  # fmt: skip
    assert page.value("document.querySelectorAll('.band.f0').length") == 2
    assert page.texts("svg text.state") == ["ESTABLISHED"]
    assert page.texts("svg text.column") == ["time", "expected", "send queue", "retransmits"]
    assert page.texts(".tools .muted") == ["always 0: backoff"]
    assert page.texts("svg text.flag") == ["✓", "✗"]


def test_what_failed_stands_above_what_passed(opened: Open) -> None:
    page = opened(failed())
    assert page.texts("section > div > .wide .findings td:first-child") == ["failed"]
    assert page.texts("details.passed summary") == ["and 1 that passed"]


def test_an_address_leads_to_a_connection(opened: Open) -> None:
    page = opened(result(), failed(), address="#1/lurkers%202")
    page.comes(DRAWN)
    assert page.texts(".stage > p") == ["lurkers 2 (crowd), opened at 0.100 s, open to the end"]
    assert page.texts("svg text.label") == ["SYN"]


def test_an_address_cut_short_leads_to_the_first(opened: Open) -> None:
    page = opened(result(), failed(), address="#1/lurkers%2")
    page.comes(DRAWN)
    assert page.texts("[aria-selected=true] b") == ["lurkers 1"]


def test_without_connections_there_is_no_diagram(opened: Open) -> None:
    page = opened(result("skipped", reason="no packets here"))
    assert page.texts(".why") == ["no packets here"]
    assert page.texts("svg") == []


def test_nothing_that_it_tells_acts(opened: Open) -> None:
    told = {"title": EVIL, "reason": EVIL, "again": EVIL, "outputs": {EVIL: EVIL}, "notes": [EVIL]}
    page = opened(result("failed", EVIL, findings=failed().findings, tracks=[track(EVIL)], **told))
    page.comes(DRAWN)
    assert page.value("document.title") == "failed: faultproxy test"
    assert page.texts("img") == []
    assert page.texts(".why") == [EVIL]


@pytest.mark.parametrize("width", [1280, 800])
def test_the_page_is_never_wider_than_the_window(opened: Open, width: int) -> None:
    page = opened(failed(), crowd(20), width=width, dark=True)
    page.comes(DRAWN)
    assert page.value("document.documentElement.scrollWidth") == width


def test_the_players_that_failed_together_are_each_in_trouble(opened: Open) -> None:
    whole = crowd(8)
    finding = Finding(0, "crowd.lurkers.failures", "failed", "crowd.lurkers.failures is 0", "3", 1.0)
    page = opened(result("failed", tracks=[track("healthy 1"), *whole.tracks], findings=[finding]))
    page.comes(DRAWN)
    assert page.texts("[role=option] b") == [*(f"lurkers {number}" for number in range(8)), "healthy 1"]
    assert page.texts("[role=status]")[0] == "9 of 9, 8 failed"
