"""`faultproxy check`: are these files right?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faultproxy.errors import ScenarioError

if TYPE_CHECKING:
    from faultproxy.scenario import Scenario


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Scenario files, or folders: all *.toml files in and below them.")],
    *,
    json: Annotated[bool, typer.Option("--json", help="A list of objects, one for each file.")] = False,
) -> None:
    """Check scenario files: all mistakes of all files, without running anything.

    Says also what this version cannot run, and what is hardly meant: neither is a mistake. Exit code 2 if there is one.
    """
    results = [_checked(file) for file in files_of(files)]
    if json:
        from json import dumps

        typer.echo(dumps([result.json() for result in results], indent=2, ensure_ascii=False))
    else:
        for result in results:
            for line in result.lines():
                typer.echo(line, err=not result.ok)
    wrong = sum(not result.ok for result in results)
    if wrong:
        if not json and len(results) > 1:
            typer.echo(f"{wrong} of {len(results)} files {'has' if wrong == 1 else 'have'} mistakes", err=True)
        raise typer.Exit(ScenarioError.exit_code)


class _Result:
    """What is to be said of one file."""

    def __init__(self, file: Path, scenarios: tuple[Scenario, ...] = (), mistakes: tuple[str, ...] = ()) -> None:
        self.file = file
        self.scenarios = scenarios
        self.mistakes = mistakes

    @property
    def ok(self) -> bool:
        return not self.mistakes

    def lines(self) -> list[str]:
        if not self.ok:
            return list(self.mistakes)
        said = []
        for scenario in self.scenarios:
            case = scenario.id.partition("[")
            title = f"  {scenario.title}" if scenario.title and scenario.title != scenario.id else ""
            count = len(scenario.faults)
            covers = f", covers {', '.join(scenario.covers)}" if scenario.covers else ""
            said.append(f"OK {self.file}{case[1]}{case[2]}{title} ({count} fault{'' if count == 1 else 's'}{covers})")
            said += [f"   not in this version: {reason}" for reason in scenario.unsupported()]
            said += [f"   remark: {remark}" for remark in scenario.remarks]
        return said

    def json(self) -> dict[str, Any]:
        scenarios = [
            {
                "id": scenario.id,
                "title": scenario.title,
                "covers": list(scenario.covers),
                "faults": [{"name": fault.name, "kind": fault.kind} for fault in scenario.faults],
                "unsupported": list(scenario.unsupported()),
                "remarks": list(scenario.remarks),
            }
            for scenario in self.scenarios
        ]
        return {"file": str(self.file), "ok": self.ok, "mistakes": list(self.mistakes), "scenarios": scenarios}


def _checked(file: Path) -> _Result:
    from faultproxy.scenario import load

    try:
        return _Result(file, load(file))
    except ScenarioError as error:
        return _Result(file, mistakes=error.mistakes)


def files_of(files: list[Path]) -> list[Path]:
    found: list[Path] = []
    for file in files:
        if not file.is_dir():
            found.append(file)
            continue
        inside = sorted(file.rglob("*.toml"))
        if not inside:
            raise ScenarioError(f"{file}: no *.toml file is in this folder or below it")
        found += inside
    return list(dict.fromkeys(found))
