"""Why one scenario did not pass, in sections of plain lines: what the terminal and JUnit XML both tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from faultproxy.verify.outcome import FaultReport, Finding, Result
from faultproxy.verify.reports.whole import clean, counted, some
from faultproxy.verify.wording import shortened

GROUPS = 8
"""Expectations that are told; a crowd's are grouped before."""
SOCKETS = 12
JOURNAL = 15
OUTPUT = 20
"""Lines of each that are shown, the last; the page and the JSON document have more."""
WIDTH = 300
"""Characters that are shown of one line of them."""


@dataclass(frozen=True, slots=True)
class Section:
    """`exact` lines are to be copied, or stand in columns: they are not wrapped."""

    heading: str
    lines: Sequence[str]
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Findings of one expectation that ended alike, of one connection after the other."""

    members: Sequence[Finding]

    @property
    def first(self) -> Finding:
        """It stands for all of them."""
        return self.members[0]


def groups(findings: Sequence[Finding]) -> list[Group]:
    """Findings of one expectation and one judgement put together, in order of appearance."""
    found: dict[tuple[int | None, str, str], list[Finding]] = {}
    for each in findings:
        found.setdefault((each.index, each.what, each.judged), []).append(each)
    return [Group(same) for same in found.values()]


def account(result: Result) -> list[Section]:
    """All that helps to understand it; empty sections are left out."""
    told = [group for group in groups(result.findings if result.begun else ()) if group.first.judged in ("failed", "inconclusive")]
    sections = [_expectation(group) for group in told[:GROUPS]]
    if len(told) > GROUPS:
        sections.append(Section("", [f"and {counted(len(told) - GROUPS, 'more expectation')} that did not pass"]))
    if result.outcome not in {group.first.judged for group in told}:
        # What is no expectation's doing stands in no finding.
        sections.insert(0, Section("", clean(result.reason).splitlines()))
    sections += [
        Section("faults", [_fault(fault) for fault in result.faults] if result.begun else []),
        Section("sockets at the end", _last(result.sockets, SOCKETS), exact=True),
        Section("what happened last", _last(result.journal, JOURNAL), exact=True),
        *(Section(f"{clean(name)} wrote", _last(output.splitlines(), OUTPUT), exact=True) for name, output in result.outputs.items()),
        Section("not judged", [clean(line) for line in result.left_open]),
        Section("notes", [line for note in result.notes for line in clean(note).splitlines()]),
        Section("seed", [str(result.seed)]),
        Section("to repeat it", [clean(result.again)], exact=True),
    ]
    return [section for section in sections if section.lines]


def plain(result: Result) -> str:
    """The account as text, as it stands in JUnit XML."""
    lines: list[str] = []
    for section in account(result):
        if section.heading:
            lines.append(f"{section.heading}:")
        lines += [f"  {line}" if section.heading else line for line in section.lines]
    return "\n".join(lines)


def _expectation(group: Group) -> Section:
    finding = group.first
    number = f"expectation {finding.index + 1}" if finding.index is not None else "expected of every run"
    lines = [f"wanted  {finding.wanted or finding.what}"]
    if finding.got:
        lines.append(f"got     {finding.got}")
    if subjects := [each.subject for each in group.members if each.subject]:
        more = f"{len(subjects)} of them: " if len(subjects) > 1 else ""
        lines.append(f"on      {more}{some(subjects)}")
    if finding.since:
        lines.append(f"since   {finding.since}")
    if finding.reason:
        lines.append(f"why     {finding.reason}")
    return Section(f"{number} {'failed' if finding.judged == 'failed' else 'could not be decided'}", [clean(line) for line in lines])


def _fault(fault: FaultReport) -> str:
    # A sentence about a fault begins with its name already.
    acted = f"acted {counted(fault.fired, 'time')}" if fault.fired else "never acted"
    return clean(f"{fault.words or f'{fault.name}: {fault.kind}'} ({counted(fault.starts, 'start')}, {acted})")


def _last(lines: Sequence[str], limit: int) -> list[str]:
    left_out = len(lines) - limit
    shown = [shortened(clean(line), WIDTH) for line in lines[-limit:]]
    return ([f"({counted(left_out, 'line')} left out)"] if left_out > 0 else []) + shown
