"""Regular expressions that a caller sends: those alone with which a search is quick, whatever comes, and no more than are read at once.

While one is searched for nothing else happens. Who runs a file of his own may wait for his own expressions; a caller's are everybody's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from faultproxy.core import linear
from faultproxy.faults import fields

LONGEST = 256
"""Bytes of one expression."""
ALTOGETHER = 4096
"""Bytes of all that are sent at once: to read one takes some ten microseconds a byte."""
WAY_OUT = "write it without, or look for bytes"


def too_long(sent: object) -> list[str]:
    """Why the expressions anywhere in this document are too much; to be asked before any of them is read."""
    lengths = [len(text.encode(errors="replace")) for text in _texts(sent)]
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
