"""Regular expressions searched for in a time in proportion to the text, whatever stands in either of them.

Python's `re` goes back and tries again: for ``(a+)+$``, on a line that was made for it, longer than a universe lasts. RE2 does not. But it
reads a few things otherwise (``\\s``, ``\\Z``, what has a case), so it is not given the text of an expression: it is given what `re` has
made of that, written out byte for byte. What is asked is only whether a line matches, and to that both have the same answer.

What RE2 cannot do at all (look-arounds, back-references) is searched for by `re`, and so is what is too large for it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from typing import Any

import re2

STEPS = 300
"""The size of an expression, in RE2's instructions, up to which a search is quick for certain: 10 ms at the worst on a line of MATCH_LINE
bytes, and as a rule a hundredth of that."""
MEMORY = 2**20
"""Bytes that one expression may use for what it remembers of the texts before; without memory it is slower, and still linear."""

Search = Callable[[bytes], object]
"""Whether a line, which has no LF, matches: something true if so."""

_PARSER: Any = import_module("re._parser")  # its tree is what `re` itself compiles
_BYTES = range(256)
_CATEGORIES = {
    f"CATEGORY_{name}": frozenset(byte for byte in _BYTES if re.match(escape, bytes([byte])))
    for name, escape in (
        ("DIGIT", rb"\d"),
        ("NOT_DIGIT", rb"\D"),
        ("SPACE", rb"\s"),
        ("NOT_SPACE", rb"\S"),
        ("WORD", rb"\w"),
        ("NOT_WORD", rb"\W"),
    )
}
# A line has no LF, so it makes no difference whether one is found at lines' ends or at the text's.
_PLACES = {
    "AT_BEGINNING": r"\A",
    "AT_BEGINNING_STRING": r"\A",
    "AT_END": r"\z",
    "AT_END_STRING": r"\z",
    "AT_BOUNDARY": r"\b",
    "AT_NON_BOUNDARY": r"\B",
}
_NOWHERE = r"[^\x00-\xff]"
_INSIDE_NOTHING = re.search(rb"\B", b"") is not None  # to `re`, from Python 3.14 on, as it always has been to RE2
_BACKTRACKING = {
    "ASSERT": "a look-around, (?=…) or (?<=…)",
    "ASSERT_NOT": "a look-around, (?!…) or (?<!…)",
    "GROUPREF": r"a back-reference, \1 or (?P=…)",
    "GROUPREF_EXISTS": "a conditional, (?(…)…)",
    "ATOMIC_GROUP": "an atomic group, (?>…)",
    "POSSESSIVE_REPEAT": "a possessive repeat, such as *+",
}


class Backtracks(Exception):
    """No linear search can be had: it says which part of the expression is to blame, for a sentence."""


def read(text: bytes) -> re.Pattern[bytes]:
    """As `re.compile`, without a warning of what later versions of Python may read otherwise, such as ``[[]``."""
    with _quiet():
        return re.compile(text)


def search(expression: re.Pattern[bytes]) -> Search:
    """The quickest search for it that does not depend on luck; that of `re` where there is no other."""
    try:
        found: Search = _compiled(expression).search
        if _INSIDE_NOTHING or _PLACES["AT_NON_BOUNDARY"] not in (written := _written(expression)):
            return found
        in_nothing = _re2(written.replace(_PLACES["AT_NON_BOUNDARY"], _NOWHERE)).search(b"") is not None
    except Backtracks:
        return expression.search
    return lambda line: found(line) if line else in_nothing


def backtracks(expression: re.Pattern[bytes]) -> str:
    """What makes it one that only `re` can search for; empty if nothing does."""
    try:
        _compiled(expression)
    except Backtracks as why:
        return str(why)
    return ""


def unbounded(expression: re.Pattern[bytes]) -> str:
    """What makes it unfit for a place where a search must be quick whatever comes; empty if nothing does."""
    if why := backtracks(expression):
        return why
    steps = _compiled(expression).programsize
    return f"its size, of {steps} steps where {STEPS} are the most: a count {{m,n}} repeats what stands before it" if steps > STEPS else ""


@lru_cache(256)
def _compiled(expression: re.Pattern[bytes]) -> Any:
    return _re2(_written(expression))


def _re2(written: str) -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = MEMORY
    options.log_errors = False
    try:
        return re2.compile(written.encode("ascii"), options)
    except re2.error as error:
        raise Backtracks("its size: a count {m,n}, or several within each other, repeats something more than 1000 times") from error


def _written(expression: re.Pattern[bytes]) -> str:
    try:
        with _quiet():
            tree = _PARSER.parse(expression.pattern, expression.flags)
        return _sequence(tree, expression.flags)
    except RecursionError as error:
        raise Backtracks("the depth to which its groups are nested") from error


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Possible ", FutureWarning)
        yield


def _sequence(parts: Iterable[tuple[Any, Any]], flags: int) -> str:
    return "".join(_part(str(op), value, flags) for op, value in parts)


def _part(op: str, value: Any, flags: int) -> str:
    if flags & re.LOCALE:
        raise Backtracks("(?L), for which letters differ from machine to machine")
    match op:
        case "LITERAL":
            return _set({value}, flags)
        case "NOT_LITERAL":
            return _set({value}, flags, but=True)
        case "ANY":
            return _ranges(_BYTES)
        case "IN":
            return _in(value, flags)
        case "AT":
            return _PLACES[str(value)]
        case "BRANCH":
            return f"(?:{'|'.join(_sequence(each, flags) for each in value[1])})"
        case "SUBPATTERN":
            _, added, removed, inner = value
            return f"(?:{_sequence(inner, (flags | added) & ~removed)})"
        case "MAX_REPEAT" | "MIN_REPEAT":
            least, most, inner = value
            return f"(?:{_sequence(inner, flags)}){{{least},{'' if most is _PARSER.MAXREPEAT else most}}}"
    raise Backtracks(_BACKTRACKING.get(op, f"a construct that only `re` knows ({op})"))


def _in(items: Sequence[tuple[Any, Any]], flags: int) -> str:
    found: set[int] = set()
    but = False
    for op, value in items:
        match str(op):
            case "NEGATE":
                but = True
            case "LITERAL":
                found.add(value)
            case "RANGE":
                found.update(range(value[0], value[1] + 1))
            case "CATEGORY":
                found |= _CATEGORIES[str(value)]
    return _set(found, flags, but=but)


def _set(wanted: set[int], flags: int, *, but: bool = False) -> str:
    # Of bytes only ASCII's letters have a case.
    if flags & re.IGNORECASE:
        lowered = {_lower(byte) for byte in wanted}
        wanted = {byte for byte in _BYTES if _lower(byte) in lowered}
    return _ranges(byte for byte in _BYTES if (byte in wanted) != but)


def _lower(byte: int) -> int:
    return byte + 32 if ord("A") <= byte <= ord("Z") else byte


def _ranges(wanted: Iterable[int]) -> str:
    # As few ranges as there can be; one of nothing is written as the complement of everything.
    ranges: list[list[int]] = []
    for byte in wanted:
        if ranges and ranges[-1][1] == byte - 1:
            ranges[-1][1] = byte
        else:
            ranges.append([byte, byte])
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return rf"\x{ranges[0][0]:02x}"
    inside = "".join(rf"\x{first:02x}-\x{last:02x}" for first, last in ranges)
    return f"[{inside}]" if ranges else _NOWHERE
