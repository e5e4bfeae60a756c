"""The page in a browser: its scripts run without a complaint, draw what they are given, and calculate rightly."""

from __future__ import annotations

import contextlib
import html
import json
import os
import re
import signal
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from faultproxy.verify import reports
from faultproxy.verify.outcome import Result
from tests.peers.programs import PATIENCE, program
from tests.verify.reports.samples import EVIL, crowd, failed, result

pytestmark = pytest.mark.peers

FLAGS = ("--headless", "--disable-gpu", "--no-first-run", "--disable-extensions", "--virtual-time-budget=8000", "--enable-logging=stderr")


def opened(path: Path, address: str = "") -> str:
    """The page as it is after its scripts have run; fails if the browser had to complain of any of them."""
    profile = path.with_suffix(".profile")
    # Its own sandbox needs what containers often withhold, and all it opens here is our own page.
    flags = [*FLAGS, "--no-sandbox", f"--user-data-dir={profile}", "--window-size=1400,1000", "--dump-dom"]
    command = [program("chromium", "chromium"), *flags, f"file://{path}{address}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", start_new_session=True)
    try:
        shown, complaints = process.communicate(timeout=4 * PATIENCE)
    finally:
        # It has children; all are in its session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
    assert [line for line in complaints.splitlines() if "CONSOLE" in line] == []
    return shown


def page(folder: Path, *results: Result, address: str = "") -> str:
    """The report of these results, opened."""
    path = folder / "report.html"
    path.write_text(reports.html(results, seconds=3.0, seed=7), encoding="utf-8")
    return opened(path, address)


def texts(shown: str, pattern: str) -> list[str]:
    """The texts of elements whose opening tag looks like that."""
    return [html.unescape(text) for text in re.findall(rf"<{pattern}[^>]*>([^<]+)<", shown)]


def test_a_failure_is_drawn(tmp_path: Path) -> None:
    shown = page(tmp_path, failed(), result())
    assert texts(shown, 'p class="why"') == ["server.tcp_state is CLOSED within 5 s of cut: got CLOSE_WAIT, at 5.1 s (and 1 more)"]
    labels = texts(shown, 'text class="label')
    assert [label for label in labels if "data" in label or "ACK" in label] == ["ACK × 120 · cut", "data 1400 B"]
    assert sorted(set(labels) - {"ACK × 120 · cut", "data 1400 B"}) == [
        "FIN",
        "RST",
        "SYN",
        "closed towards the client",
        "held the FIN · cut",
    ]
    assert shown.count('class="band f0"') == 2
    assert texts(shown, 'text class="state"') == ["ESTABLISHED", "CLOSE_WAIT"]
    assert shown.count('class="curve client"') == 1
    assert texts(shown, 'span class="muted"')[-1] == "always 0: backoff"


def test_an_address_leads_to_a_connection(tmp_path: Path) -> None:
    shown = page(tmp_path, result(), failed(), address="#1/lurkers%202")
    assert "lurkers 2 (crowd), opened at 0.100 s, open to the end" in shown
    assert texts(shown, 'text class="label') == ["SYN"]


def test_without_connections_there_is_no_diagram(tmp_path: Path) -> None:
    shown = page(tmp_path, result("skipped", reason="no packets here"))
    assert texts(shown, 'p class="why"') == ["no packets here"]
    assert "<svg" not in shown


def test_nothing_that_it_tells_acts(tmp_path: Path) -> None:
    evil = failed()
    shown = page(
        tmp_path, result("failed", EVIL, title=EVIL, reason=EVIL, again=EVIL, findings=evil.findings, outputs={EVIL: EVIL}, notes=[EVIL])
    )
    assert "<title>failed: faultproxy test</title>" in shown
    assert "<img" not in shown
    assert texts(shown, 'p class="why"') == [EVIL]


def test_a_thousand_connections_are_a_list_and_one_diagram(tmp_path: Path) -> None:
    shown = page(tmp_path, crowd(1000))
    assert shown.count("data-label=") == 300
    assert "and 700 more: use the filter" in shown
    assert shown.count("<svg") == 1


