"""The text with which `faultproxy test` ends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from faultproxy.verify.outcome import Outcome, Result
from faultproxy.verify.reports.account import Section, account
from faultproxy.verify.reports.whole import BAD, Whole, brief, clean, counted, said, totals_line

STYLES: dict[Outcome, str] = {
    "error": "bold red",
    "failed": "bold red",
    "fault_not_fired": "bold magenta",
    "inconclusive": "yellow",
    "skipped": "yellow",
    "passed": "green",
}
LISTED = 40
"""Scenarios up to which all stand in the table; of more, those that passed are only counted."""
TOLD = 10
"""Scenarios of which everything is told; of all others the table tells the reason."""
_NUMBER = re.compile(r"\d+")
LEAST = 40
"""Columns below which nothing is wrapped: a window so narrow is no window, or nobody's reading matter."""


@dataclass(frozen=True, slots=True)
class LastWords:
    """Renders itself for the console that it is printed on."""

    results: Sequence[Result]
    seconds: float

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        page = _Page(console, options)
        told = [result for result in self.results if result.outcome in BAD or result.outcome == "inconclusive"]
        before: dict[object, Result] = {}
        for result in told[:TOLD]:
            first = before.setdefault(_beginning(result), result)
            yield from page.scenario(result) if first is result else page.as_before(result, first)
        if len(told) > TOLD:
            yield Text(f"({counted(len(told) - TOLD, 'more scenario')} did not pass either: a report tells all of it)\n")
        if len(self.results) > 1:
            yield from page.table(self.results)
        elif not told:
            yield from (Text(clean(line)) for result in self.results for line in result.left_open)
        whole = Whole(self.results, self.seconds, 0)
        yield Text(totals_line(whole), style=STYLES[whole.outcome])
        seeds = sorted({result.seed for result in self.results})
        if whole.outcome != "passed":
            yield Text(f"seed {seeds[0]}" + (f" to {seeds[-1]}" if len(seeds) > 1 else ""))


def _beginning(result: Result) -> object:
    """What two have in common that ended alike before anything was done, such as with a server that does not start: but for the port."""
    return id(result) if result.begun else (result.outcome, *(_NUMBER.sub("", text) for text in (result.reason, *result.outputs.values())))


@dataclass(frozen=True, slots=True)
class _Page:
    console: Console
    options: ConsoleOptions

    def scenario(self, result: Result) -> Iterator[Text]:
        """Everything about one that did not pass."""
        yield from self._head(result)
        for section in account(result):
            yield from self._section(section)
        yield Text("")

    def as_before(self, result: Result, first: Result) -> Iterator[Text]:
        """One that ended as another did, of which everything is told already."""
        yield from self._head(result)
        yield from self._wrapped("    ", f"as {clean(first.scenario)}: {brief(result)}", "")
        yield Text("")

    def _head(self, result: Result) -> Iterator[Text]:
        head = Text(said(result.outcome).upper(), style=STYLES[result.outcome])
        yield head.append(f"  {clean(result.scenario)}", style="bold").append(f"  {result.seconds:.1f} s", style="not bold dim")
        if result.title:
            yield from self._wrapped("  ", clean(result.title), "italic")

    def table(self, results: Sequence[Result]) -> Iterator[Text]:
        """Outcome, time and scenario of each, and the reason where there is one."""
        listed = [result for result in results if len(results) <= LISTED or result.outcome != "passed" or result.unjudged]
        width = max((len(said(result.outcome)) for result in listed), default=0)
        for result in listed:
            line = Text(f"{said(result.outcome):{width}}", style=STYLES[result.outcome])
            yield line.append(f" {result.seconds:7.1f} s  {clean(result.scenario)}", style="default not bold")
            if result.reason:
                yield from self._wrapped(" " * (width + 12), brief(result), "dim")
            for open_one in result.left_open:
                yield from self._wrapped(" " * (width + 12), clean(open_one), "dim")
        if len(listed) < len(results):
            yield Text(f"and {counted(len(results) - len(listed), 'scenario')} that passed", style="green")
        yield Text("")

    def _section(self, section: Section) -> Iterator[Text]:
        if section.heading:
            yield Text(f"  {section.heading}", style="bold")
        for line in section.lines:
            if section.exact:
                yield Text(f"    {line}")
            else:
                yield from self._wrapped("    ", line, "")

    def _wrapped(self, indent: str, line: str, style: str) -> Iterator[Text]:
        # On a terminal a long line goes on below its own beginning; in a pipe it stays one line.
        room = self.options.max_width - len(indent)
        if room < LEAST or (self.options.no_wrap and not self.console.is_terminal):
            yield Text(indent + line, style=style)
            return
        for part in Text(line, style=style).wrap(self.console, room, overflow="fold", no_wrap=False):
            part.rstrip()
            yield Text(indent).append_text(part)
