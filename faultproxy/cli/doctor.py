"""`faultproxy doctor`: what works on this machine, and what its kernel has been set to."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from faultproxy.kernel.privileges import Report

PIPED_WIDTH = 200
"""Columns where no terminal says how many there are."""
NARROW = 140
"""With fewer columns, a tunable takes two lines."""

YES = "yes"


@dataclass(frozen=True, slots=True)
class Setting:
    """A tunable as it is here."""

    name: str
    value: str | None
    """None where this process cannot see it: the kernel has no such setting, or shows it outside of network namespaces only."""
    means: str
    settable: str
    """Whether a scenario can set it: ``yes``, or whose it is."""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that the doctor has found."""

    report: Report
    settings: tuple[Setting, ...]
    tables: tuple[str, ...]
    """Other packet rules in this network, which act on the same segments: ``inet firewalld``."""
    lacking: str
    inside: bool

    def json(self) -> dict[str, Any]:
        """For a program."""
        return {
            "planes": {"stream": "here", "connection": "here", "packet": self.report.packets},
            "inside_sandbox": self.inside,
            "lacking": self.lacking,
            "mechanisms": [asdict(each) for each in self.report.mechanisms],
            "sandbox_lacks": self.report.sandbox,
            "other_tables": list(self.tables),
            "settings": [asdict(each) for each in self.settings],
        }


def doctor(
    *,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show what works on this machine, and what its kernel has been set to.

    Each mechanism is tried, for this user and in this network: as root, as somebody else and in a sandbox the answers differ. Nothing is
    changed, and the exit code is 0 whatever is found.
    """
    findings = _examine()
    if json:
        from json import dumps

        typer.echo(dumps(findings.json(), indent=2, ensure_ascii=False))
        return
    import os

    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH
    _show(findings, Console(highlight=False, markup=False, width=width))


def _examine() -> Findings:
    from faultproxy.kernel import nftables, privileges, sandbox

    report = privileges.probe()
    return Findings(report, tuple(_settings(sandbox.inside())), tuple(nftables.others()), privileges.lacking(), sandbox.inside())


def _settings(inside: bool) -> list[Setting]:
    from faultproxy.cli.tunables import CONSULTED, OPEN_FILES, TUNABLES, meaning
    from faultproxy.kernel import sysctl

    values = {name: value for name in CONSULTED if (value := sysctl.read(name)) is not None}
    if (files := _open_files()) is not None:
        values[OPEN_FILES] = files
    return [
        Setting(each.name, values.get(each.name), _means(meaning(each, values), values.get(each.name), inside), _settable(each.name))
        for each in TUNABLES
    ]


def _open_files() -> str | None:
    try:
        import resource
    except ImportError:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return f"{soft} (hard {'unlimited' if hard == resource.RLIM_INFINITY else hard})"


def _means(words: str, value: str | None, inside: bool) -> str:
    if value is None:
        return "belongs to the host, and is not shown in a sandbox" if inside else "this kernel has no such setting, or does not show it"
    return words


def _settable(name: str) -> str:
    from faultproxy.cli.tunables import OPEN_FILES
    from faultproxy.scenario.sandbox import SYSCTLS

    if name in SYSCTLS:
        return YES
    return "set by ulimit -n" if name == OPEN_FILES else "the host's"


def _show(findings: Findings, console: Console) -> None:
    from rich.text import Text

    report = findings.report
    console.print(Text("What works" + (", in this sandbox" if findings.inside else ""), style="bold"))
    console.print(_mechanisms(report))
    console.print()
    console.print(Text("What faults can be run", style="bold"))
    console.print(_planes(report))
    for paragraph in filter(None, (findings.lacking, _others(findings.tables))):
        console.print()
        console.print(paragraph, soft_wrap=True)
    console.print()
    console.print(Text("What the kernel has been set to, and what that means here", style="bold"))
    console.print(_tunables(findings.settings, narrow=console.width < NARROW))
    console.print(
        Text("A scenario sets them under [sandbox.sysctl], `faultproxy sandbox` with --sysctl; not those of the host.", style="dim")
    )


def _others(tables: tuple[str, ...]) -> str:
    if not tables:
        return ""
    return (
        f"Other packet rules are in this network: {', '.join(tables)}.\n"
        "What they drop, faultproxy may never see, and what it sends, they may drop. In a sandbox there are none."
    )


def _table(wide: int = 0) -> Table:
    """Columns that keep their words together, but for the last, after so many."""
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for _ in range(wide):
        table.add_column(no_wrap=True)
    table.add_column()
    return table


def _mechanisms(report: Report) -> Table:
    from rich.text import Text

    table = _table(2)
    for each in report.mechanisms:
        answer = Text("yes", style="green") if each.works else Text("no", style="red")
        table.add_row(f"  {each.name}", answer, each.told if each.works else each.why_not)
    return table


def _planes(report: Report) -> Table:
    where = {
        "here": "yes, here",
        "sandbox": "in a sandbox: faultproxy sandbox -- COMMAND, or [sandbox] in the file",
        "not": "not on this machine as it is, for this user; in a sandbox neither",
    }
    table = _table(1)
    table.add_row("  stream", "yes, here: it needs nothing")
    table.add_row("  connection", "yes, here: it needs nothing")
    table.add_row("  packet", where[report.packets])
    return table


def _tunables(settings: tuple[Setting, ...], *, narrow: bool) -> Table:
    """Three columns, or two lines each where there is no room."""
    from rich.padding import Padding
    from rich.text import Text

    table = _table(0 if narrow else 2)
    for each in settings:
        value = each.value if each.value is not None else "-"
        means = Text(each.means, style="" if each.value is not None else "dim")
        if each.settable != YES:
            means.append(f" ({each.settable})", style="dim")
        if narrow:
            table.add_row(f"  {each.name}  {value}")
            table.add_row(Padding(means, (0, 0, 0, 6)))
        else:
            table.add_row(f"  {each.name}", value, means)
    return table
