"""What the page calculates, without a page: time on the screen, arrows that share a place, words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from faultproxy import drawing
from tests.peers.browser import Browser

pytestmark = pytest.mark.peers

SCRIPTS = ("curves.js", "story.js")
"""Those that touch no page, beside those of `faultproxy.drawing`."""

Evaluate = Callable[..., list[Any]]


@pytest.fixture
def evaluated(one_browser: Browser, tmp_path: Path) -> Iterator[Evaluate]:
    """What some expressions are, after these scripts."""
    folder = files("faultproxy.verify.reports").joinpath("page")
    path = tmp_path / "arithmetic.html"
    texts = [*map(drawing.text, drawing.SCRIPTS), *(folder.joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS)]
    path.write_text(f"<script>{' '.join(texts)}</script>", encoding="utf-8")
    one_browser.open(path.as_uri())
    yield lambda *expressions: [one_browser.value(expression) for expression in expressions]
    assert one_browser.complaints == []


def test_the_arithmetic_of_time(evaluated: Evaluate) -> None:
    assert evaluated(
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


def test_arrows_that_stand_close_are_one_until_one_looks_closer(evaluated: Evaluate) -> None:
    data = [[0, "c", "p", "data", 5], [0.1, "c", "p", "data", 6], [0.1, "p", "c", "ACK"], [0.2, "c", "p", "data", 7], [1, "c", "p", "FIN"]]
    marks = f"{json.dumps(data)}.map(markOf)"
    drawn = f"(scale) => arrows({marks}, timeMap([0, 1], scale, false)).map((arrow) => [labelOf(arrow, []), arrow.y, arrow.at])"
    assert evaluated(f"({drawn})(50)", f"({drawn})(1000)") == [
        [["data 18 B × 3", 0, 0], ["ACK", 5, 17], ["FIN", 50, 50]],
        [["data 5 B", 0, 0], ["data 6 B", 100, 100], ["ACK", 100, 117], ["data 7 B", 200, 200], ["FIN", 1000, 1000]],
    ]


def test_where_there_is_no_room_plain_data_gives_way(evaluated: Evaluate) -> None:
    marks = '["FIN", "SYN", "RST", "data", "ACK", "retransmission"].map((what) => markOf([0, "c", "p", what]))'
    assert evaluated(f"arrows({marks}, timeMap([0, 1], 50, false)).map((arrow) => [labelOf(arrow, []), arrow.at])") == [
        [["FIN", 0], ["SYN", 17], ["RST (+ 2)", 34], ["retransmission", 51]]
    ]


def test_what_goes_the_other_way_is_never_put_into_an_arrow(evaluated: Evaluate) -> None:
    kinds = ["FIN", "SYN", "RST", "ACK", "data", "retransmission"]
    data = [[0, *way, what] for what in kinds for way in (("c", "p"), ("p", "c"))]
    script = (
        f"arrows({json.dumps(data)}.map(markOf), timeMap([0, 1], 50, false))"
        ".map((arrow) => [new Set(arrow.marks.map((mark) => mark.from)).size, arrow.marks.length, arrow.at])"
    )
    (drawn,) = evaluated(script)
    assert {ways for ways, _, _ in drawn} == {1}
    assert sum(marks for _, marks, _ in drawn) == len(data)
    assert max(at for _, _, at in drawn) <= 8 * 17, "and they do not run far below their time"


def test_what_no_fault_has_touched_is_numbered_as_wireshark_does(evaluated: Evaluate) -> None:
    raws = '[[0, "c", "p", "data", 5], [1, "c", "p", "data", 5, 1, 0], [1, "p", "c", "data", 7], [2, "c", "p", "data", 9]]'
    assert evaluated(f"marksOf({raws}).map((mark) => mark.seq)") == [[1, 0, 1, 6]]


def test_labels_are_cut_to_the_room_there_is(evaluated: Evaluate) -> None:
    assert evaluated('fitted("held the FIN", 100)', 'fitted("held the FIN", 50)') == ["held the FIN", "held t…"]


def test_trouble_in_order(evaluated: Evaluate) -> None:
    none = '{"failed": false, "acts": 0, "resets": 0, "resent": 0, "stuck": false, "bytes": 0}'
    worse = ['"acts": 9', '"resent": 1', '"stuck": true', '"resets": 1', '"failed": true']
    badness = [f"badness({{...{none}, {each}}})" for each in ['"bytes": 9', *worse]]
    found = evaluated(*badness)
    assert found == sorted(found)
    assert len(set(found)) == len(found)


def test_a_mark_in_words(evaluated: Evaluate) -> None:
    assert evaluated(
        'sentence(markOf([1.5, "c", "p", "data", 6, 1, 0, 1, "seq +17"]), ["gone"])',
        'sentence(markOf([2, "p", "", "note", 0, 1, -1, 0, "closed"]), [])',
    ) == ["1.5000 s  client → proxy data 6 B, lost [gone]: seq +17", "2.0000 s  proxy: closed"]
