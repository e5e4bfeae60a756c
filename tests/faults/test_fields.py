"""Bytes and patterns as a file writes them."""

from __future__ import annotations

import re

import pytest

from faultproxy.core.limits import MATCH_LITERAL
from faultproxy.core.match import Literal, Regex
from faultproxy.faults import fields


@pytest.mark.parametrize(("value", "data"), [("é", b"\xc3\xa9"), ({"hex": "ff 00"}, b"\xff\x00"), ({"hex": ""}, b""), (b"raw", b"raw")])
def test_bytes(value: object, data: bytes) -> None:
    assert fields.data_bytes(value) == data


@pytest.mark.parametrize("value", [5, ["a"], {"hex": 5}, {"hex": "f"}, {"hex": "ff", "more": 1}, {"text": "a"}])
def test_what_is_no_bytes(value: object) -> None:
    with pytest.raises(ValueError, match=r'\{hex = "ff 00"\}'):
        fields.data_bytes(value)


def test_patterns() -> None:
    assert fields.pattern("OK") == Literal(b"OK")
    assert fields.pattern({"hex": "ff"}) == Literal(b"\xff")
    assert fields.pattern({"regex": "^a+$"}) == Regex(re.compile(b"^a+$"))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("", "the string is empty"),
        ("x" * (MATCH_LITERAL + 1), "at most 8192 bytes"),
        ({"regex": "("}, "not a regular expression"),
        ({"regex": "a{99999999999999}"}, "the repetition number is too large"),
        ({"regex": "(" * 4000 + ")" * 4000}, "nested too deeply"),
        ({"regex": "é" * MATCH_LITERAL}, "at most 8192 bytes"),
        ({"hex": "zz"}, "not hexadecimal"),
        (5, "{regex = '…'}"),
    ],
)
def test_what_cannot_be_looked_for(value: object, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        fields.pattern(value)


@pytest.mark.parametrize("value", ["OK\r\n", {"hex": "ff 00"}, {"regex": "^a"}])
def test_a_pattern_is_written_as_it_was_read(value: object) -> None:
    assert fields.write_pattern(fields.pattern(value)) == value


def test_directions() -> None:
    assert [fields.directions("both"), fields.directions("c2s")] == [("c2s", "s2c"), ("c2s",)]
