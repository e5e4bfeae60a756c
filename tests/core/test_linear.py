"""Regular expressions: the same answers as those of `re`, and in a time that no text and no expression can stretch."""

from __future__ import annotations

import pickle
import re
import string
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from faultproxy.core import linear
from faultproxy.core.limits import MATCH_LINE
from faultproxy.core.match import Regex

ROOT = Path(__file__).parents[2]
QUICK = 0.05
"""Seconds for a search that may take 15 ms: the machine may be slow. `re` takes minutes at least."""
calm = settings(max_examples=200, deadline=None, derandomize=True)

EVIL = [
    ("(a+)+$", b"a" * (MATCH_LINE - 1) + b"!"),
    ("(a*)*b", b"a" * MATCH_LINE),
    ("(a|aa)+$", b"a" * (MATCH_LINE - 1) + b"!"),
    ("(a|a?)+$", b"a" * (MATCH_LINE - 1) + b"!"),
    ("(.*a){20}", b"a" * 19 + b"b" * (MATCH_LINE - 19)),
    ("(x+x+)+y", b"x" * MATCH_LINE),
    (r"^(([a-z])+.)+[A-Z]([a-z])+$", b"a" * MATCH_LINE),
    (r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$", b"a" * MATCH_LINE),
    (r"(\w+\s?)*:$", b"ab " * (MATCH_LINE // 3)),
    ("(?:a?){60}a{60}c", b"a" * MATCH_LINE),
    (".*.*.*=.*", b"x" * MATCH_LINE),
    ("a.*b.*c.*d", b"abc" * (MATCH_LINE // 3)),
    (r"\s+$", b" " * (MATCH_LINE - 1) + b"x"),
    ("(a|b)*a(a|b){250}c", bytes(97 + (i * i >> 5 & 1) for i in range(MATCH_LINE))),
]
"""Each with the line that was made for it."""

REFUSED = [
    ("(?=a)b", "a look-around, (?=…)"),
    ("(?<!a)b", "a look-around, (?!…)"),
    (r"(a)\1", "a back-reference"),
    ("(?P<x>a)(?(x)b|c)", "a conditional"),
    ("(?>a+)b", "an atomic group"),
    ("a*+b", "a possessive repeat"),
    (r"(?L)\w", "(?L)"),
    (r"(?L:\w)", "(?L)"),
    ("a{1001}", "its size: a count {m,n}"),
    ("(a{100}){100}", "its size: a count {m,n}"),
    ("a{301}", "its size, of "),
    ("x" * 310, "its size, of "),
]
INNOCENT = [
    *("^LOGIN .*ok$", r"^\d+ OK", r"LOGIN \w+", "logged in|logged out", r"^PONG( \d+)?$", r"^\S+ \S+ HTTP/1\.[01]$", r"\bERROR\b"),
    *("(?i)^connection: *close", r"^(GET|POST|PUT) /[\w/.-]{0,60} ", r"[^\x00-\x7f]", r"^.{8}\x00", r"^\{.*\}$", "a?b*c+"),
    *(".*", "^$", "", "(?x) a b # c", "(?s).", "é|ß"),
]  # fmt: skip


def expression(text: str) -> re.Pattern[bytes]:
    return re.compile(text.encode())


def written() -> Iterator[str]:
    """Every expression of the scenarios, and of all other files of the kind."""
    for path in sorted(ROOT.rglob("*.toml")):
        try:
            yield from texts(tomllib.loads(path.read_text(encoding="utf-8")))
        except (ValueError, UnicodeDecodeError):
            continue  # some are wrong on purpose


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from [each] if key == "regex" and isinstance(each, str) else texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)


def took(search: linear.Search, line: bytes) -> float:
    """Seconds for it, at best: others want the processor too."""
    best = 60.0
    for _ in range(5):
        began = time.perf_counter()
        search(line)
        best = min(best, time.perf_counter() - began)
        if best < QUICK:
            break
    return best


@pytest.mark.parametrize(("text", "line"), EVIL)
def test_no_line_that_was_made_for_it_holds_a_search_up(text: str, line: bytes) -> None:
    found = expression(text)
    assert linear.unbounded(found) == ""
    assert took(linear.search(found), line) < QUICK


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_what_cannot_be_searched_for_so_is_named_and_left_to_re(text: str, why: str) -> None:
    found = expression(text)
    assert why in linear.unbounded(found)
    for line in (b"", b"ab", b"aab", b"x" * 300, b"a" * 2000):
        assert bool(linear.search(found)(line)) == bool(found.search(line))


def test_what_people_write_is_fit() -> None:
    some = sorted({re.sub(r"\$\{\w+\}", "x", text) for text in written()})
    assert len(some) > 10
    for text in [*some, *INNOCENT]:
        assert linear.unbounded(expression(text)) == "", text


LEAVES = st.sampled_from([
    *("a", "b", "K", ".", "é", r"\w", r"\W", r"\d", r"\D", r"\s", r"\S", r"\b", "^", "$", r"\A", r"\Z", r"\x0b", r"\xff", r"\.", "-"),
    *("[ab]", "[^ab]", r"[^\W\d]", "[A-F]", "[^A-F]", "[é-ö]", "[]-]", r"[\s\S]", r"[^\s\S]", "(?i:b)", "(?i:[^a-c])", "(?-i:K)", ""),
])  # fmt: skip
REPEATS = st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0}", "{2,}", "*?", "+?", "??", "{,2}"])
EXPRESSIONS = st.tuples(
    st.sampled_from(["", "(?i)", "(?s)", "(?m)"]),
    st.recursive(
        LEAVES,
        lambda inner: (
            st.tuples(inner, inner).map("".join)
            | st.tuples(inner, inner).map(lambda two: f"({two[0]}|{two[1]})")
            | st.tuples(inner, REPEATS).map(lambda two: f"(?:{two[0]}){two[1]}")
        ),
        max_leaves=8,
    ),
).map("".join)
LINES = st.lists(st.sampled_from(list(b"abcABCkK \t\x0b\x0c\r_19.-\xc3\xa9\xb6\xff\x00")), max_size=12).map(bytes)


@calm
@given(EXPRESSIONS, st.lists(LINES, max_size=8))
@example(r"\s", [b"\x0b"])
@example(r"(?i)[é]", ["É".encode(), "é".encode(), b"\xa9"])
@example("(?i)[^k]", [b"K", b"k", b"x"])
@example(r"a\Z", [b"a", b"a\r"])
def test_it_answers_as_re_does(text: str, lines: list[bytes]) -> None:
    found = expression(text)
    assert linear.unbounded(found) == ""
    search = linear.search(found)
    assert [bool(search(line)) for line in lines] == [bool(found.search(line)) for line in lines]


@calm
@given(st.text(string.printable, max_size=12))
def test_whatever_is_written_is_searched_for_or_refused(text: str) -> None:
    try:
        found = expression(text)
    except (re.error, FutureWarning, DeprecationWarning):
        assume(False)
    if not linear.unbounded(found):
        for line in (b"", b"aA0 _", text.encode().replace(b"\n", b"")):
            assert bool(linear.search(found)(line)) == bool(found.search(line)) or r"\B" in text


@settings(max_examples=25, deadline=None, derandomize=True)
@given(EXPRESSIONS, LINES.filter(bool), LINES)
def test_what_is_fit_takes_no_longer_on_the_longest_line_there_can_be(text: str, again: bytes, end: bytes) -> None:
    line = (again * MATCH_LINE)[: MATCH_LINE - len(end)] + end
    assert took(linear.search(expression(text)), line) < QUICK


def test_one_is_the_same_behind_a_pickle() -> None:
    found = Regex(expression("^a+$"))
    again: Regex = pickle.loads(pickle.dumps(found))
    assert again == found
    assert again.search(b"aa")


def test_an_empty_line_has_no_inside() -> None:
    for text in (r"\B", r"^\B$", r"a?\B", r"x|\B", r"\Ba?|b", r"\B|"):
        known = expression(text)
        for line in (b"", b"a", b"ab", b"."):
            assert bool(linear.search(known)(line)) == bool(known.search(line)), (text, line)


def test_nothing_is_said_of_what_later_versions_may_read_otherwise() -> None:
    known = linear.read(b"^[[]INFO] ")  # warnings are errors here
    assert linear.search(known)(b"[INFO] ready")
    assert not linear.search(known)(b"INFO ready")
