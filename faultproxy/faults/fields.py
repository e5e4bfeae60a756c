"""The kinds of value that a scenario is written in, as pydantic field types: text with units outside, plain numbers inside.

``model_dump(mode="json")`` writes them as they are written in a file, so that what is dumped can be read back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from faultproxy.core import linear, match, units
from faultproxy.core.events import DIRECTIONS, Direction
from faultproxy.core.limits import MATCH_EXPRESSION, MATCH_LITERAL
from faultproxy.core.match import Regex


def _text(example: str, pattern: str | None = None) -> WithJsonSchema:
    schema: dict[str, Any] = {"type": "string", "examples": [example]}
    return WithJsonSchema(schema if pattern is None else schema | {"pattern": pattern})


def _written(write: Callable[[Any], Any]) -> PlainSerializer:
    return PlainSerializer(write, when_used="json-unless-none")


Duration = Annotated[float, BeforeValidator(units.duration), _written(units.write_duration), _text("50ms")]
"""Seconds; written "50ms", "2s", "1.5m"."""

Size = Annotated[int, BeforeValidator(units.size), _written(units.write_size), _text("64KiB")]
"""Bytes; written "64KiB", "64kB", "10B"."""

Rate = Annotated[float, BeforeValidator(units.rate), _written(units.write_rate), _text("1.6Mbit/s")]
"""Bytes a second; written "256kbit/s", "1MB/s"."""

Share = Annotated[
    float,
    BeforeValidator(units.share),
    WithJsonSchema({"anyOf": [{"type": "string", "examples": ["5%"]}, {"type": "number", "minimum": 0, "maximum": 1}]}),
]
"""A fraction from 0 to 1; written "5%" or 0.05."""

Way = Literal["c2s", "s2c", "both"]


def directions(way: Way) -> tuple[Direction, ...]:
    """The directions that a `direction` names."""
    return DIRECTIONS if way == "both" else (way,)


class Strict(BaseModel):
    """A part of the file: unknown keys are mistakes, and nothing can be changed once it is read."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, populate_by_name=True, arbitrary_types_allowed=True)


def data_bytes(value: object) -> bytes:
    """Bytes from a string (its UTF-8) or ``{hex = "ff 00"}``. Raises ValueError."""
    match value:
        case bytes():
            return value
        case str():
            return value.encode()
        case {"hex": str(digits), **rest} if not rest:
            try:
                return bytes.fromhex(digits)
            except ValueError as exc:
                raise ValueError(f'{digits!r} is not hexadecimal: write bytes like {{hex = "ff 00"}}') from exc
    raise ValueError('expected bytes: a string, or {hex = "ff 00"}')


def pattern(value: object) -> match.Pattern:
    """What to look for: bytes as in `data_bytes`, or ``{regex = '…'}``. Raises ValueError."""
    if isinstance(value, match.Literal | Regex):
        return value
    if isinstance(value, dict) and set(value) == {"regex"} and isinstance(value["regex"], str):
        return _regex(value["regex"].encode())
    try:
        literal = data_bytes(value)
    except ValueError as exc:
        hint = str(exc) if isinstance(value, dict) and "hex" in value else "expected bytes: a string, {hex = \"ff 00\"} or {regex = '…'}"
        raise ValueError(hint) from exc
    if not literal:
        raise ValueError("nothing to look for: the string is empty")
    if len(literal) > MATCH_LITERAL:
        raise ValueError(f"at most {MATCH_LITERAL} bytes can be looked for, not {len(literal)}")
    return match.Literal(literal)


def _regex(text: bytes) -> Regex:
    if len(text) > MATCH_EXPRESSION:
        raise ValueError(f"a regular expression has at most {MATCH_EXPRESSION} bytes, not {len(text)}")
    try:
        return Regex(linear.read(text))
    except (re.error, OverflowError) as exc:
        raise ValueError(f"not a regular expression: {exc}") from exc
    except RecursionError as exc:
        raise ValueError("a regular expression whose groups are nested too deeply") from exc


def write_bytes(data: bytes) -> str | dict[str, str]:
    """What `data_bytes` reads back: a string where the bytes are UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"hex": data.hex(" ")}


def write_pattern(wanted: match.Pattern) -> str | dict[str, str]:
    """What `pattern` reads back."""
    return {"regex": wanted.expression.pattern.decode()} if isinstance(wanted, Regex) else write_bytes(wanted.data)


def expressions(part: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], re.Pattern[bytes]]]:
    """Every regular expression in a part of a scenario, and under which keys it stands: ``("on_match", "c2s")``."""
    match part:
        case Regex(expression):
            yield path, expression
        case BaseModel():
            for name, value in part:
                yield from expressions(value, (*path, type(part).model_fields[name].alias or name))
        case list() | tuple():
            for value in part:
                yield from expressions(value, path)


_BYTES_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "properties": {"hex": {"type": "string"}}, "required": ["hex"], "additionalProperties": False},
    ]
}
_PATTERN_SCHEMA = {
    "anyOf": [
        *_BYTES_SCHEMA["anyOf"],
        {"type": "object", "properties": {"regex": {"type": "string"}}, "required": ["regex"], "additionalProperties": False},
    ]
}

Bytes = Annotated[bytes, BeforeValidator(data_bytes), _written(write_bytes), WithJsonSchema(_BYTES_SCHEMA)]
"""Bytes to send: a string stands for its UTF-8, or ``{hex = "ff 00"}``."""

Pattern = Annotated[match.Pattern, BeforeValidator(pattern), _written(write_pattern), WithJsonSchema(_PATTERN_SCHEMA)]
"""Bytes to look for: as `Bytes`, or ``{regex = '…'}``, tried on each whole line."""


def _network(value: object) -> IPv4Network | IPv6Network:
    if not isinstance(value, str):
        raise ValueError('expected an address or network such as "127.0.0.2" or "10.0.0.0/8"')
    try:
        return ip_network(value, strict=False)
    except ValueError as exc:
        raise ValueError(f'{value!r} is neither an address nor a network such as "10.0.0.0/8"') from exc


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network), _written(str), _text("127.0.0.2")]


class Delaying(Strict):
    """A delay and how it varies; the words are netem's."""

    delay: Duration = Field(description="how much later, one way")
    jitter: Duration = Field(0.0, description="how much the delay varies")
    distribution: Literal["uniform", "normal", "pareto", "paretonormal"] = Field("uniform", description="how it varies")
    correlation: Share = Field(0.0, description="how much of a draw is the draw before")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.delay == 0 and self.jitter == 0:
            raise ValueError("neither `delay` nor `jitter` is above zero: it would do nothing")
        return self


class Counting(Strict):
    """Which of a series: not the first `skip`, then each `step`-th, each with the chance `share`, at most `take`."""

    skip: int = Field(0, ge=0, description="leave out the first so many")
    step: int = Field(1, ge=1, description="then every so-manieth")
    take: int | None = Field(None, ge=1, description="at most so many (default: no limit)")
    share: Share = Field(1.0, description='a chance drawn once for each, such as "5%"')

    def count(self) -> match.Count:
        """The same for the core."""
        return match.Count(self.skip, self.step, self.take, self.share)
