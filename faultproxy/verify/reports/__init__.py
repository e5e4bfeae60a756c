"""What `faultproxy test` hands out: JUnit XML for build servers, JSON for machines, a page to look at, and the text at the end. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import RenderableType

from faultproxy.verify.outcome import Result
from faultproxy.verify.reports import html_page, json_document, junit_xml, last_words
from faultproxy.verify.reports.whole import Whole, brief

__all__ = ["brief", "html", "json", "junit", "text"]


def junit(results: Sequence[Result], *, seconds: float, seed: int, command: str = "", began: datetime | None = None) -> str:
    """JUnit XML as GitHub, GitLab and Jenkins read it. `seconds`: of all together; `command`: what was typed."""
    return junit_xml.write(Whole(results, seconds, seed, command, began))


def json(results: Sequence[Result], *, seconds: float, seed: int, command: str = "", began: datetime | None = None) -> str:
    """One JSON document with everything that is known."""
    return json_document.write(Whole(results, seconds, seed, command, began))


def html(results: Sequence[Result], *, seconds: float, seed: int, command: str = "", began: datetime | None = None) -> str:
    """One page that needs nothing else, with a ladder diagram of each connection."""
    return html_page.write(Whole(results, seconds, seed, command, began))


def text(results: Sequence[Result], *, seconds: float) -> RenderableType:
    """The last words in a terminal: what failed and why, how to repeat it, and the totals.

    To be printed with ``soft_wrap=True``: what has to be copied is then not broken into lines, and nothing is when it goes into a pipe.
    """
    return last_words.LastWords(results, seconds)
