"""An arena on a real loopback port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import pytest
import trio

from faultproxy.arena.defences import ALL, Defences
from faultproxy.arena.limits import DEFAULT, Limits
from faultproxy.arena.listening import USUAL, Listening
from faultproxy.arena.player import Player
from faultproxy.arena.server import Ticks, serve

_TICKS = Ticks()


async def until(holds: Callable[[], object], within: float = 5.0) -> None:
    """Ask again and again until it holds; TooSlowError after `within` seconds."""
    with trio.fail_after(within):
        while not holds():  # the kernel's tables wake nobody
            await trio.sleep(0.005)


@dataclass
class Arena:
    """Where it listens, and what it said of those who came and went."""

    host: str = ""
    port: int = 0
    events: list[str] = field(default_factory=list)
    stop: trio.CancelScope = field(default_factory=trio.CancelScope)
    closing: trio.Event = field(default_factory=trio.Event)
    closed: trio.Event = field(default_factory=trio.Event)

    async def player(self, name: str | None = None, *, recv_buffer: int | None = None) -> Player:
        player = await Player.connect(self.host, self.port, recv_buffer=recv_buffer)
        if name is not None:
            await player.login(name)
        return player

    async def until_told(self, words: str) -> str:
        """The first event with these words in it; wait for it at most 5 s."""
        try:
            await until(lambda: any(words in event for event in self.events))
        except trio.TooSlowError:
            raise AssertionError(f"never told {words!r}; told: {self.events}") from None
        return next(event for event in self.events if words in event)


class Open(Protocol):
    def __call__(
        self, limits: Limits = ..., listening: Listening = ..., ticks: Ticks = ..., defences: Defences = ...
    ) -> AbstractAsyncContextManager[Arena]: ...


@pytest.fixture
def open_arena() -> Open:
    @asynccontextmanager
    async def opened(
        limits: Limits = DEFAULT, listening: Listening = USUAL, ticks: Ticks = _TICKS, defences: Defences = ALL
    ) -> AsyncIterator[Arena]:
        arena = Arena()
        options = {"limits": limits, "listening": listening, "ticks": ticks, "defences": defences}

        async def run(host: str, port: int, *, task_status: trio.TaskStatus[tuple[str, int]]) -> None:
            await serve(host, port, **options, closing=arena.closing, watch=arena.events.append, task_status=task_status)  # type: ignore[arg-type]
            arena.closed.set()

        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                arena.host, arena.port = await nursery.start(run, "127.0.0.1", 0)
                arena.stop = nursery.cancel_scope
                yield arena
                nursery.cancel_scope.cancel()

    return opened
