"""Server-sent events: an answer that goes on for as long as there is something to tell and somebody who listens."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, aclosing
from typing import Any

import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from faultproxy.control.v1.problems import told
from faultproxy.errors import FaultproxyError

HEARTBEAT = 10.0
"""Seconds between two comments, which keep whatever stands between from giving the connection up."""
DEAF = 30.0
"""Seconds in which a caller takes nothing of what is written to him, until his place is another's; if he reads after all, he is told."""
MEDIA_TYPE = "text/event-stream"

PIECE = 64 * 1024
"""Bytes of an answer that are written in one turn."""

Source = AsyncGenerator[tuple[str, Mapping[str, Any] | Sequence[bytes]], None]
"""Events: the name and the data of each; pieces of bytes are JSON already, together one line."""


class Events(Response):
    """Tells what `source` has, which is open for as long as this takes, or until the caller is `DEAF`: then a last event is `dropped`.

    Nobody but this waits for a caller that does not read, and `serve.STUCK` ends that too.
    """

    media_type = MEDIA_TYPE

    def __init__(self, source: Callable[[], AbstractContextManager[Source]]) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._open = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        with ExitStack() as stack:
            try:
                source = stack.enter_context(self._open())
            except FaultproxyError as error:
                await told(error)(scope, receive, send)
                return
            async with aclosing(source):
                await self._tell(source, receive, send, stack.close)

    async def _tell(self, source: Source, receive: Receive, send: Send, let_go: Callable[[], None]) -> None:
        turn = trio.Lock()
        telling = trio.CancelScope()
        since: float | None = None

        async def say(*parts: bytes) -> None:
            nonlocal since
            async with turn:
                with trio.CancelScope(shield=True):  # half an event would be taken for another
                    for piece in _pieces(parts):
                        since = trio.current_time()
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                since = None

        async def lose_patience() -> None:
            # What is being written cannot be cancelled (hypercorn shields it); all else can.
            while not telling.cancel_called:
                await trio.sleep(DEAF / 10)
                if since is not None and trio.current_time() - since >= DEAF:
                    let_go()
                    telling.cancel()

        async def beat() -> None:
            while True:
                await say(b": still here\n\n")
                await trio.sleep(HEARTBEAT)

        async def watch(scope: trio.CancelScope) -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            scope.cancel()

        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(beat)
            nursery.start_soon(watch, nursery.cancel_scope)
            nursery.start_soon(lose_patience)
            with telling:
                async for name, data in source:
                    await say(*_event(name, data))
            if telling.cancel_called:
                await say(*_event("dropped", {"event": "dropped", "why": f"nothing was read for {DEAF:g} s; ask again"}))
            nursery.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Whole(Response):
    """A document in JSON, of parts that may have megabytes: it is written in pieces, and between two of them others have their turn.

    The parts are not joined: of what many ask for, and do not read, there is one in memory.
    """

    media_type = "application/json"

    def __init__(self, *parts: bytes) -> None:
        super().__init__(headers={"content-length": str(sum(map(len, parts)))})
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for piece in _pieces(self._parts):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await trio.lowlevel.checkpoint()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _pieces(parts: Sequence[bytes]) -> Iterator[bytes]:
    # All of one length but the last, as if the parts were one: what is short is one chunk for who reads it.
    piece = b""
    for part in parts:
        at = 0
        while at < len(part):
            taken = part[at : at + PIECE - len(piece)]
            at += len(taken)
            piece += taken
            if len(piece) == PIECE:
                yield piece
                piece = b""
    if piece:
        yield piece


def _event(name: str, data: Mapping[str, Any] | Sequence[bytes]) -> tuple[bytes, ...]:
    head = f"event: {name}\ndata: ".encode()
    if isinstance(data, Mapping):
        return (head + json.dumps(data, ensure_ascii=False).encode() + b"\n\n",)
    return (head, *data, b"\n\n")


def described(what: str) -> dict[int | str, dict[str, Any]]:
    """How such an answer stands in the OpenAPI document."""
    return {200: {"description": what, "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}}
