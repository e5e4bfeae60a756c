"""`faultproxy test`: scenario files as tests."""

from __future__ import annotations

import secrets
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faultproxy.errors import CapabilityError, FaultproxyError, Mistake, ScenarioError

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
    not be decided; 4 if packets may not be touched here (`faultproxy doctor`); 70 if faultproxy itself has made a mistake.
    """
    from faultproxy.cli.run import variables
    from faultproxy.verify.outcome import exit_code
    from faultproxy.verify.pool import Pool

    wanted = _wanted(junit=junit, html=report, json=json)
    scenarios, not_played = _scenarios(paths, variables(var or []), case)
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
    if not_played:
        progress.remark(f"not played: {not_played}")

    def done(task: Task, result: Result) -> bool:
        progress.done(result)
        return not (fail_fast and result.outcome in ("error", "failed", "fault_not_fired"))

    began = time.monotonic()
    pool = Pool(tasks, jobs, progress=progress.moves, done=done)
    try:
        pool.run()
    finally:  # what has been played is told also where a signal has ended it
        seconds = time.monotonic() - began
        try:
            progress.summary(pool.results, seconds)
        finally:  # and written also where nobody reads what is printed
            _write(wanted, pool.results, seconds, seed)
    sys.exit(exit_code(pool.results, lacking=any(result.lacking for result in pool.results)))


def _wanted(**paths: Path | None) -> dict[str, Path]:
    """The reports that are asked for. Raises ScenarioError where one cannot be written: better now than when all has been played."""
    wanted = {name: path for name, path in paths.items() if path is not None}
    for path in wanted.values():
        if not path.parent.is_dir():
            raise ScenarioError(f"{path} cannot be written: there is no folder {path.parent}")
    return wanted


def _scenarios(paths: list[Path], variables: dict[str, str], case: str | None) -> tuple[list[Scenario], str]:
    """What is to be played, and, in words, which files of a folder are not, because there is nothing to play in them."""
    from faultproxy.cli.check import files_of
    from faultproxy.scenario import load

    found: list[Scenario] = []
    empty: list[Path] = []
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
                empty.append(path)
                continue
            mistakes += [f"{scenario.path}: {lacking}" for lacking in scenario.lacking_for_test()]
            found.append(scenario)
    if mistakes:
        raise ScenarioError(*mistakes)
    included = {file.resolve() for scenario in found for file in scenario.included}
    parts = list(dict.fromkeys(str(path) for path in empty if path.resolve() in included))
    others = list(dict.fromkeys(str(path) for path in empty if path.resolve() not in included))
    said = [f"{', '.join(parts)}, which others include"] * bool(parts) + [f"{', '.join(others)}: no fault, nothing expected"] * bool(others)
    return found, "; ".join(said)


def _task(scenario: Scenario, seed: int, options: list[str], *, server: str | None, client: str | None, upstream: str | None) -> Task:
    # All that playing needs is imported here, before the pool forks: once, and not in each scenario's process.
    import trio

    from faultproxy.cli.words import sentence
    from faultproxy.verify.cast import Settings
    from faultproxy.verify.ground import settle
    from faultproxy.verify.outcome import Result
    from faultproxy.verify.play import Play
    from faultproxy.verify.pool import Task

    settings = Settings(scenario, seed, "", upstream, server, client)
    if settings.has_client:
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
        return trio.run(Play(replace(settings, again=again, words=words), say).run)

    def failed(reason: str, seconds: float, mistake: bool) -> Result:
        return Result(name, scenario.title, "error", seconds, seed, again, reason=reason, mistake=mistake)

    return Task(name, scenario.timeout, play, failed)


def _write(paths: dict[str, Path], results: list[Result], seconds: float, seed: int) -> None:
    from datetime import UTC, datetime, timedelta

    from faultproxy.verify import reports

    began = datetime.now(UTC) - timedelta(seconds=seconds)

    make = {"junit": reports.junit, "html": reports.html, "json": reports.json}
    failed: FaultproxyError | None = None
    for name, path in paths.items():
        try:
            path.write_text(make[name](results, seconds=seconds, seed=seed, command=shlex.join(sys.argv), began=began), encoding="utf-8")
        except OSError as error:
            failed = failed or ScenarioError(f"{path} cannot be written ({error.strerror})")
        except Exception as error:  # the others are written all the same
            failed = failed or _caused(Mistake(error, f"writing {path}"), error)
    if failed is not None:
        raise failed


def _caused(mistake: Mistake, error: Exception) -> Mistake:
    mistake.__cause__ = error  # FAULTPROXY_DEBUG shows where it happened
    return mistake


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

    def remark(self, line: str) -> None:
        """Something to know beforehand."""
        self._console.print(line, markup=False, soft_wrap=True)

    def moves(self, task: Task, where: str) -> None:
        """A scenario has come to another phase."""
        self._standing[task.name] = where
        if self._status is not None:
            playing = ", ".join(f"{Path(name).name}: {phase}" for name, phase in list(self._standing.items())[-4:])
            self._status.update(f"{self._count} of {self._total}  {playing}")

    def done(self, result: Result) -> None:
        """A scenario has ended."""
        from faultproxy.verify import reports

        self._count += 1
        self._standing.pop(result.scenario, None)
        style = {"passed": "green", "skipped": "yellow", "inconclusive": "yellow"}.get(result.outcome, "bold red")
        self._console.print(f"[{style}]{result.outcome.upper().replace('_', ' '):12}[/]", end=" ")
        line = f"{result.scenario}  {result.seconds:.1f} s"
        self._console.print(line, markup=False, soft_wrap=True)
        told_below = self._total == 1 and result.outcome != "skipped"  # in the summary, which follows at once
        if result.reason and not told_below:
            self._console.print(f"             {reports.brief(result)}", markup=False, soft_wrap=True)
        for line in result.left_open if self._total > 1 else ():
            self._console.print(f"             {line}", markup=False, soft_wrap=True)

    def summary(self, results: list[Result], seconds: float) -> None:
        """The end."""
        from faultproxy.verify import reports

        if self._status is not None:
            self._status.stop()
        self._console.print(reports.text(results, seconds=seconds), soft_wrap=True)
