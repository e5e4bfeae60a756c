"""Finding bytes in a stream that comes in pieces; choosing by count."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultproxy.core.limits import MATCH_LINE
from faultproxy.core.match import Count, Counter, Literal, Pattern, Regex
from faultproxy.core.rng import stream

calm = settings(max_examples=80, deadline=None, derandomize=True)


def ends(pattern: Pattern, *pieces: bytes) -> list[int]:
    scanner, found, offset = pattern.scanner(), [], 0
    for piece in pieces:
        found += [offset + end for end in scanner.feed(memoryview(piece))]
        offset += len(piece)
    return found


def regex(text: str) -> Regex:
    return Regex(re.compile(text.encode()))


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (Literal(b"OK"), b"OK NO OK", [2, 8]),
        (Literal(b"aa"), b"aaaaa", [2, 4]),
        (Literal(b"x"), b"", []),
        (regex("^LOGIN .*ok$"), b"LOGIN a ok\r\nLOGIN b no\nLOGIN c ok\n", [12, 34]),
        (regex("^LOGIN"), b"LOGIN without an end", []),
        (regex("^$"), b"\n\n", [1, 2]),
    ],
)
def test_where_a_match_ends(pattern: Pattern, text: bytes, found: list[int]) -> None:
    assert ends(pattern, text) == found
    assert ends(pattern, *[text[i : i + 1] for i in range(len(text))]) == found


@calm
@given(st.binary(max_size=60).map(lambda b: bytes(c % 3 + 97 for c in b)), st.lists(st.integers(0, 60), max_size=6), st.integers(1, 4))
def test_cuts_do_not_matter(text: bytes, cuts: list[int], length: int) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(edges)]
    for pattern in (Literal(b"ab" * length), Literal(b"a" * length), regex("a+b")):
        lines = text.replace(b"c", b"\n")
        cut = [piece.replace(b"c", b"\n") for piece in pieces]
        assert ends(pattern, *cut) == ends(pattern, lines)


def test_a_line_beyond_the_limit_is_no_match_and_does_not_harm_the_next() -> None:
    long = b"x" * (MATCH_LINE + 1)
    assert ends(regex("x"), long, b"x\nx\n") == [MATCH_LINE + 5]
    assert ends(regex("x"), b"x" * MATCH_LINE + b"\n") == [MATCH_LINE + 1]


def test_in_a_payload_every_line_counts_and_the_last_needs_no_end() -> None:
    assert regex("^b$").stands_in(b"a\r\nb\r\nc")
    assert regex("^c$").stands_in(b"a\nc")
    assert not regex("^b").stands_in(b"ab")
    assert not regex("x").stands_in(b"x" * (MATCH_LINE + 1))
    assert Literal(b"a\nb").stands_in(b"xa\nby")


def chosen(count: Count, of: int = 12) -> list[int]:
    counter = Counter(count, stream(1, "count"))
    return [n for n in range(1, of + 1) if counter.chooses()]


@pytest.mark.parametrize(
    ("count", "numbers"),
    [
        (Count(), list(range(1, 13))),
        (Count(skip=9), [10, 11, 12]),
        (Count(step=5), [1, 6, 11]),
        (Count(skip=2, step=3, take=2), [3, 6]),
        (Count(share=0.0), []),
    ],
)
def test_counting(count: Count, numbers: list[int]) -> None:
    assert chosen(count) == numbers
    assert [n for n in range(1, 13) if count.chooses(n, lambda _: count.share > 0)] == numbers


def test_numbered_ones_are_chosen_in_whatever_order_they_come() -> None:
    count = Count(skip=1, take=3, share=0.5)
    luck = {n: stream(3, n)() < 0.5 for n in range(1, 21)}
    lucky = [n for n in range(2, 21) if luck[n]][:3]
    assert [n for n in reversed(range(1, 21)) if count.chooses(n, luck.__getitem__)] == lucky[::-1]


def test_a_pattern_is_named_as_it_was_written() -> None:
    assert (str(Literal(b"OK\r\n")), str(regex("^a"))) == (r"'OK\r\n'", "/^a/")
