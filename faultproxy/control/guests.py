"""Proxies that belong to somebody else, who is judging a run: a client may look, start and heal, and change nothing that is judged."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from faultproxy.control.errors import Unfit
from faultproxy.control.fleet import Fleet
from faultproxy.control.post import Post, Spec
from faultproxy.faults.base import Fault
from faultproxy.net.proxy import Proxy

ONLY = "belongs to a run that is being judged: its faults can be started and healed, its connections looked at and killed, and nothing else"


class Guest(Post):
    """A proxy that listens already, with the faults that its scenario gave it."""

    def __init__(self, proxy: Proxy, upstream: str, faults: Sequence[Fault], nursery: trio.Nursery) -> None:
        spec = Spec(proxy.name, proxy.address, upstream, faults=tuple(faults))
        super().__init__(spec, nursery, seed=proxy.seed, max_connections=None, tell=lambda entry: None)
        self.proxy = proxy

    async def enable(self) -> None:
        """It listens."""

    async def disable(self) -> None:
        """Raises Unfit."""
        raise Unfit(f"{self.name} {ONLY}")

    async def move(self, listen: str | None = None, upstream: str | None = None) -> None:
        """Raises Unfit."""
        raise Unfit(f"{self.name} {ONLY}")

    def _check(self, fault: Fault, *, goes: bool = False) -> None:
        raise Unfit(f"{self.name} {ONLY}")


class Guests(Fleet):
    """The proxies of one run."""

    def __init__(self, guests: Sequence[Guest], nursery: trio.Nursery, seed: int) -> None:
        super().__init__(nursery, seed=seed)
        self.posts = {guest.name: guest for guest in guests}

    async def create(self, spec: Spec) -> Post:
        """Raises Unfit."""
        raise Unfit(f"{spec.name} cannot be made: this API {ONLY}")

    async def remove(self, name: str) -> None:
        """Raises Unknown, Unfit."""
        raise Unfit(f"{self.get(name).name} {ONLY}")
