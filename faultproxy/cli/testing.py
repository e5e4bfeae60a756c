"""`faultproxy test`: scenario files as tests."""

from __future__ import annotations

import secrets
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faultproxy.errors import CapabilityError, ScenarioError

if TYPE_CHECKING:
    from faultproxy.scenario import Scenario
    from faultproxy.verify.outcome import Result
    from faultproxy.verify.pool import Say, Task


def testing(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Scenario files, and folders of them.")],
    *,
    server: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="The server, in place of the file's, which is ${server} in it; ${server_port} is its port."),
    ] = None,
    client: Annotated[str | None, typer.Option(metavar="COMMAND", help="The program under test, in place of the file's.")] = None,
    upstream: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="A server that runs already.")] = None,
    case: Annotated[str | None, typer.Option(metavar="NAME", help="Only this [[case]] of the files.")] = None,
    var: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Sets a ${NAME} of the files.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", metavar="NUMBER", min=1, help="How many at once.")] = 1,
    repeat: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Each so many times, with one seed after the other.")] = 1,
    seed: Annotated[int | None, typer.Option(metavar="NUMBER", help="Repeats another run's choices. Default: drawn, and printed.")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Writes JUnit XML.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Writes a page with a diagram of each connection.")] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Writes everything as JSON.")] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", "-x", help="Begins no other after the first that fails.")] = False,
) -> None:
    """Play scenarios as tests: all well first, then the faults, then healing and recovery.

    Exit code 0 if all passed; 1 if something failed, or a fault never acted; 2 if a file or the command line is wrong; 3 if something could
    not be decided; 4 if packets may not be touched here (`faultproxy doctor`).
    """
    from faultproxy.cli.run import variables
    from faultproxy.verify.outcome import exit_code
    from faultproxy.verify.pool import Pool

    scenarios = _scenarios(paths, variables(var or []), case)
    seed = secrets.randbits(32) if seed is None else seed
    given = {"--server": server, "--client": client, "--upstream": upstream}
    options = [word for name, value in given.items() if value is not None for word in (name, value)]
    options += [word for each in var or [] for word in ("--var", each)]
    tasks = [
        _task(scenario, seed + number, options, server=server, client=client, upstream=upstream)
        for number in range(repeat)
        for scenario in scenarios
    ]
    progress = _Progress(len(tasks), seed)

    def done(task: Task, result: Result) -> bool:
        progress.done(result)
        return not (fail_fast and result.outcome in ("error", "failed", "fault_not_fired"))

    began = time.monotonic()
    results = Pool(tasks, jobs, progress=progress.moves, done=done).run()
    _write({"junit": junit, "html": report, "json": json}, results, time.monotonic() - began, seed)
    progress.summary(results, time.monotonic() - began)
    sys.exit(exit_code(results, lacking=any(result.lacking for result in results)))


def _scenarios(paths: list[Path], variables: dict[str, str], case: str | None) -> list[Scenario]:
    from faultproxy.cli.check import files_of
    from faultproxy.scenario import load

    found: list[Scenario] = []
    mistakes: list[str] = []
    for path in files_of(paths):
        named = path in paths
        try:
            loaded = load(path, variables=variables, case=case)
        except ScenarioError as error:
            mistakes += error.mistakes
            continue
        for scenario in loaded:
            if not named and not (scenario.expects or scenario.faults or scenario.client):
                continue  # what others include
            mistakes += [f"{scenario.path}: {lacking}" for lacking in scenario.lacking_for_test()]
            found.append(scenario)
    if mistakes:
        raise ScenarioError(*mistakes)
    return found


