"""Toxiproxy's HTTP API over our engine, so that its clients need another address and nothing else.

A *toxic* is what a client of Toxiproxy calls a fault of ours. `toxics` translates, `decode` reads what clients send, `listening` how they
write addresses, `objects` is what they are shown, `orders` carries out what they want, `routes` speaks HTTP.
"""

from __future__ import annotations

import json
from typing import Any

from faultproxy.control.fleet import Fleet, Post
from faultproxy.control.toxiproxy import orders
from faultproxy.control.toxiproxy.routes import not_found, routes

__all__ = ["not_found", "populate", "routes"]


async def populate(fleet: Fleet, entries: Any) -> tuple[Post, ...]:
    """Makes sure of the proxies of a configuration file, an array of plain JSON as `POST /populate` takes it.

    Raises ControlError with the first that cannot be had; those before it are there.
    """
    done = await orders.populate(fleet, orders.read_entries(json.dumps(entries).encode()))
    if done.error is not None:
        raise done.error
    return done.posts
