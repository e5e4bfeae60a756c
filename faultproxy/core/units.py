"""Values with units, at the edge: inside the program a time is seconds, a size bytes and a rate bytes a second, all plain numbers.

A bare number where a unit is needed is an error that shows how to write it, because `delay = 50` means 50 ms to one reader and
50 s to another. Decimal and binary prefixes are kept apart (`kB` is 1000 bytes, `KiB` 1024), bits and bytes too (`kbit/s`, `kB/s`).
"""

from __future__ import annotations

import math
import re

_NUMBER = r"([+-]?(?:\d+(?:_\d+)*)(?:\.\d+)?)"
_TIME = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_PREFIX = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_SIZE = {prefix + "B": factor for prefix, factor in _PREFIX.items()}
_RATE = {f"{prefix}{unit}/s": factor / per for prefix, factor in _PREFIX.items() for unit, per in (("B", 1), ("bit", 8))}
_RATE |= {f"{prefix}bps": factor / 8 for prefix, factor in _PREFIX.items()}


def duration(text: object) -> float:
    """Seconds from ``"50ms"``, ``"2s"``, ``"1.5m"``. Raises ValueError with the way to write it."""
    return _parse(text, _TIME, "a time", "50ms")


def size(text: object) -> int:
    """Bytes from ``"64KiB"`` (65536) or ``"64kB"`` (64000). Raises ValueError."""
    value = _parse(text, _SIZE, "a size", "64KiB")
    if value != int(value):
        raise ValueError(f"{text!r} is not a whole number of bytes")
    return int(value)


def rate(text: object) -> float:
    """Bytes a second from ``"1.6Mbit/s"`` (200000.0) or ``"1MB/s"`` (1000000.0). Raises ValueError."""
    value = _parse(text, _RATE, "a rate", "1.6Mbit/s")
    if value <= 0:
        raise ValueError(f"a rate must be above zero, not {text!r}")
    return value


def share(value: object) -> float:
    """A fraction from 0 to 1 out of ``"5%"`` or ``0.05``. Raises ValueError: 5 alone could be either."""
    if isinstance(value, str):
        match = re.fullmatch(_NUMBER + r"\s*%", value.strip())
        if match is None:
            raise ValueError(f'expected a share such as "5%" or 0.05, not {value!r}')
        result = float(match[1]) / 100
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f'expected a share such as "5%" or 0.05, not {value!r}')
    else:
        result = float(value)
    if not 0 <= result <= 1:
        hint = f' (for {value} per cent write "{value}%")' if isinstance(value, int | float) and 1 < value <= 100 else ""
        raise ValueError(f"a share lies between 0 and 1, or 0% and 100%: {value!r}{hint}")
    return result


def _parse(text: object, units: dict[str, float] | dict[str, int], what: str, example: str) -> float:
    if isinstance(text, int | float) and not isinstance(text, bool):
        raise ValueError(f'{what} needs a unit: write it like "{example}", not {text!r}')
    if not isinstance(text, str):
        raise ValueError(f'expected {what} such as "{example}", not {text!r}')
    match = re.fullmatch(_NUMBER + r"\s*([A-Za-zµ/]*)", text.strip())
    if match is None:
        raise ValueError(f'expected {what} such as "{example}", not {text!r}')
    number, unit = match[1], match[2]
    if not unit:
        raise ValueError(f'{what} needs a unit: write it like "{example}", not {text!r}')
    if unit not in units:
        raise ValueError(f"unknown unit {unit!r} in {text!r}: {what} is written with {', '.join(_common(units))}")
    value = float(number.replace("_", "")) * units[unit]
    if value < 0:
        raise ValueError(f"{what} cannot be negative: {text!r}")
    if not math.isfinite(value) or value > 1e15:
        raise ValueError(f"{text!r} is out of range")
    return round(value, 9)


def _common(units: dict[str, float] | dict[str, int]) -> list[str]:
    return [unit for unit in units if unit not in ("µs", "min", "K", "KB", "Kbit/s") and not unit.endswith("bps")]


def show_duration(seconds: float) -> str:
    """The shortest exact spelling that `duration` reads back: ``show_duration(0.05) == "50ms"``."""
    if seconds == 0:
        return "0s"
    for unit, factor, below in (("us", 1e-6, 1e-3), ("ms", 1e-3, 1.0), ("s", 1.0, 120.0), ("m", 60.0, math.inf)):
        if seconds < below:
            return f"{_trim(seconds / factor)}{unit}"
    raise AssertionError("unreachable: the last bound is infinite")


def write_duration(seconds: float) -> str:
    """As `show_duration` where that is exact, else in plain seconds: `duration` always reads back the same number."""
    shown = show_duration(seconds)
    return shown if duration(shown) == seconds else f"{_trim(seconds, 9)}s"


def write_size(count: int) -> str:
    """In the largest binary unit that is exact: ``"64KiB"``, ``"1000B"``. `size` reads it back."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count and count % factor == 0:
            return f"{count // factor}{unit}"
    return f"{count}B"


def write_rate(bytes_per_second: float) -> str:
    """In bits where that is a whole number of them, as links are sold: ``"1600kbit/s"``; else in bytes. `rate` reads it back."""
    for unit, factor in (("Mbit/s", 125_000), ("kbit/s", 125)):
        if bytes_per_second % factor == 0:
            return f"{int(bytes_per_second / factor)}{unit}"
    return f"{_trim(bytes_per_second, 9)}B/s"


def show_size(count: float) -> str:
    """Bytes for a person: ``"64 KiB"``, ``"1.5 MiB"``, ``"312 B"``."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= factor:
            return f"{_trim(count / factor, 1)} {unit}"
    return f"{int(count)} B"


def _trim(number: float, digits: int = 6) -> str:
    return f"{number:.{digits}f}".rstrip("0").rstrip(".") or "0"
