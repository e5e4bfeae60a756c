"""However the bytes are cut, the lines are the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultproxy.arena.lines import Lines, LineTooLong


def heard(pieces: list[bytes], limit: int = 100) -> list[str]:
    lines, found = Lines(limit), []
    for piece in pieces:
        lines.feed(piece)
        while (line := lines.line()) is not None:
            found.append(line)
    return found


@settings(deadline=None)
@given(st.lists(st.text(alphabet="ab é", max_size=8), max_size=6), st.sampled_from(["\n", "\r\n"]), st.data())
def test_cutting_does_not_matter(said: list[str], end: str, data: st.DataObject) -> None:
    whole = "".join(line + end for line in said).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    pieces = [whole[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert heard(pieces) == heard([whole]) == heard([bytes([byte]) for byte in whole]) == said


def test_an_unfinished_line_is_none() -> None:
    assert heard([b"one\ntwo"]) == ["one"]


def test_what_is_no_utf_8_does_not_break_a_line() -> None:
    assert heard([b"\xff\xfe!\n"]) == ["\ufffd\ufffd!"]


@pytest.mark.parametrize("data", [b"12345678", b"1234567\r\n", b"12345678\n"])
def test_a_line_past_the_limit(data: bytes) -> None:
    assert heard([b"123456\r\n1234567\n"], limit=8) == ["123456", "1234567"]
    with pytest.raises(LineTooLong):
        heard([data], limit=8)


def test_raw_bytes_between_lines() -> None:
    lines = Lines(100)
    lines.feed(b"one\r\nab\ncdtwo\r\n")
    assert (lines.line(), lines.take(5), lines.line(), lines.line(), len(lines)) == ("one", b"ab\ncd", "two", None, 0)
