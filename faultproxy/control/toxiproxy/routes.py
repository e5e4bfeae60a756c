"""The routes: which method on which path orders what, and how it is answered.

Each path answers every method itself, because what clients get for one that it does not have is bare: 405, no body, no `Allow`.
"""

from __future__ import annotations

import itertools
import os
import posixpath
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from faultproxy.control.fleet import Fleet, Post
from faultproxy.control.toxiproxy import objects, orders
from faultproxy.control.toxiproxy.orders import Refused

VERSION = "2.12.0"
"""Of the API: clients choose their methods by it."""

REQUEST_ID = "X-Toxiproxy-Request-Id"

_JSON = "application/json"
_LETTERS = "0123456789abcdefghijklmnopqrstuv"

Handler = Callable[[Request], Awaitable[Response]]


class _Path:
    """An ASGI application for one path: a handler for each method."""

    def __init__(self, handlers: Mapping[str, Handler], ids: Callable[[], str]) -> None:
        self._handlers = handlers
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers."""
        request = Request(scope, receive, send)
        handler = self._handlers.get(request.method)
        if handler is None:
            await Response(status_code=405)(scope, receive, send)
            return
        try:
            response = await _answer(handler, request)
        except ClientDisconnect:
            return  # nobody is left to be answered, and nothing has been done
        response.headers[REQUEST_ID] = self._ids()
        await response(scope, receive, send)


async def _answer(handler: Handler, request: Request) -> Response:
    # A page in a browser must not steer us (DNS rebinding, forged requests): there is no other sign by which a client could tell.
    if request.headers.get("user-agent", "").startswith("Mozilla/"):
        return Response("User agent not allowed\n", 403, media_type="text/plain")
    try:
        return await handler(request)
    except Refused as exc:
        body = objects.encode({"error": str(exc), "status": exc.status}) + b"\n"
        return Response(body, exc.status, {"X-Content-Type-Options": "nosniff"}, _JSON)


class _Handlers:
    """What each route does with the fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def proxies(self, request: Request) -> Response:
        return _json(objects.proxies_table(self._fleet.posts))

    async def create(self, request: Request) -> Response:
        post = await orders.create(self._fleet, await request.body())
        return _json(objects.proxy_table(post), 201)

    async def populate(self, request: Request) -> Response:
        body = await request.body()
        try:
            done = await orders.populate(self._fleet, orders.read_entries(body))
        except Refused as exc:
            done = orders.Populated((), exc)
        said: dict[str, Any] = {} if done.error is None else {"error": str(done.error), "status": done.error.status}
        said["proxies"] = [objects.proxy_table(post) for post in done.posts] or None
        return _json(said, 201 if done.error is None else done.error.status)

    async def proxy(self, request: Request) -> Response:
        return _json(objects.proxy_table(self._post(request)))

    async def update(self, request: Request) -> Response:
        body = await request.body()
        post = self._post(request)
        await orders.update(self._fleet, post, body)
        return _json(objects.proxy_table(post))

    async def remove(self, request: Request) -> Response:
        await self._fleet.remove(self._post(request).name)
        return _nothing()

    async def toxics(self, request: Request) -> Response:
        return _json([objects.toxic_table(toxic) for toxic in objects.toxics(self._post(request))])

    async def add_toxic(self, request: Request) -> Response:
        body = await request.body()
        return _json(objects.toxic_table(orders.add_toxic(self._post(request), body)))

    async def toxic(self, request: Request) -> Response:
        return _json(objects.toxic_table(orders.toxic(self._post(request), request.path_params["toxic"])))

    async def change_toxic(self, request: Request) -> Response:
        body = await request.body()
        return _json(objects.toxic_table(orders.change_toxic(self._post(request), request.path_params["toxic"], body)))

    async def remove_toxic(self, request: Request) -> Response:
        orders.remove_toxic(self._post(request), request.path_params["toxic"])
        return _nothing()

    async def reset(self, request: Request) -> Response:
        await orders.reset(self._fleet)
        return _nothing()

    async def version(self, request: Request) -> Response:
        return Response(f'{{"version": "{VERSION}"}}\n', headers={"Content-Type": f"{_JSON};charset=utf-8"})

    def _post(self, request: Request) -> Post:
        post = self._fleet.posts.get(request.path_params["proxy"])
        if post is None:
            raise Refused(404, "proxy not found")
        return post


def routes(fleet: Fleet) -> list[BaseRoute]:
    """Every route of the API. What is on no route is for `not_found`."""
    on = _Handlers(fleet)
    table: dict[str, dict[str, Handler]] = {
        "/proxies": {"GET": on.proxies, "POST": on.create},
        "/populate": {"POST": on.populate},
        "/proxies/{proxy}": {"GET": on.proxy, "POST": on.update, "PATCH": on.update, "DELETE": on.remove},
        "/proxies/{proxy}/toxics": {"GET": on.toxics, "POST": on.add_toxic},
        "/proxies/{proxy}/toxics/{toxic}": {
            "GET": on.toxic,
            "POST": on.change_toxic,
            "PATCH": on.change_toxic,
            "DELETE": on.remove_toxic,
        },
        "/reset": {"POST": on.reset},
        "/version": {"GET": on.version},
    }
    ids = _ids()
    return [Route(path, _Path(handlers, ids), include_in_schema=False) for path, handlers in table.items()]


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI application for all other paths: 301 to the clean form of one that is not, else 404."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000, "reason": ""})  # before it is accepted: the caller gets a 403
        return
    path = scope["path"]
    clean = _clean(path)
    answer: ASGIApp = Response("404 page not found\n", 404, {"X-Content-Type-Options": "nosniff"}, "text/plain")
    if clean != path:
        # Written anew: a line feed would end the header, and a browser takes a backslash for a slash and what follows two for a host.
        query, where = scope["query_string"].decode("latin-1"), quote(clean, safe="/:@!$&'()*+,;=")
        answer = Response(status_code=301, headers={"Location": f"{where}?{query}" if query else where})
    await answer(scope, receive, send)


def _clean(path: str) -> str:
    # normpath keeps two slashes at the front, which POSIX gives a meaning.
    clean = posixpath.normpath("/" + path.lstrip("/"))
    return clean + "/" if path.endswith("/") and clean != "/" else clean


def _json(value: Any, status: int = 200) -> Response:
    return Response(objects.encode(value), status, media_type=_JSON)


def _nothing() -> Response:
    return Response(status_code=204, headers={"Content-Type": _JSON})


def _ids() -> Callable[[], str]:
    """Makes request ids of 20 letters that sort by time: 4 bytes of seconds, 5 of this process, 3 counted."""
    process, count = os.urandom(5), itertools.count(int.from_bytes(os.urandom(2), "big"))

    def make() -> str:
        number = int.from_bytes(struct.pack(">I", int(time.time())) + process + struct.pack(">I", next(count) % 2**24)[1:], "big") << 4
        return "".join(_LETTERS[number >> shift & 31] for shift in range(95, -1, -5))

    return make