ARITHMETIC = ("time.js", "ladder.js", "curves.js")


def evaluated(folder: Path, *expressions: str) -> list[Any]:
    """What these expressions are, after the scripts that touch no page."""
    folder_of_scripts = files("faultproxy.verify.reports").joinpath("page")
    scripts = "\n".join(folder_of_scripts.joinpath(name).read_text(encoding="utf-8") for name in ARITHMETIC)
    path = folder / "arithmetic.html"
    listed = ", ".join(expressions)
    path.write_text(f"<pre></pre><script>{scripts}\ndocument.querySelector('pre').textContent = JSON.stringify([{listed}]);</script>")
    (text,) = re.findall("<pre>(.*)</pre>", opened(path))
    found: list[Any] = json.loads(html.unescape(text))
    return found


def test_the_arithmetic_of_time(tmp_path: Path) -> None:
    assert evaluated(
        tmp_path,
        "timeMap([0, 1, 1, 11], 10, false).height",
        "timeMap([0, 1, 1, 11], 10, true)",
        "yOf(timeMap([0, 1, 11], 10, true), 6)",
        "timeAt(timeMap([0, 1, 11], 10, true), 30)",
        "[-5, 99].map((time) => yOf(timeMap([0, 10], 10, false), time))",
        "fittingScale([0, 10], 500, false)",
        "Math.round(timeMap([0, 1, 2, 100], fittingScale([0, 1, 2, 100], 100, true), true).height)",
        "[0.003, 0.04, 0.7, 3].map(niceStep)",
        "placeOf([1, 2, 2, 3], 2)",
        "[9999, 12345, 1e6, 2.5e9].map(bytes)",
        '[shown("send_queue", 7), shown("rtt", 0.02), shown("backoff", 3), shown("tcp_state", "CLOSED")]',
    ) == [
        110,
        {"ts": [0, 1, 11], "ys": [0, 10, 50], "height": 50, "idle": [{"from": 10, "to": 50}]},
        30,
        6,
        [0, 100],
        50,
        100,
        [0.005, 0.05, 1, 5],
        2,
        ["9999 B", "12.3 kB", "1.00 MB", "2.50 GB"],
        ["7 B", "20.0 ms", "3", "CLOSED"],
    ]


def test_arrows_that_stand_close_are_one_until_one_looks_closer(tmp_path: Path) -> None:
    data = [[0, "c", "p", "data", 5], [0.1, "c", "p", "data", 6], [0.1, "p", "c", "ACK"], [0.2, "c", "p", "data", 7], [1, "c", "p", "FIN"]]
    marks = f"{json.dumps(data)}.map(markOf)"
    drawn = f"(scale) => arrows({marks}, timeMap([0, 1], scale, false)).map((arrow) => [labelOf(arrow, []), arrow.y, arrow.at])"
    assert evaluated(tmp_path, f"({drawn})(50)", f"({drawn})(1000)") == [
        [["data 18 B × 3", 0, 0], ["ACK", 5, 17], ["FIN", 50, 50]],
        [["data 5 B", 0, 0], ["data 6 B", 100, 100], ["ACK", 100, 117], ["data 7 B", 200, 200], ["FIN", 1000, 1000]],
    ]


def test_where_there_is_no_room_the_rest_is_counted(tmp_path: Path) -> None:
    marks = '["a", "b", "c", "d", "e", "f"].map((what) => markOf([0, "c", "p", what]))'
    assert evaluated(tmp_path, f"arrows({marks}, timeMap([0, 1], 50, false)).map((arrow) => [labelOf(arrow, []), arrow.at])") == [
        [["a", 0], ["b", 17], ["c (+ 3)", 34]]
    ]


def test_a_mark_in_words(tmp_path: Path) -> None:
    assert evaluated(
        tmp_path,
        'sentence(markOf([1.5, "c", "p", "data", 6, 1, 0, 1, "seq +17"]), ["gone"])',
        'sentence(markOf([2, "p", "", "note", 0, 1, -1, 0, "closed"]), [])',
    ) == ["1.5000 s  client → proxy data 6 B, lost [gone]: seq +17", "2.0000 s  proxy: closed"]
