"""Many proxies in one trio run, by name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import trio

from faultproxy.control.errors import Bounded, Taken, Unknown
from faultproxy.control.news import Listener, News
from faultproxy.control.post import Post, Spec

POSTS = 200
"""Proxies that a fleet may have."""

__all__ = ["Fleet", "Post", "Spec", "open_fleet"]


class Fleet:
    """All proxies, in the order in which they were made. `seed` names the streams of chance of each."""

    def __init__(self, nursery: trio.Nursery, *, seed: int, max_connections: int | None = None) -> None:
        self.seed = seed
        self.posts: dict[str, Post] = {}
        self._nursery = nursery
        self._max_connections = max_connections
        self._news = News()

    async def create(self, spec: Spec) -> Post:
        """A new proxy, which listens if it is to. Or none: Taken, Bounded, ListenError, ScenarioError, CapabilityError."""
        if spec.name in self.posts:
            raise Taken(f"there is a proxy called {spec.name!r} already")
        if len(self.posts) >= POSTS:
            raise Bounded(f"there are {POSTS} proxies already: remove one")
        post = Post(spec, self._nursery, seed=self.seed, max_connections=self._max_connections, tell=self._news.tell, turned=self._turned)
        self.posts[spec.name] = post  # the name is taken while it is still being bound
        if spec.enabled:
            try:
                await post.enable()
            except BaseException:
                if self.posts.get(spec.name) is post:  # else it was removed meanwhile, and the name may be another's by now
                    del self.posts[spec.name]
                raise
        return post

    async def remove(self, name: str) -> None:
        """Takes a proxy out, with its connections. Raises Unknown."""
        post = self.get(name)
        del self.posts[name]
        await post.retire()

    def get(self, name: str) -> Post:
        """The proxy of that name. Raises Unknown."""
        if name not in self.posts:
            raise Unknown(f"there is no proxy {name!r}; there are: {', '.join(self.posts) or 'none'}")
        return self.posts[name]

    def _turned(self) -> None:
        # The only one may wait a moment in its own loop, which makes round trips shorter; several would wait for each other.
        there = [post.proxy for post in self.posts.values() if post.proxy is not None]
        for proxy in there:
            proxy.alone = len(there) == 1

    @contextmanager
    def subscribe(self, proxy: str | None = None, size: int = 1000) -> Iterator[Listener]:
        """The journal as it is written, of all or of one (`news.News.subscribe`)."""
        with self._news.subscribe(proxy, size) as listener:
            yield listener


@asynccontextmanager
async def open_fleet(*, seed: int, max_connections: int | None = None) -> AsyncIterator[Fleet]:
    """A fleet for as long as the block lasts; then every proxy is closed."""
    async with trio.open_nursery() as nursery:
        yield Fleet(nursery, seed=seed, max_connections=max_connections)
        nursery.cancel_scope.cancel()
