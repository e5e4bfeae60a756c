"""``python -m bench``: see bench/README.md, or ``python -m bench --help``."""

from __future__ import annotations

import argparse
import json
import resource
import sys
from collections.abc import Sequence

from rich.console import Console

from bench import process, report
from bench.cases import CASES as PLAIN_CASES
from bench.cases import Case
from bench.measure import measure
from bench.packets import CASES as PACKET_CASES
from bench.rivals import DEFAULT_COMMAND, Rival, everybody

CASES: tuple[Case, ...] = (*PLAIN_CASES, *PACKET_CASES)

QUICK = 0.5
"""How much shorter each turn is with --quick."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns 0, or 1 when somebody who took part did not get through; a missed target is no failure."""
    options = _parser().parse_args(arguments)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # for everybody that we start
    rounds = options.rounds or (1 if options.quick else 5)
    console = Console(quiet=options.json, width=None if sys.stdout.isatty() else 120)
    facts = report.machine()
    console.print(
        f"Python {facts['python']}, {facts['system']}, {facts['cores']} cores; {rounds} rounds, medians (least..most)", highlight=False
    )
    results = []
    for case in _chosen_cases(options.only):
        result = measure(case, _chosen_rivals(case, options), rounds, QUICK if options.quick else 1.0, _progress)
        _progress("")
        results.append(result)
        report.show(console, result)
    report.summary(console, results)
    if options.json:
        print(json.dumps(report.as_data(results, rounds), indent=1))
    return 1 if any(result.failed for result in results) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="faultproxy beside its neighbours, on this machine, in one run.")
    add = parser.add_argument
    add("--only", action="append", type=_case, metavar="CASE", help=f"{', '.join(case.name for case in CASES)}; or what several begin with")
    add("--rounds", type=_positive, metavar="N", help="turns of each rival (5, or 1 with --quick)")
    add("--quick", action="store_true", help="one round of half the length: enough to see that all works")
    add("--rivals", type=_names, metavar="A,B", help=f"only these: {','.join(_known())}")
    add("--json", action="store_true", help="print every value as JSON instead of tables")
    add(
        "--command",
        default=DEFAULT_COMMAND,
        metavar="TEXT",
        help="start faultproxy by this command, with {listen}, {upstream}, {listen_port}, {upstream_port} and {fault} filled in",
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"a number from 1 on, not {text!r}")
    return int(text)


def _case(text: str) -> str:
    if not any(_meant(text, case) for case in CASES):
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(case.name for case in CASES)}, and none begins with it")
    return text


def _meant(text: str, case: Case) -> bool:
    return case.name == text or case.name.startswith(f"{text}-")


def _rivals(case: Case, command: str) -> Sequence[Rival]:
    return case.rivals(command) if case.rivals is not None else everybody(command)


def _known() -> list[str]:
    return list(dict.fromkeys(rival.name for case in CASES for rival in _rivals(case, DEFAULT_COMMAND)))


def _names(text: str) -> list[str]:
    known = _known()
    for name in (names := text.split(",")):
        if name not in known:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
    return names


def _chosen_cases(names: list[str] | None) -> list[Case]:
    return [case for case in CASES if names is None or any(_meant(name, case) for name in names)]


def _chosen_rivals(case: Case, options: argparse.Namespace) -> list[Rival]:
    return [rival for rival in _rivals(case, options.command) if options.rivals is None or rival.name in options.rivals]


def _progress(line: str) -> None:
    """Tells what is going on where somebody looks, on one line that is written over; an empty one clears it."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()


if __name__ == "__main__":
    try:
        with process.nothing_left():
            code = main()
    except SystemExit as stopped:
        if isinstance(stopped.code, int) and stopped.code > 128:
            sys.stderr.write("\nstopped; nothing is left running\n")
        raise
    sys.exit(code)
