"""Server-sent events: an answer that goes on for as long as there is something to tell and somebody who listens."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, aclosing
from typing import Any

import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from faultproxy.control.v1.problems import told
from faultproxy.errors import FaultproxyError

HEARTBEAT = 10.0
"""Seconds between two comments, which keep whatever stands between from giving the connection up."""
MEDIA_TYPE = "text/event-stream"

Source = AsyncGenerator[tuple[str, Mapping[str, Any]], None]
"""Events: the name and the data of each."""


class Events(Response):
    """Tells what `source` has, which is open for as long as this takes. Nobody but this waits for a caller that does not read."""

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
                await self._tell(source, receive, send)

    async def _tell(self, source: Source, receive: Receive, send: Send) -> None:
        turn = trio.Lock()

        async def say(text: str) -> None:
            async with turn:
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})

        async def beat() -> None:
            while True:
                await say(": still here\n\n")
                await trio.sleep(HEARTBEAT)

        async def watch(scope: trio.CancelScope) -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            scope.cancel()

        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(beat)
            nursery.start_soon(watch, nursery.cancel_scope)
            async for name, data in source:
                await say(f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n")
            nursery.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def described(what: str) -> dict[int | str, dict[str, Any]]:
    """How such an answer stands in the OpenAPI document."""
    return {200: {"description": what, "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}}
