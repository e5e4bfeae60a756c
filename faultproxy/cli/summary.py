"""How a run went, and how it looks: as text, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from faultproxy.core.run import FaultStats
from faultproxy.core.units import show_size
from faultproxy.net.intercept import AnyProxy
from faultproxy.net.proxy import Snapshot

WIDTH = 140
"""Columns of what is not printed on a terminal."""


@dataclass(frozen=True, slots=True)
class Part:
    """One proxy at the end of the run. `words`: each fault in words, by name."""

    name: str
    snapshot: Snapshot
    faults: Sequence[FaultStats]
    never_fired: Sequence[str]
    words: dict[str, str]

    @staticmethod
    def of(proxy: AnyProxy, words: dict[str, str]) -> Part:
        """The proxy as it stands."""
        never = [stats.name for stats in proxy.run.never_fired()]
        return Part(proxy.name, proxy.snapshot(), tuple(proxy.run.stats), never, words)


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole run; `again` is the command that repeats it."""

    seconds: float
    seed: int
    again: str
    parts: Sequence[Part]

    def json(self) -> dict[str, Any]:
        """For machines: the last line of ``--json``."""
        proxies = []
        for part in self.parts:
            counts = {key: value for key, value in asdict(part.snapshot).items() if key in ("opened", "failed", "c2s", "s2c")}
            faults = [{key: value for key, value in asdict(stats).items() if key != "where"} for stats in part.faults]
            proxies.append({"proxy": part.name, **counts, "faults": faults, "never_fired": list(part.never_fired)})
        return {"event": "summary", "seconds": round(self.seconds, 3), "seed": self.seed, "proxies": proxies, "again": self.again}

    def show(self) -> RenderableType:
        """For people."""
        shown: list[RenderableType] = []
        for part in self.parts:
            shown.append(Text(_counts(part, self.seconds, named=len(self.parts) > 1)))
            if part.faults:
                shown.append(fault_table(part.faults))
            for name in part.never_fired:
                shown.append(Text(f"never fired: {part.words.get(name, name)}", style="yellow"))
        shown.append(Text(f"to repeat it: {self.again}", overflow="fold"))
        return Group(*shown)


def fault_table(faults: Sequence[FaultStats]) -> Table:
    """What each fault has done."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("fault", "kind", "starts", "active", "fired", "last act"):
        table.add_column(heading, justify="right" if heading in ("starts", "active", "fired") else "left", no_wrap=heading != "last act")
    for stats in faults:
        style = "bold red" if stats.where else ""
        table.add_row(
            Text(stats.name), stats.kind, str(stats.starts), str(stats.where or ""), str(stats.fired), Text(stats.last), style=style
        )
    return table


def plain(shown: RenderableType) -> str:
    """As text without colour, each line with its LF."""
    buffer = StringIO()
    Console(file=buffer, width=WIDTH, color_system=None, force_terminal=False).print(shown)
    return "".join(line.rstrip() + "\n" for line in buffer.getvalue().splitlines())


def _counts(part: Part, seconds: float, named: bool) -> str:
    snapshot = part.snapshot
    failed = f" ({snapshot.failed} without upstream)" if snapshot.failed else ""
    plural = "" if snapshot.opened == 1 else "s"
    return (
        f"{part.name + ': ' if named else ''}{seconds:.1f} s, {snapshot.opened} connection{plural}{failed}, "
        f"{show_size(snapshot.c2s)} from clients, {show_size(snapshot.s2c)} from the server"
    )
