"""How time, arrows and faults are drawn: what the page of a report and the live page have in common, so that both are of one family."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

LOOK = "look.css"
"""Colours, type, and everything within a diagram."""
SCRIPTS = ("nodes.js", "time.js", "ladder.js", "arrow.js")
"""In the order in which they build upon each other; they share one global scope with the scripts of either page."""


@cache
def text(name: str) -> str:
    """One of the files."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
