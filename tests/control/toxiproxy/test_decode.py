"""Reading what clients send."""

from __future__ import annotations

import contextlib
import math
import struct
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultproxy.control.toxiproxy import decode
from faultproxy.control.toxiproxy.decode import BadBody, Object

WANTED = {"name": decode.text, "on": decode.flag, "count": decode.whole, "share": decode.single, "more": decode.table}


def read(body: str | bytes) -> dict[str, Any]:
    """The fields of a body."""
    return decode.fields(decode.first_value(body if isinstance(body, bytes) else body.encode()), "Thing", WANTED)


def wrong(body: str | bytes) -> str:
    """What is said of a body that cannot be read."""
    with pytest.raises(BadBody) as caught:
        read(body)
    return str(caught.value)


def test_keys_match_in_any_case_and_unknown_ones_are_ignored() -> None:
    assert read('{"NAME": "a", "On": true, "other": [1, {"x": null}], "COUNT": 3}') == {"name": "a", "on": True, "count": 3}


def test_the_last_of_equal_keys_holds_unless_it_is_null() -> None:
    assert read('{"name": "a", "NAME": "b"}') == {"name": "b"}
    assert read('{"name": "a", "name": null}') == {"name": "a"}
    assert read('{"name": null}') == {}
    assert read("null") == {}


@pytest.mark.parametrize("rest", ["", "garbage", "{", '{"name": "b"}', "\xff"])
def test_only_the_first_value_counts(rest: str) -> None:
    assert read(b' \r\n\t{"name": "a"}' + rest.encode("latin-1")) == {"name": "a"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "EOF: it is empty"),
        (" \n", "EOF: it is empty"),
        ('{"name": "a"', "unexpected EOF: it ends in the middle of a value"),
        ('{"name": "a', "unexpected EOF: it ends in the middle of a value"),
        ("{", "unexpected EOF: it ends in the middle of a value"),
        ("nonsense", "invalid JSON: Expecting value at character 1"),
        ("{'name': 1}", "invalid JSON: Expecting property name enclosed in double quotes at character 2"),
        ('{"share": NaN}', "invalid JSON: NaN is no JSON number"),
        ("[" * 100_000, "invalid JSON: nested too deeply"),
        ("[1]", "Thing: expected an object, not an array"),
        ('"text"', "Thing: expected an object, not a string"),
        ('{"name": 1}', "Thing.name: expected a string, not the number 1"),
        ('{"on": "true"}', "Thing.on: expected true or false, not a string"),
        ('{"count": 1.5}', "Thing.count: expected an integer of 64 bits, written without point or exponent, not the number 1.5"),
        ('{"count": 1.0}', "Thing.count: expected an integer of 64 bits, written without point or exponent, not the number 1.0"),
        ('{"count": 1e2}', "Thing.count: expected an integer of 64 bits, written without point or exponent, not the number 1E+2"),
        ('{"count": true}', "Thing.count: expected an integer of 64 bits, written without point or exponent, not true"),
        ('{"share": "1"}', "Thing.share: expected a number, not a string"),
        ('{"share": 1e39}', "Thing.share: expected a number in the range of single precision, not the number 1E+39"),
        ('{"more": []}', "Thing.more: expected an object, not an array"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(body: str, said: str) -> None:
    assert wrong(body) == said


@pytest.mark.parametrize("digits", [str(2**63), str(-(2**63) - 1), "9" * 30, "9" * 10_000])
def test_integers_have_64_bits(digits: str) -> None:
    assert read(f'{{"count": {2**63 - 1}}}') == {"count": 2**63 - 1}
    assert "expected an integer of 64 bits" in wrong(f'{{"count": {digits}}}')


def test_text_that_no_utf_8_can_carry_is_replaced() -> None:
    assert read(r'{"name": "a\ud83db"}') == {"name": "a\N{REPLACEMENT CHARACTER}b"}
    assert read(r'{"name": "\ud83d\ude00"}') == {"name": "\N{GRINNING FACE}"}
    assert read(b'{"name": "\xff"}') == {"name": "\N{REPLACEMENT CHARACTER}"}


def test_an_array_has_elements_and_null_has_none() -> None:
    assert decode.elements(decode.first_value(b"[1, null]"), "things") == [1, None]
    assert decode.elements(None, "things") == []
    with pytest.raises(BadBody, match="expected an array of things, not an object"):
        decode.elements(Object(()), "things")


@pytest.mark.parametrize(
    ("written", "kept"),
    [("0.3333333333333", 0.33333334), ("0.1", 0.1), ("1.0", 1.0), ("1", 1.0), ("0.5", 0.5), ("-0.0", 0.0), ("1e-9", 1e-9)],
)
def test_a_share_is_kept_in_single_precision(written: str, kept: float) -> None:
    share = read(f'{{"share": {written}}}')["share"]
    assert share == kept
    assert math.copysign(1, share) == 1


@given(st.floats(min_value=-3.4e38, max_value=3.4e38))
def test_rounding_keeps_the_nearest_number_of_single_precision(number: float) -> None:
    exact = struct.unpack("<f", struct.pack("<f", number))[0]
    assert struct.unpack("<f", struct.pack("<f", decode.rounded(number)))[0] == exact


@given(st.binary(max_size=40) | st.text(alphabet='{}[]",:0e1.-nultrfas\\ ', max_size=40).map(str.encode))
def test_no_body_brings_it_down(body: bytes) -> None:
    with contextlib.suppress(BadBody):
        decode.fields(decode.first_value(body), "Thing", WANTED)


def test_numbers_keep_how_they_were_written() -> None:
    assert decode.first_value(b"1.0") == Decimal("1.0")
    assert isinstance(decode.first_value(b"1"), int)
