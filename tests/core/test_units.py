"""Values with units, there and back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultproxy.core import units

calm = settings(max_examples=60, deadline=None, derandomize=True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("50ms", 0.05), ("2s", 2.0), ("1.5m", 90.0), ("250us", 0.00025), ("1_000 ms", 1.0), ("1h", 3600.0), ("0s", 0.0)],
)
def test_times(text: str, seconds: float) -> None:
    assert units.duration(text) == seconds


@pytest.mark.parametrize(("text", "count"), [("64KiB", 65536), ("64kB", 64000), ("10B", 10), ("1.5KiB", 1536), ("2 MiB", 2**21)])
def test_sizes(text: str, count: int) -> None:
    assert units.size(text) == count


@pytest.mark.parametrize(
    ("text", "rate"), [("256kbit/s", 32000.0), ("1.6Mbit/s", 200000.0), ("1MB/s", 1e6), ("1KiB/s", 1024.0), ("8bps", 1.0)]
)
def test_rates(text: str, rate: float) -> None:
    assert units.rate(text) == rate


@pytest.mark.parametrize(("value", "share"), [("5%", 0.05), (0.05, 0.05), ("100 %", 1.0), (1, 1.0), (0, 0.0), ("0.1%", 0.001)])
def test_shares(value: object, share: float) -> None:
    assert units.share(value) == share


@pytest.mark.parametrize(
    ("read", "value", "told"),
    [
        (units.duration, 50, 'a time needs a unit: write it like "50ms", not 50'),
        (units.duration, "50", 'a time needs a unit: write it like "50ms"'),
        (units.duration, "-1s", "cannot be negative"),
        (units.duration, "5 parsecs", "unknown unit 'parsecs'"),
        (units.duration, True, "expected a time"),
        (units.size, "1.5B", "not a whole number of bytes"),
        (units.size, 64, 'a size needs a unit: write it like "64KiB"'),
        (units.rate, "0B/s", "a rate must be above zero"),
        (units.rate, "1MB", "unknown unit 'MB'"),
        (units.share, 5, 'for 5 per cent write "5%"'),
        (units.share, "101%", "between 0 and 1"),
        (units.share, "half", "expected a share"),
    ],
)
def test_mistakes_show_how_it_is_written(read: object, value: object, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        read(value)  # type: ignore[operator]


@calm
@given(st.integers(1, 10**15))
def test_a_shown_duration_reads_back(nanoseconds: int) -> None:
    seconds = round(nanoseconds / 1e9, 9)
    assert units.duration(units.show_duration(seconds)) == pytest.approx(seconds, rel=1e-4)
    assert units.duration(units.write_duration(seconds)) == seconds


@calm
@given(st.integers(0, 2**45))
def test_a_written_size_reads_back(count: int) -> None:
    assert units.size(units.write_size(count)) == count


@pytest.mark.parametrize(("count", "shown"), [(312, "312 B"), (65536, "64 KiB"), (3 * 2**19, "1.5 MiB"), (2**30, "1 GiB")])
def test_sizes_for_a_person(count: int, shown: str) -> None:
    assert units.show_size(count) == shown
