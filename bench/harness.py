"""``python -m bench.harness``: what `faultproxy test` costs beside the waiting that its scenarios ask for.

It has no rivals, and its own figures are wanted as they are: so each is the least of all rounds, which is what the machine can do when
nobody else is about, and the most stands beside it.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import process, report

ROUNDS = 5
WAITING = 0.5
"""Seconds that the trivial scenario waits by itself."""
MORE = 10
"""Repetitions by which one call has more than the other, to tell a scenario's cost from the program's."""
MANY, SECOND, JOBS = 100, 1.0, 8
WITHIN = 120.0

SCENARIO = """
title = "trivial"
duration = "{waiting}s"
[proxy]
listen = "127.0.0.1:0"
[[crowd]]
name = "one"
count = 1
send = "hello\\n"
reply = "hello\\n"
every = "50ms"
[[fault]]
kind = "latency"
delay = "5ms"
[[expect]]
what = "crowd.one.failures"
is = 0
throughout = "{looking}s"
since = "start"
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that is measured: `take` returns its value and the CPU time that it took, both in `unit`, which is so many a second."""

    name: str
    unit: str
    per_second: float
    target: float | None
    take: Callable[[Path, int], tuple[float, float]]


def _call(folder: Path, *arguments: object) -> tuple[float, float]:
    """Seconds that a call of the program takes, and its CPU time with all that it has started."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process.output(process.python("faultproxy", *arguments), WITHIN, folder / "log")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _play(folder: Path, port: int, waiting: float, *arguments: object) -> tuple[float, float]:
    scenario = folder / "trivial.toml"
    scenario.write_text(SCENARIO.format(waiting=waiting, looking=waiting * 0.6), encoding="utf-8")
    return _call(folder, "test", scenario, "--upstream", f"127.0.0.1:{port}", *arguments)


def _help(folder: Path, port: int) -> tuple[float, float]:
    return _call(folder, "--help")


def _alone(folder: Path, port: int) -> tuple[float, float]:
    wall, cpu = _play(folder, port, WAITING)
    return wall - WAITING, cpu


def _further(folder: Path, port: int) -> tuple[float, float]:
    one, all_ = _play(folder, port, WAITING), _play(folder, port, WAITING, "--repeat", 1 + MORE)
    return (all_[0] - one[0]) / MORE - WAITING, (all_[1] - one[1]) / MORE


def _many(folder: Path, port: int) -> tuple[float, float]:
    return _play(folder, port, SECOND, "--repeat", MANY, "--jobs", JOBS)


FIGURES = (
    Figure("help", "ms", 1000, 250, _help),
    Figure("call with one scenario, over its waiting", "ms", 1000, None, _alone),
    Figure("each further scenario, over its waiting", "ms", 1000, 150, _further),
    Figure(f"{MANY} scenarios of {SECOND:g} s, {JOBS} jobs", "s", 1, 20, _many),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0, or 1 where a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.harness", description="The cost of `faultproxy test`.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=f"the least of so many ({ROUNDS})")
    parser.add_argument("--only", default="", metavar="TEXT", help="what contains this, of: " + "; ".join(each.name for each in FIGURES))
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 120)
    facts = report.machine()
    console.print(f"Python {facts['python']}, {facts['system']}, {facts['cores']} cores; the least of {options.rounds} rounds (most)")
    drawn = Table(box=None, header_style="none")
    for heading in ("", "took", "CPU", "target", ""):
        drawn.add_column(heading, justify="left" if not heading else "right")
    missed = False
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), process.free_port()
        with process.server(process.python("bench.load.echo", port), port, folder / "echo"):
            for figure in FIGURES:
                if options.only not in figure.name:
                    continue
                taken = [figure.take(folder, port) for _ in range(max(options.rounds, 1))]
                met = figure.target is None or min(taken)[0] * figure.per_second <= figure.target
                missed = missed or not met
                drawn.add_row(*_row(figure, taken), "" if figure.target is None else "met" if met else "missed")
    console.print(drawn)
    return int(missed)


def _row(figure: Figure, taken: Sequence[tuple[float, float]]) -> list[str]:
    walls, cpus = ([value * figure.per_second for value in column] for column in zip(*taken, strict=True))
    digits = 0 if figure.unit == "ms" else 1
    target = "" if figure.target is None else f"<= {figure.target:g} {figure.unit}"
    return [
        figure.name,
        f"{min(walls):.{digits}f} {figure.unit} ({max(walls):.{digits}f})",
        f"{min(cpus):.{digits}f} {figure.unit}",
        target,
    ]


if __name__ == "__main__":
    with process.nothing_left():
        code = main()
    sys.exit(code)
