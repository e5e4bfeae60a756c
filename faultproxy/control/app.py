"""The whole of what `faultproxy serve` answers: Toxiproxy's routes, `/v1`, `/metrics` and the page, behind one guard."""

from __future__ import annotations

from collections.abc import Callable

import trio
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from faultproxy.control import page as live_page
from faultproxy.control import toxiproxy, v1
from faultproxy.control.fleet import Fleet
from faultproxy.control.metrics import Metrics
from faultproxy.control.runs import Play, Runs
from faultproxy.control.security import Asgi, Guard, Receive, Scope, Security, Send
from faultproxy.control.v1.parts import Control


def build(
    fleet: Fleet,
    nursery: trio.Nursery,
    *,
    security: Security,
    page: bool = True,
    play: Play | None = None,
    notify: Callable[[str], None] = lambda message: None,
) -> Asgi:
    """The ASGI application. What it does beside answering, it does in `nursery`.

    `page`: with the live page; `play` plays scenarios, `notify` hears of our own mistakes.
    """
    metrics = Metrics(fleet)
    nursery.start_soon(metrics.beat)
    runs = Runs(nursery, play, security.limits.runs) if play is not None else None
    routes: list[BaseRoute] = [
        Route("/metrics", metrics.answer),
        *(live_page.routes() if page else ()),
        *toxiproxy.routes(fleet),
    ]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    app.router.default = toxiproxy.not_found  # whoever comes by a wrong path is one of its clients
    api = v1.build(Control(fleet, security.limits, runs))

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        # Not by a Mount: its pattern knows no path that has a line feed in it.
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            await api({**scope, "root_path": "/v1"}, receive, send)
        else:
            await app(scope, receive, send)

    return Guard(either, security, notify)
