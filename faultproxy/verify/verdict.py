"""Puts together how a scenario ended: the worst of all that went wrong, and all that a report can tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from faultproxy.core.run import FaultStats
from faultproxy.faults.base import Fault
from faultproxy.scenario import Scenario
from faultproxy.verify.chronicle import Band, Chronicle
from faultproxy.verify.outcome import FaultReport, Finding, Outcome, Result, worst
from faultproxy.verify.wording import shortened

LINES = 40
"""Lines of journal, sockets and output that a result keeps."""
WIDTH = 110
"""Characters of what was wanted, and of what was got, that stand in a reason, which is told more than once; the finding has all of both."""


@dataclass(slots=True)
class Played:
    """What a play has left behind. `stats` of all proxies, `failures` of the proxy's own legs."""

    scenario: Scenario
    seed: int
    again: str
    seconds: float
    chronicle: Chronicle
    findings: Sequence[Finding]
    stats: Sequence[FaultStats] = ()
    failures: Sequence[str] = ()
    told: Sequence[str] = ()
    sockets: Sequence[str] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    phases: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
    words: Mapping[str, str] = field(default_factory=dict)


def verdict(played: Played, outcome: Outcome, reason: str) -> Result:
    """The result. `outcome` and `reason`: what ended it before its time, or ``"passed"`` and nothing."""
    found: list[tuple[Outcome, str]] = [(outcome, reason)]
    if played.failures:
        found.append(("error", f"the proxy itself has failed: {played.failures[0]}"))
    found += [("failed", _words(each)) for each in played.findings if each.judged == "failed"]
    found += [("inconclusive", f"{each.what}: {each.reason}") for each in played.findings if each.judged == "inconclusive"]
    if outcome == "passed":  # whoever was stopped early had no chance to fire
        found += [("fault_not_fired", f"{fault.name} never acted{_met_nobody(fault, played)}") for fault in _never_fired(played)]
    final = worst(each for each, _ in found)
    reasons = [why for each, why in found if each == final and why]
    return Result(
        scenario=played.scenario.id if played.scenario.path is None else _path(played.scenario),
        title=played.scenario.title,
        outcome=final,
        seconds=played.seconds,
        seed=played.seed,
        again=played.again,
        reason=reasons[0] + (f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else "") if reasons else "",
        covers=played.scenario.covers,
        findings=played.findings,
        faults=_reports(played),
        journal=tuple(played.told)[-LINES:],
        sockets=tuple(played.sockets)[:LINES],
        outputs=played.outputs,
        tracks=played.chronicle.tracks,
        phases=played.phases,
        notes=[*played.notes, *played.chronicle.notes],
        unjudged=_unjudged(played),
    )


def _path(scenario: Scenario) -> str:
    case = scenario.id.partition("[")[2]
    return f"{scenario.path}[{case}" if case else str(scenario.path)


def _words(finding: Finding) -> str:
    if not finding.got:
        return finding.reason or finding.what
    return f"{shortened(finding.wanted or finding.what, WIDTH)}: got {shortened(finding.got, WIDTH)}"


def _never_fired(played: Played, *, excused: bool = False) -> list[Fault]:
    # Those for which that is a fault of the scenario, or those which may.
    fired = {stats.name for stats in played.stats if stats.fired}
    return [fault for fault in played.scenario.faults if fault.name not in fired and fault.may_not_fire == excused]


def _met_nobody(fault: Fault, played: Played) -> str:
    # That there was nobody for it to act on, if so, and why.
    plan = fault.plan()
    if plan.listen is not None or plan.selection.probe is not None or played.chronicle.roles - {"probe"}:
        return ""
    if not played.chronicle.roles:
        return ": nobody has connected"
    probe = played.scenario.probes[0].name if played.scenario.probes else "NAME"
    return f': only probes have connected, and they are spared unless they are named, as in connections = {{probe = "{probe}"}}'


def _unjudged(played: Played) -> dict[str, int]:
    waited_for = Counter((expect.since or "").removeprefix("heal:") for expect in played.scenario.expects)
    return {fault.name: waited_for[fault.name] for fault in _never_fired(played, excused=True) if waited_for[fault.name]}


def _reports(played: Played) -> list[FaultReport]:
    return [_report(fault, played.stats, played.chronicle.bands, played.words.get(fault.name, "")) for fault in played.scenario.faults]


def _report(fault: Fault, stats: Sequence[FaultStats], bands: Sequence[Band], words: str) -> FaultReport:
    mine = [each for each in stats if each.name == fault.name]
    return FaultReport(
        fault.name,
        fault.kind,
        words,
        sum(each.starts for each in mine),
        sum(each.fired for each in mine),
        sum(each.heals for each in mine),
        [(band.start, band.heal, band.label) for band in bands if band.fault == fault.name],
    )
