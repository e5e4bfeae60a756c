"""`open_proxy`: a proxy in a trio program, for as long as an `async with`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import trio

from faultproxy.embed.given import Faults, read
from faultproxy.embed.handle import WITHIN, Acting, Handle, ProxyClosed, seconds
from faultproxy.embed.live import Live

T = TypeVar("T")


class OpenProxy(Handle):
    """A proxy in the caller's own trio run. Nothing but `wait_fired` waits; it is used from that run only."""

    def __init__(self, live: Live) -> None:
        super().__init__(live)
        self._closed = False

    def fault(self, kind: str, /, **keys: Any) -> OpenActing:
        """A fault to be started: of that name, if the proxy has it, else of that kind and with these keys, as in a scenario file.

        It acts on all connections that are open, and on those that open meanwhile. Raises ScenarioError with every mistake.
        """
        return OpenActing(self, self._live.want(kind, keys))

    async def wait_fired(self, name: str, within: float | str = WITHIN, *, times: int = 1) -> int:
        """Waits until a fault has acted so often since the proxy was opened; returns how often. Raises TimeoutError."""
        return await self._live.wait_fired(name, times, seconds(within))

    def _do(self, act: Callable[[], T]) -> T:
        if self._closed:
            raise ProxyClosed(f"the proxy at {self.address} is closed")
        return act()

    def _look(self, question: Callable[[], T]) -> T:
        return question()


class OpenActing(Acting[OpenProxy]):
    """A fault of an `OpenProxy`."""

    async def wait_fired(self, within: float | str = WITHIN, *, times: int = 1) -> int:
        """Waits until it has acted so often since it was started; returns how often. Raises TimeoutError."""
        return await self._proxy.wait_fired(self.name, within, times=self._before + times) - self._before


@asynccontextmanager
async def open_proxy(
    upstream: str | None = None,
    faults: Faults = (),
    *,
    listen: str | None = None,
    seed: int | None = None,
    proxy: str | None = None,
    journal: Path | str | None = None,
    max_connections: int | None = None,
) -> AsyncIterator[OpenProxy]:
    """A proxy to `upstream` (``host:port`` or ``unix:/path``) with these faults, listening on `listen` (default: a free port on loopback).

    `faults`: in words, as ``faultproxy run --fault`` takes them, and at most one scenario, by its path or loaded; of that, the faults and
    [proxy] are taken (`proxy`: which, of several). `seed` repeats another run's choices (default: drawn). `journal`: a file for
    ``faultproxy replay``. At the end everything heals and every connection is closed.

    Raises ScenarioError for what is wrong in the arguments, ListenError, or CapabilityError where packet faults cannot be had. What the
    block raises comes out as it is, in no exception group.
    """
    given = read(upstream, faults, listen=listen, seed=seed, proxy=proxy)
    live = Live(given, journal=Path(journal) if journal is not None else None, max_connections=max_connections)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(live.serve)
            handle = OpenProxy(live)
            try:
                yield handle
            finally:
                handle._closed = True
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        error = only(group)
        if error is None:
            raise
        context = error.__context__
        try:
            raise error
        finally:
            error.__context__ = context
            del error, context


def only(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """The one error that a nursery has put into a group; None: there are several. A group that was raised within stays one."""
    _, rest = group.split(trio.Cancelled)
    return rest.exceptions[0] if rest is not None and len(rest.exceptions) == 1 else None
