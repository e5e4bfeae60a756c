"""Shapes: what fits them, and what fits two of them at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultproxy.core.shape import ACK, FIN, PSH, RST, SHAPES, SYN, Shape

SEGMENTS = {
    "SYN": (SYN, 0),
    "SYN with data": (SYN, 10),
    "SYN-ACK": (SYN | ACK, 0),
    "ACK": (ACK, 0),
    "data": (PSH | ACK, 100),
    "FIN": (FIN | ACK, 0),
    "FIN with data": (FIN | PSH | ACK, 1),
    "RST": (RST, 0),
    "RST-ACK": (RST | ACK, 0),
}


@pytest.mark.parametrize(
    ("name", "fitting"),
    [
        ("syn", ["SYN", "SYN with data"]),
        ("synack", ["SYN-ACK"]),
        ("ack", ["ACK"]),
        ("data", ["data", "FIN with data"]),
        ("fin", ["FIN", "FIN with data"]),
        ("rst", ["RST", "RST-ACK"]),
        ("any", list(SEGMENTS)),
    ],
)
def test_the_named_shapes(name: str, fitting: list[str]) -> None:
    assert [segment for segment, (flags, length) in SEGMENTS.items() if SHAPES[name].fits(flags, length)] == fitting


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Shape(set=ACK), Shape(clear=SYN, least=1), Shape(set=ACK, clear=SYN, least=1)),
        (Shape(least=1, most=100), Shape(least=50, most=200), Shape(least=50, most=100)),
        (Shape(most=10), Shape(), Shape(most=10)),
        (SHAPES["fin"], SHAPES["ack"], None),
        (SHAPES["syn"], SHAPES["synack"], None),
        (SHAPES["ack"], SHAPES["data"], None),
    ],
)
def test_both_shapes_at_once(one: Shape, other: Shape, expected: Shape | None) -> None:
    assert one.both(other) == expected
    assert other.both(one) == expected


@pytest.mark.parametrize("wrong", [{"set": 1, "clear": 1}, {"set": 256}, {"clear": -1}, {"least": -1}, {"least": 2, "most": 1}])
def test_a_shape_that_nothing_has_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"segment|payload"):
        Shape(**wrong)


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    wanted, unwanted = draw(st.integers(0, 255)), draw(st.integers(0, 255))
    least = draw(st.integers(0, 1500))
    return Shape(wanted, unwanted & ~wanted, least, draw(st.none() | st.integers(least, 3000)))


@given(shapes(), shapes(), st.integers(0, 255), st.integers(0, 3000))
def test_both_fits_what_each_fits(one: Shape, other: Shape, flags: int, length: int) -> None:
    both = one.both(other)
    assert (both is not None and both.fits(flags, length)) == (one.fits(flags, length) and other.fits(flags, length))
