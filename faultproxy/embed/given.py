"""What a program says about the proxy that it wants, read and checked before anything starts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path

from faultproxy.core.plan import Sockets
from faultproxy.errors import CapabilityError, ScenarioError
from faultproxy.faults.base import Fault, Place
from faultproxy.net import addresses
from faultproxy.scenario import Scenario, from_faults, load
from faultproxy.scenario.load import Called
from faultproxy.scenario.sections import Proxy as Table

Item = str | PathLike[str] | Scenario
Faults = Item | Sequence[Item]
"""Faults in words (``"latency delay=200ms"``), and at most one scenario: its path, or loaded already."""

_CALLED = Called("open_proxy", "faults: number {}", "listen", "upstream", "intercept")
_LISTEN = "127.0.0.1:0"


@dataclass(frozen=True)
class Given:
    """A proxy to be made. `table` is its [proxy] table; `left_out` says, a line each, what of the scenario is not acted on."""

    scenario: str
    table: Table
    upstream: str
    faults: tuple[Fault, ...]
    seed: int
    left_out: tuple[str, ...]

    @property
    def sockets(self) -> Sockets:
        """The kernel buffers of both legs."""
        return Sockets(self.table.rcvbuf, self.table.sndbuf, self.table.rcvbuf, self.table.sndbuf)

    @property
    def place(self) -> Place:
        """Where faults act."""
        legs = {"client": self.table.listen or "", "server": self.upstream}
        return Place(intercept=self.table.intercept, unix_legs=frozenset(s for s in ("client", "server") if legs[s].startswith("unix:")))


def read(
    upstream: str | None = None, faults: Faults = (), *, listen: str | None = None, seed: int | None = None, proxy: str | None = None
) -> Given:
    """Reads the arguments of `open_proxy`. Raises ScenarioError with every mistake, CapabilityError for what this version cannot run."""
    words, file = _sorted(faults)
    spoken = from_faults(words, listen or _LISTEN, upstream, called=_CALLED)
    scenario = spoken if file is None else file
    table = spoken.proxies[0] if file is None else _table(file, proxy)
    own = () if file is None else tuple(fault for fault in file.faults if fault.belongs_to(table.name))
    if taken := {fault.name for fault in own} & {fault.name for fault in spoken.faults}:
        raise ScenarioError(f"{scenario.id} has a fault called {taken.pop()!r} already: give yours another name=…")
    if listen is not None:
        table = table.model_copy(update={"listen": listen})
    found = upstream or table.upstream
    if found is None:
        raise ScenarioError('nothing says what the proxy connects to: give upstream="HOST:PORT", or `upstream` in [proxy]')
    addresses.parse(found, "upstream")
    made = replace(scenario, faults=(*own, *spoken.faults), proxies=(table,))
    if unsupported := made.unsupported():
        raise CapabilityError("\n  ".join([f"{made.id} needs what this version cannot do:", *unsupported]))
    drawn = secrets.randbits(32) if seed is None else seed
    return Given(made.id, table, found, made.faults, drawn, () if file is None else _left_out(file))


def _sorted(faults: Faults) -> tuple[list[str], Scenario | None]:
    items = [faults] if isinstance(faults, str | PathLike | Scenario) else list(faults)
    words = [item for item in items if isinstance(item, str) and not _is_file(item)]
    files = [item for item in items if not isinstance(item, str) or _is_file(item)]
    if len(files) > 1:
        raise ScenarioError("faults: one scenario at most; what it lacks is said in words, or included by it")
    if not files:
        return words, None
    return words, files[0] if isinstance(files[0], Scenario) else _load(Path(fspath(files[0])))


def _is_file(item: str) -> bool:
    return item.endswith(".toml") and "=" not in item


def _load(path: Path) -> Scenario:
    found = load(path)
    if len(found) > 1:
        raise ScenarioError(f'{path} has {len(found)} cases: give one of them, load({str(path)!r}, case="…")[0]')
    return found[0]


def _table(scenario: Scenario, wanted: str | None) -> Table:
    names = [table.name for table in scenario.proxies]
    if wanted is None and len(names) > 1:
        raise ScenarioError(f'{scenario.id} has several proxies ({", ".join(names)}): say which, proxy="{names[0]}"')
    for table in scenario.proxies:
        if wanted in (None, table.name):
            return table
    raise ScenarioError(f"{scenario.id} has no proxy called {wanted!r}: there is {', '.join(names)}")


def _left_out(scenario: Scenario) -> tuple[str, ...]:
    found = ["[server] is not started"] if scenario.server is not None else []
    found += ["[sandbox] is not entered: run the whole program in it, `faultproxy sandbox -- …`"] if scenario.sandbox is not None else []
    return (*found, *scenario.left_out_by_run())
