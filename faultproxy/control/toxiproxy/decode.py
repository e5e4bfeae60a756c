"""What clients send, read as the server they were written for reads it: leniently in all but the types of values.

Only the first JSON value counts, whatever follows it. Keys match in any case, unknown ones are ignored, the last of equal ones holds, and
`null` leaves a field as it was. An integer must be written as one: `1.0` and `1e2` are none.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

LARGEST = 2**63 - 1
"""Integers are of 64 bits."""

_BLANK = " \t\r\n"
_DIGITS = 25
"""An integer with more digits is out of range, however large it is exactly."""


class BadBody(Exception):
    """The body cannot be read; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Object:
    """A JSON object as it was written: its keys may differ in case only, or not at all."""

    pairs: tuple[tuple[str, Any], ...]


Reader = Callable[[Any], Any]
"""Takes a JSON value that is not null. Raises ValueError with what was expected."""


def first_value(body: bytes) -> Any:
    """The first JSON value of a body; objects are `Object`, numbers int or Decimal. Raises BadBody."""
    text = body.decode("utf-8", "replace").lstrip(_BLANK)
    if not text:
        raise BadBody("EOF: it is empty")
    try:
        value, _ = _DECODER.raw_decode(text)
    except json.JSONDecodeError as exc:
        if exc.pos >= len(text.rstrip(_BLANK)) or exc.msg.startswith("Unterminated"):
            raise BadBody("unexpected EOF: it ends in the middle of a value") from exc
        raise BadBody(f"invalid JSON: {exc.msg} at character {exc.pos + 1}") from exc
    except RecursionError as exc:
        raise BadBody("invalid JSON: nested too deeply") from exc
    except InvalidOperation as exc:
        raise BadBody("invalid JSON: a number's exponent is beyond all numbers") from exc
    return value


def fields(value: Any, what: str, wanted: Mapping[str, Reader]) -> dict[str, Any]:
    """The fields of `wanted` that an object gives; `null` gives none. `what` is named in BadBody, which says what was expected."""
    if value is None:
        return {}
    if not isinstance(value, Object):
        raise BadBody(f"{what}: expected an object, not {_name(value)}")
    found: dict[str, Any] = {}
    for key, given in value.pairs:
        name = key if key in wanted else key.lower()
        if name not in wanted or given is None:
            continue
        try:
            found[name] = wanted[name](given)
        except ValueError as exc:
            raise BadBody(f"{what}.{name}: expected {exc}, not {_name(given)}") from exc
    return found


def elements(value: Any, what: str) -> list[Any]:
    """The elements of an array; `null` has none. Raises BadBody."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadBody(f"expected an array of {what}, not {_name(value)}")
    return value


def text(value: Any) -> str:
    """A string; halves of surrogate pairs, which no UTF-8 can carry, are replaced."""
    if not isinstance(value, str):
        raise ValueError("a string")
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def whole(value: Any) -> int:
    """An integer of 64 bits, written as one."""
    if isinstance(value, bool) or not isinstance(value, int) or not -LARGEST - 1 <= value <= LARGEST:
        raise ValueError("an integer of 64 bits, written without point or exponent")
    return value


def single(value: Any) -> float:
    """A number, rounded to single precision."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("a number")
    try:
        return rounded(float(value))
    except OverflowError as exc:
        raise ValueError("a number in the range of single precision") from exc


def table(value: Any) -> Object:
    """An object."""
    if not isinstance(value, Object):
        raise ValueError("an object")
    return value


def rounded(number: float) -> float:
    """The nearest number of single precision, as the shortest decimal that is nearest to it. Raises OverflowError."""
    packed = struct.pack("<f", number)
    exact: float = struct.unpack("<f", packed)[0]
    for digits in range(1, 9):
        short = float(f"{exact:.{digits}g}")
        if struct.pack("<f", short) == packed:
            return short + 0.0  # no minus before a zero
    return float(f"{exact:.9g}")


def _name(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return f"the number {value}"[:60]
        case str():
            return "a string"
        case list():
            return "an array"
    return "an object"


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) < _DIGITS else Decimal(digits)


def _constant(name: str) -> NoReturn:
    raise BadBody(f"invalid JSON: {name} is no JSON number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=lambda pairs: Object(tuple(pairs)), parse_float=Decimal, parse_int=_integer, parse_constant=_constant
)
