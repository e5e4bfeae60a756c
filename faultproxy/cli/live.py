"""The live table of `run`: connections, bytes, faults, redrawn a few times a second by a thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial

import trio
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from faultproxy.cli.summary import Summary, fault_table
from faultproxy.cli.voice import Voice
from faultproxy.core.units import show_size
from faultproxy.net.intercept import AnyProxy
from faultproxy.net.proxy import Row, Snapshot

REDRAWN = 0.25
"""Seconds between two pictures: often enough to see a change, seldom enough to cost nothing."""
ROWS = 15
MESSAGES = 5


class Rates:
    """Bytes a second of each connection and of all, from one picture to the next."""

    def __init__(self) -> None:
        self._time = 0.0
        self._seen: dict[int, tuple[int, int]] = {}
        self._now: dict[int, tuple[float, float]] = {}

    def update(self, snapshot: Snapshot, now: float) -> None:
        """A new picture."""
        passed = now - self._time
        seen = {row.ordinal: (row.c2s, row.s2c) for row in snapshot.rows} | {0: (snapshot.c2s, snapshot.s2c)}
        self._now = {}
        for ordinal, (c2s, s2c) in seen.items():
            before = self._seen.get(ordinal, (0, 0) if self._seen else (c2s, s2c))
            self._now[ordinal] = (max(0.0, (c2s - before[0]) / passed), max(0.0, (s2c - before[1]) / passed)) if passed > 0 else (0.0, 0.0)
        self._seen, self._time = seen, now

    def of(self, ordinal: int) -> tuple[float, float]:
        """Client to server, server to client; ordinal 0: all connections together."""
        return self._now.get(ordinal, (0.0, 0.0))


def chosen(rows: Sequence[Row], rates: Rates, count: int = ROWS) -> list[Row]:
    """The rows to show: the busiest, then those with active faults, then the newest; in the order in which they were opened."""
    ranked = sorted(rows, key=lambda row: (sum(rates.of(row.ordinal)), len(row.active), row.ordinal), reverse=True)
    return sorted(ranked[:count], key=lambda row: row.ordinal)


def picture(proxy: AnyProxy, snapshot: Snapshot, rates: Rates, seconds: float) -> RenderableType:
    """One proxy, as it stands."""
    up, down = rates.of(0)
    head = Text.assemble(
        (proxy.name, "bold"),
        f"  {proxy.address} {snapshot.listening}  {seconds:.1f} s  ",
        f"{snapshot.open} open, {snapshot.opened} opened{f', {snapshot.failed} without upstream' if snapshot.failed else ''}  ",
        f"→ {_size_and_rate(snapshot.c2s, up)}  ← {_size_and_rate(snapshot.s2c, down)}",
        f"  held {show_size(snapshot.held)}" if snapshot.held else "",
    )
    shown: list[RenderableType] = [head]
    rows = chosen(snapshot.rows, rates)
    if rows:
        shown.append(_connections(rows, rates, seconds))
    if snapshot.open > len(rows):
        shown.append(Text(f"… and {snapshot.open - len(rows)} more", style="dim"))
    if proxy.run.stats:
        shown += [Text(), fault_table(proxy.run.stats)]
    return Group(*shown)


def _connections(rows: Sequence[Row], rates: Rates, seconds: float) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("#", "client", "age", "phase", "→ server", "", "← server", "", "held", "active faults"):
        right = heading in ("#", "age", "→ server", "", "← server", "held")
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for row in rows:
        up, down = rates.of(row.ordinal)
        table.add_row(
            str(row.ordinal),
            row.peer,
            f"{seconds - row.opened:.0f} s",
            row.phase,
            show_size(row.c2s),
            _rate(up),
            show_size(row.s2c),
            _rate(down),
            show_size(row.held) if row.held else "",
            Text(", ".join(row.active)),
            style="red" if row.active else "",
        )
    return table


def _size_and_rate(size: int, bytes_per_second: float) -> str:
    rate = _rate(bytes_per_second)
    return f"{show_size(size)} ({rate})" if rate else show_size(size)


def _rate(bytes_per_second: float) -> str:
    return f"{show_size(bytes_per_second)}/s" if bytes_per_second >= 1 else ""


class Screen(Voice):
    """Draws on a terminal. The last messages stand below the table."""

    def __init__(self) -> None:
        self._console = Console()
        self._messages: deque[str] = deque(maxlen=MESSAGES)

    def say(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)

    def notify(self, message: str) -> None:
        self._messages.append(message)

    async def serve(self, proxies: Sequence[AnyProxy]) -> None:
        """Draws until cancelled, then takes the table away."""
        rates: dict[AnyProxy, Rates] = {}
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while True:
                if not proxies:  # the server is not ready yet
                    await trio.sleep(REDRAWN)
                    continue
                parts: list[RenderableType] = [Text()]
                for proxy in proxies:
                    rate = rates.setdefault(proxy, Rates())
                    snapshot, now = proxy.snapshot(), trio.current_time()
                    rate.update(snapshot, now)
                    parts.append(picture(proxy, snapshot, rate, now - proxy.run.clock_start))
                parts += [Text(message, style="yellow") for message in self._messages]
                parts.append(Text("Ctrl-C ends the run", style="dim"))
                # A terminal can be stopped (Ctrl-S): that must hold up nothing but the picture.
                await trio.to_thread.run_sync(partial(live.update, Group(*parts), refresh=True), abandon_on_cancel=True)
                await trio.sleep(REDRAWN)

    async def ended(self, summary: Summary | None) -> None:
        for message in self._messages:
            self._console.print(Text(message, style="yellow"), soft_wrap=True)
        if summary is not None:
            self._console.print(summary.show())
