"""`start_proxy`: a proxy in a thread of its own, for programs and tests that know nothing of trio."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import trio

from faultproxy.embed.given import Faults, read
from faultproxy.embed.handle import WITHIN, Acting, Handle, ProxyClosed, seconds
from faultproxy.embed.live import Live
from faultproxy.embed.opening import only

T = TypeVar("T")

CLOSING = 30.0
"""Seconds that closing may take before it is given up: some hundred times what it takes."""


class StartedProxy(Handle):
    """A proxy in a thread of its own. Every method may be called from any thread, and from coroutines of any event loop: all but
    `wait_fired` return within milliseconds.
    """

    def __init__(self, live: Live, thread: _Thread) -> None:
        super().__init__(live)
        self._thread = thread

    def fault(self, kind: str, /, **keys: Any) -> StartedActing:
        """A fault to be started: of that name, if the proxy has it, else of that kind and with these keys, as in a scenario file.

        It acts on all connections that are open, and on those that open meanwhile. Raises ScenarioError with every mistake.
        """
        return StartedActing(self, self._do(lambda: self._live.want(kind, keys)))

    def wait_fired(self, name: str, within: float | str = WITHIN, *, times: int = 1) -> int:
        """Waits until a fault has acted so often since the proxy was started; returns how often. Raises TimeoutError.

        It blocks: from a coroutine, call it by ``asyncio.to_thread`` or ``trio.to_thread.run_sync``.
        """
        limit = seconds(within)
        return self._thread.wait(lambda: self._live.wait_fired(name, times, limit))

    def _do(self, act: Callable[[], T]) -> T:
        return self._thread.call(act)

    def _look(self, question: Callable[[], T]) -> T:
        try:
            return self._thread.call(question)
        except ProxyClosed:  # nobody else has it in hand any more
            return question()


class StartedActing(Acting[StartedProxy]):
    """A fault of a `StartedProxy`."""

    def wait_fired(self, within: float | str = WITHIN, *, times: int = 1) -> int:
        """Waits until it has acted so often since it was started; returns how often. Raises TimeoutError."""
        return self._proxy.wait_fired(self.name, within, times=self._before + times) - self._before


@contextmanager
def start_proxy(
    upstream: str | None = None,
    faults: Faults = (),
    *,
    listen: str | None = None,
    seed: int | None = None,
    proxy: str | None = None,
    journal: Path | str | None = None,
    max_connections: int | None = None,
) -> Iterator[StartedProxy]:
    """As `open_proxy`, for a plain ``with``: the proxy runs in a thread of its own, which has ended when the block is left."""
    given = read(upstream, faults, listen=listen, seed=seed, proxy=proxy)
    live = Live(given, journal=Path(journal) if journal is not None else None, max_connections=max_connections, alone=True)
    thread = _Thread(live)
    thread.start()
    try:
        yield StartedProxy(live, thread)
    finally:
        thread.end()


class _Thread:
    """A thread with a trio run that serves one proxy."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._thread = threading.Thread(target=self._run, name="faultproxy", daemon=True)
        self._ready: Future[tuple[trio.lowlevel.TrioToken, trio.Nursery]] = Future()
        self._error: BaseException | None = None

    def start(self) -> None:
        """Returns when the proxy listens; raises what kept it from that."""
        self._thread.start()
        try:
            self._token, self._nursery = self._ready.result()
        except BaseException:
            self._ready.add_done_callback(_give_up)
            self._thread.join(CLOSING)
            raise

    def end(self) -> None:
        """Returns when the proxy is closed and the thread has ended; raises what ended it before its time."""
        with suppress(ProxyClosed):
            self.call(self._nursery.cancel_scope.cancel)
        self._thread.join(CLOSING)
        if self._thread.is_alive():
            raise RuntimeError(f"the proxy did not close within {CLOSING:g} s")
        if self._error is not None:
            raise self._error

    def call(self, act: Callable[[], T]) -> T:
        """Calls it in the thread and waits for the answer. Raises ProxyClosed."""
        answer: Future[T] = Future()

        def settle() -> None:
            try:
                answer.set_result(act())
            except BaseException as error:
                answer.set_exception(error)

        self._soon(settle)
        return answer.result()

    def wait(self, act: Callable[[], Awaitable[T]]) -> T:
        """The same for what takes its time."""
        answer: Future[T] = Future()

        async def settle() -> None:
            try:
                answer.set_result(await act())
            except trio.Cancelled:
                answer.set_exception(self._closed())
                raise
            except BaseException as error:
                answer.set_exception(error)

        def spawn() -> None:
            try:
                self._nursery.start_soon(settle)
            except RuntimeError:  # it takes nobody in any more
                answer.set_exception(self._closed())

        self._soon(spawn)
        return answer.result()

    def _soon(self, act: Callable[[], object]) -> None:
        # Not `trio.from_thread`: that refuses to be called from a thread where another trio run is at work, as in a test.
        try:
            self._token.run_sync_soon(act)
        except trio.RunFinishedError:
            raise self._closed() from None

    def _closed(self) -> ProxyClosed:
        return ProxyClosed(f"the proxy at {self._live.proxy.address} is closed")

    def _run(self) -> None:
        try:
            trio.run(self._serve)
        except BaseException as error:
            found = (only(error) or error) if isinstance(error, BaseExceptionGroup) else error
            if self._ready.done():
                self._error = found
            else:
                self._ready.set_exception(found)

    async def _serve(self) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(self._live.serve)
            self._ready.set_result((trio.lowlevel.current_trio_token(), nursery))


def _give_up(ready: Future[tuple[trio.lowlevel.TrioToken, trio.Nursery]]) -> None:
    # Whoever waited for the proxy has been interrupted: nobody will close it.
    if ready.exception() is None:
        token, nursery = ready.result()
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(nursery.cancel_scope.cancel)
