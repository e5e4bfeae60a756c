"""What a program holds of its proxy, whichever way it was started: addresses, questions, and faults to start and heal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Generic, Self, TypeVar

from faultproxy.core.run import FaultStats
from faultproxy.core.units import duration
from faultproxy.embed.live import Live, Wanted
from faultproxy.errors import ScenarioError
from faultproxy.net import addresses
from faultproxy.net.proxy import Row, Snapshot

T = TypeVar("T")
P = TypeVar("P", bound="Handle")

WITHIN = 5.0
"""Seconds that `wait_fired` waits if it is not told otherwise."""


class ProxyClosed(RuntimeError):
    """The block in which the proxy was open has been left."""


class Handle(ABC):
    """A proxy that listens. `address` is where clients connect, as ``host:port`` or ``unix:/path``; of that, `host` and `port`."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self.address = live.proxy.address
        parsed = addresses.parse(self.address)
        self.host = parsed.host
        self.port = parsed.port
        self.upstream = live.given.upstream
        self.seed = live.given.seed
        self.name = live.proxy.name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.address} -> {self.upstream}, seed {self.seed}>"

    # ------------------------------------------------------------ questions

    @property
    def connections(self) -> tuple[Row, ...]:
        """The connections that are open, the newest 200: number, client, phase, bytes each way, active faults."""
        return self.snapshot().rows

    def snapshot(self) -> Snapshot:
        """Counts of connections and bytes, the listener's state, and `connections`; after the end, how things stood then."""
        return self._look(self._live.proxy.snapshot)

    @property
    def stats(self) -> list[FaultStats]:
        """What each fault has done so far."""
        return self._look(lambda: [replace(stats) for stats in self._live.stats])

    def fired(self, name: str) -> int:
        """How often the fault of that name has acted."""
        return self._look(lambda: self._live.fired[name])

    @property
    def never_fired(self) -> tuple[str, ...]:
        """The faults given at the start that have not acted, but those with ``may_not_fire``."""
        return self._look(self._live.never_fired)

    @property
    def messages(self) -> list[str]:
        """What a person should know: connections that could not be made, parts of a scenario that are left out."""
        return self._look(lambda: list(self._live.messages))

    def journal(self) -> list[str]:
        """The journal so far, a JSON object a line: its header, and the newest 10,000 events with what was decided."""
        return self._look(self._live.journal)

    # --------------------------------------------------------------- faults

    def start(self, name: str) -> None:
        """Starts a fault wherever it applies, and for connections that open later."""
        self._do(lambda: self._live.order(name))

    def heal(self, name: str | None = None) -> None:
        """Heals a fault, which then rests until it is started again; without a name everything, for good."""
        self._do(self._live.proxy.heal if name is None else lambda: self._live.order(name, heal=True))

    @abstractmethod
    def _do(self, act: Callable[[], T]) -> T:
        """Calls it where the proxy runs. Raises ProxyClosed."""

    @abstractmethod
    def _look(self, question: Callable[[], T]) -> T:
        """The same for a question, which can be asked after the end, too."""


class Acting(Generic[P]):
    """A fault for a while: active inside of a ``with`` (or ``async with``), or from `start` to `heal`."""

    def __init__(self, proxy: P, wanted: Wanted) -> None:
        self._proxy = proxy
        self._wanted = wanted
        self._begun = False
        self._before = 0
        self.name = wanted.name
        """How the journal calls it: its name, its kind, or, where there is another of that kind, ``kind-2``."""

    @property
    def fired(self) -> int:
        """How often it has acted since it was started last."""
        return self._proxy.fired(self.name) - self._before

    def start(self) -> Self:
        """Starts it; nothing if it is started already."""
        if not self._begun:
            self._proxy._do(self._begin)
        return self

    def heal(self) -> None:
        """Heals it; nothing if it is healed already, or the proxy is closed."""
        if self._begun:
            with suppress(ProxyClosed):
                self._proxy._do(self._end)

    def _begin(self) -> None:
        live = self._proxy._live
        before = live.fired.copy()  # it may act at once
        self.name = live.begin(self._wanted)
        self._before = before[self.name]
        self._begun = True

    def _end(self) -> None:
        self._begun = False
        self._proxy._live.end(self._wanted, self.name)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.heal()

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.heal()


def seconds(within: float | str) -> float:
    """A time limit: seconds, or as in a file, ``"500ms"``. Raises ScenarioError."""
    if not isinstance(within, str):
        return float(within)
    try:
        return duration(within)
    except ValueError as error:
        raise ScenarioError(f"within: {error}") from error