def _task(scenario: Scenario, seed: int, options: list[str], *, server: str | None, client: str | None, upstream: str | None) -> Task:
    # All that playing needs is imported here, before the pool forks: once, and not in each scenario's process.
    import trio

    from faultproxy.cli.words import sentence
    from faultproxy.verify.cast import Settings
    from faultproxy.verify.ground import settle
    from faultproxy.verify.outcome import Result
    from faultproxy.verify.play import Play
    from faultproxy.verify.pool import Task

    if scenario.client is not None or client is not None:
        from faultproxy.verify.remote import load

        load()
    name = f"{scenario.path}" + (f"[{scenario.id.partition('[')[2]}" if "[" in scenario.id else "")
    case = scenario.id.partition("[")[2].removesuffix("]")
    again = shlex.join(["faultproxy", "test", str(scenario.path), *(["--case", case] if case else []), *options, "--seed", str(seed)])

    def play(say: Say) -> Result:
        if unsupported := scenario.unsupported():
            return Result(name, scenario.title, "skipped", 0.0, seed, again, reason=unsupported[0], lacking=True)
        try:
            settle(scenario, upstream=upstream)
        except CapabilityError as error:
            return Result(name, scenario.title, "skipped", 0.0, seed, again, reason=str(error), lacking=True)
        words = {fault.name: sentence(fault) for fault in scenario.faults}
        return trio.run(Play(Settings(scenario, seed, again, upstream, server, client, words), say).run)

    def failed(reason: str, seconds: float) -> Result:
        return Result(name, scenario.title, "error", seconds, seed, again, reason=reason)

    return Task(name, scenario.timeout, play, failed)


def _write(paths: dict[str, Path | None], results: list[Result], seconds: float, seed: int) -> None:
    from datetime import UTC, datetime, timedelta

    from faultproxy.verify import reports

    began = datetime.now(UTC) - timedelta(seconds=seconds)

    make = {"junit": reports.junit, "html": reports.html, "json": reports.json}
    for name, path in paths.items():
        if path is None:
            continue
        try:
            path.write_text(make[name](results, seconds=seconds, seed=seed, command=shlex.join(sys.argv), began=began), encoding="utf-8")
        except OSError as error:
            raise ScenarioError(f"{path}: cannot be written ({error.strerror})") from error


class _Progress:
    """Tells how it goes: a line for each scenario, and on a terminal where those stand that are being played."""

    def __init__(self, total: int, seed: int) -> None:
        from rich.console import Console

        self._console = Console(highlight=False)
        self._total = total
        self._count = 0
        self._standing: dict[str, str] = {}
        self._status = self._console.status("") if self._console.is_terminal else None
        self._console.print(f"seed {seed}", markup=False)
        if self._status is not None:
            self._status.start()

    def moves(self, task: Task, where: str) -> None:
        """A scenario has come to another phase."""
        self._standing[task.name] = where
        if self._status is not None:
            playing = ", ".join(f"{Path(name).name}: {phase}" for name, phase in list(self._standing.items())[-4:])
            self._status.update(f"{self._count} of {self._total}  {playing}")

    def done(self, result: Result) -> None:
        """A scenario has ended."""
        self._count += 1
        self._standing.pop(result.scenario, None)
        style = {"passed": "green", "skipped": "yellow", "inconclusive": "yellow"}.get(result.outcome, "bold red")
        self._console.print(f"[{style}]{result.outcome.upper().replace('_', ' '):12}[/]", end=" ")
        line = f"{result.scenario}  {result.seconds:.1f} s"
        self._console.print(line, markup=False, soft_wrap=True)
        told_below = self._total == 1 and result.outcome != "skipped"  # in the summary, which follows at once
        if result.reason and not told_below:
            self._console.print(f"             {result.reason.splitlines()[0]}", markup=False, soft_wrap=True)
        for line in result.left_open if self._total > 1 else ():
            self._console.print(f"             {line}", markup=False, soft_wrap=True)

    def summary(self, results: list[Result], seconds: float) -> None:
        """The end."""
        from faultproxy.verify import reports

        if self._status is not None:
            self._status.stop()
        self._console.print(reports.text(results, seconds=seconds), soft_wrap=True)
