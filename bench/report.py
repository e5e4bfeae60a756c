"""What was found, for people and for programs."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.cases import SUBJECT, Metric, Target
from bench.measure import Result

BASES = ("direct", "socat", "relay")
"""To whom everybody is compared."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one target was met. `value` is None where there was nothing to compare."""

    case: str
    text: str
    value: float | None
    met: bool | None


def machine() -> dict[str, str | int]:
    """What the numbers were taken on; without it they mean nothing."""
    return {"python": platform.python_version(), "system": f"{platform.system()} {platform.release()}", "cores": os.cpu_count() or 0}


def ratio(result: Result, metric: str, rival: str, base: str) -> float | None:
    """The median of the ratios within each round, which what slows a whole round down does not touch."""
    pairs = zip(result.values(rival, metric), result.values(base, metric), strict=False)
    ratios = [value / other for value, other in pairs if other]
    return median(ratios) if ratios else None


def verdicts(result: Result) -> list[Verdict]:
    """Of every target of the case."""
    return [_verdict(result, target) for target in result.case.targets]


def table(result: Result) -> Table:
    """Medians, with the range over the rounds, and the ratios to `BASES` by the first metric."""
    first = result.case.metrics[0]
    drawn = Table(box=None, header_style="none")
    drawn.add_column("")
    for metric in result.case.metrics:
        drawn.add_column(f"{metric.title or metric.name}, {metric.unit}", justify="right")
    bases = [base for base in BASES if result.values(base, first.name) and result.case.fault is None]
    for base in bases:
        drawn.add_column(f"{first.name} / {base}", justify="right")
    for rival in result.samples:
        cells = [_range(result.values(rival, metric.name)) for metric in result.case.metrics]
        ratios = [ratio(result, first.name, rival, base) for base in bases]
        drawn.add_row(rival, *cells, *("" if each is None else f"{each:.2f}" for each in ratios))
    return drawn


def show(console: Console, result: Result) -> None:
    """Print a case: its table, its targets, and who is not in it."""
    console.print(f"\n[bold]{result.case.title}[/bold]  ({result.case.name})", highlight=False, soft_wrap=True)
    if result.samples:
        console.print(table(result))
    for verdict in verdicts(result):
        console.print(f"  {_word(verdict)}  {verdict.text}", highlight=False, soft_wrap=True)
    for rival, reason in result.skipped.items():
        console.print(f"  skipped {rival}: {reason}", style="dim", highlight=False, markup=False, soft_wrap=True)
    for rival, reason in result.failed.items():
        console.print(f"  FAILED {rival}: {reason}", style="red", highlight=False, markup=False, soft_wrap=True)


def summary(console: Console, results: list[Result]) -> None:
    """Print all targets once more, together."""
    console.print("\n[bold]Targets[/bold]")
    for verdict in (verdict for result in results for verdict in verdicts(result)):
        console.print(f"  {_word(verdict)}  {verdict.case:<16} {verdict.text}", highlight=False, soft_wrap=True)


def as_data(results: list[Result], rounds: int) -> dict[str, object]:
    """The same for programs: every value of every round, and the verdicts."""
    return {
        "machine": machine(),
        "rounds": rounds,
        "cases": [
            {
                "name": result.case.name,
                "title": result.case.title,
                "units": {metric.name: metric.unit for metric in result.case.metrics},
                "values": {
                    rival: {metric.name: result.values(rival, metric.name) for metric in result.case.metrics} for rival in result.samples
                },
                "skipped": result.skipped,
                "failed": result.failed,
                "targets": [{"text": each.text, "value": each.value, "met": each.met} for each in verdicts(result)],
            }
            for result in results
        ],
    }


def _verdict(result: Result, target: Target) -> Verdict:
    metric = next(metric for metric in result.case.metrics if metric.name == target.metric)
    if target.to is None:
        values = result.values(target.of, metric.name)
        value = median(values) if values else None
        unit = f" {metric.unit}"
    else:
        value = ratio(result, metric.name, target.of, target.to)
        unit = f" x {target.to}"
    bound, sign = (target.at_least, ">=") if target.at_least is not None else (target.at_most, "<=")
    assert bound is not None
    met = None if value is None else value >= bound if sign == ">=" else value <= bound
    found = "not measured" if value is None else f"{value:.2f}{unit}"
    who = "" if target.of == SUBJECT else f", {target.of}"
    return Verdict(result.case.name, f"{_title(metric)}{who}: {found} (target {sign} {bound:g}{unit})", value, met)


def _word(verdict: Verdict) -> str:
    return {True: "[green]OK    [/green]", False: "[red]MISSED[/red]", None: "[dim]-     [/dim]"}[verdict.met]


def _title(metric: Metric) -> str:
    return metric.title or metric.name


def _range(values: list[float]) -> str:
    if len(values) == 1:
        return _number(values[0])
    return f"{_number(median(values))} ({_number(min(values))}..{_number(max(values))})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
