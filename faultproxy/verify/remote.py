"""The API that a run's client finds in FAULTPROXY_API: it starts and heals the faults of the scenario, and looks at connections."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

import trio

from faultproxy.faults.base import Fault
from faultproxy.net.proxy import Proxy

HERE = "127.0.0.1"


def load() -> None:
    """Imports what `remote` needs, for processes that are forked from this one."""
    from faultproxy.control import app, guests, serve  # noqa: F401


@asynccontextmanager
async def remote(proxies: Sequence[tuple[Proxy, str]], faults: Sequence[Fault], seed: int) -> AsyncIterator[Mapping[str, str]]:
    """Serves `proxies`, each with its upstream, as long as the block lasts. Gives what the client's environment needs to know."""
    # The server and all that it brings are imported by those runs only that have a client.
    from faultproxy.control import app, serve
    from faultproxy.control.guests import Guest, Guests
    from faultproxy.control.security import Security

    token = secrets.token_urlsafe(16)
    async with trio.open_nursery() as nursery:
        guests = [Guest(proxy, upstream, _of(proxy, faults), nursery) for proxy, upstream in proxies]
        security = Security.of(HERE, token)
        listeners = await serve.listen(HERE, 0)
        made = app.build(Guests(guests, nursery, seed), nursery, security=security, page=False)
        await nursery.start(partial(serve.serve, made, listeners, connections=security.limits.connections))
        yield {"FAULTPROXY_API": f"http://{serve.address_of(listeners[0])}", "FAULTPROXY_TOKEN": token}
        nursery.cancel_scope.cancel()


def _of(proxy: Proxy, faults: Sequence[Fault]) -> list[Fault]:
    return [fault for fault in faults if fault.belongs_to(proxy.name)]
