"""Regular expressions that a caller sends: those alone with which a search is quick, whatever comes, and no more than are read at once.

While one is searched for nothing else happens. Who runs a file of his own may wait for his own expressions; a caller's are everybody's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from faultproxy.core import linear
from faultproxy.faults import fields
from faultproxy.scenario.variables import references

LONGEST = 256
"""Bytes of one expression."""
ALTOGETHER = 4096
"""Bytes of all that are sent at once: to read one takes some ten microseconds a byte."""
WAY_OUT = "write it without, or look for bytes"


def too_long(sent: object) -> list[str]:
    """Why the expressions anywhere in this document are too much, filled in; to be asked before any of them is read."""
    variables = _variables(sent)
    texts = list(_texts(sent))
    if any(references(variables[name]) for text in texts for name in references(text) if name in variables):
        return ["a regular expression takes in a variable that is made of others, which is refused here: write it out"]
    lengths = [_length(text, variables) for text in texts]
    if max(lengths, default=0) > LONGEST:
        return [f"a regular expression of {max(lengths)} bytes is refused: here one has at most {LONGEST}"]
    if sum(lengths) > ALTOGETHER:
        return [f"regular expressions of {sum(lengths)} bytes in all are refused: here all together have at most {ALTOGETHER}"]
    return []


def slow(part: object) -> Iterator[str]:
    """A line for each expression in a part of a scenario for which a search may take long: ``on_match.c2s: …``."""
    for path, expression in fields.expressions(part):
        if why := linear.unbounded(expression):
            what = f"the regular expression {expression.pattern.decode(errors='backslashreplace')!r} is refused"
            yield f"{'.'.join(path)}: {what}, since a search for it may take long: because of {why}; {WAY_OUT}"


def _length(text: str, variables: Mapping[str, str]) -> int:
    # Counted, and not filled in: with ten thousand references to a long one that would take all memory.
    filled = [name for name in references(text) if name in variables]
    return _size(text) + sum(_size(variables[name]) - len(f"${{{name}}}") for name in filled)


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))


def _variables(sent: object) -> dict[str, str]:
    # Of [vars], and of a [[case]], of which there is one at most.
    if not isinstance(sent, Mapping):
        return {}
    cases = sent.get("case")
    tables = [sent.get("vars"), *(cases if isinstance(cases, list) else [])]
    return {name: value for table in tables if isinstance(table, Mapping) for name, value in table.items() if isinstance(value, str)}


def _texts(sent: object) -> Iterator[str]:
    parts = [sent]  # and not by recursion: how deep a caller's document is, he chooses
    while parts:
        match parts.pop():
            case {"regex": str(text)}:
                yield text
            case Mapping() as table:
                parts += table.values()
            case list() | tuple() as several:
                parts += several
