"""A fleet behind the API, an upstream, and the two ends of a connection between them."""

from __future__ import annotations

import errno
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import trio
from starlette.routing import Router

from faultproxy.control.fleet import Fleet, Post, open_fleet
from faultproxy.control.toxiproxy import not_found, routes
from faultproxy.net.addresses import parse
from tests.live.rig import PATIENCE, End, until

ANYWHERE = "127.0.0.1:0"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    text: str
    headers: httpx.Headers

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.text)

    @property
    def error(self) -> tuple[int, str]:
        """Status and text of an answer that says no, in the one form that all have."""
        assert set(self.json) == {"error", "status"}
        assert self.json["status"] == self.status
        return self.status, self.json["error"]


@dataclass
class Upstream:
    """A server of which the test is the program."""

    listener: trio.socket.SocketType

    @property
    def address(self) -> str:
        """Where it listens."""
        host, port = self.listener.getsockname()
        return f"{host}:{port}"


@dataclass
class Api:
    """The API over a fleet. `go` sends a body that is no string as JSON."""

    fleet: Fleet
    client: httpx.AsyncClient
    upstream: Upstream
    ends: list[End] = field(default_factory=list)

    async def go(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request."""
        content = body if isinstance(body, str | bytes | None) else json.dumps(body)
        response = await self.client.request(method, path, content=content, headers=headers)
        return Answer(response.status_code, response.text, response.headers)

    async def get(self, path: str) -> Any:
        """What there is, which must be there."""
        answer = await self.go("GET", path)
        assert answer.status == 200, answer.text
        return answer.json

    async def proxy(self, name: str = "p", **fields: Any) -> Post:
        """A proxy before the upstream."""
        answer = await self.go("POST", "/proxies", {"name": name, "listen": ANYWHERE, "upstream": self.upstream.address} | fields)
        assert answer.status == 201, answer.text
        return self.fleet.get(name)

    async def toxic(self, type_: str, /, *, proxy: str = "p", **fields: Any) -> str:
        """A toxic: its `stream`, `name` and `toxicity` if given, all else are attributes; answers with its path."""
        table: dict[str, Any] = {key: fields.pop(key) for key in ("stream", "name", "toxicity") if key in fields}
        table |= {"type": type_, "attributes": fields}
        answer = await self.go("POST", f"/proxies/{proxy}/toxics", table)
        assert answer.status == 200, answer.text
        return f"/proxies/{proxy}/toxics/{answer.json['name']}"

    async def dial(self, name: str = "p") -> End:
        """A client's end of a new connection."""
        address = parse(self.fleet.get(name).listen)
        return await self._end(trio.socket.socket(), (address.host, address.port))

    async def accept(self) -> End:
        """The server's end of the next one."""
        with trio.fail_after(PATIENCE):
            sock, _ = await self.upstream.listener.accept()
        self.ends.append(End(sock))
        return self.ends[-1]

    async def _end(self, sock: trio.socket.SocketType, to: tuple[str, int]) -> End:
        try:
            with trio.fail_after(PATIENCE):
                await sock.connect(to)
            self.ends.append(End(sock))
        except BaseException:
            sock.close()
            raise
        return self.ends[-1]

    async def dial_and_fail(self, name: str = "p") -> str:
        """The errno's name with which a client fails, at connecting or after (a RST may come so soon that it is either)."""
        try:
            client = await self.dial(name)
        except OSError as exc:
            return errno.errorcode[exc.errno or 0]
        return await client.error()

    async def connect(self, name: str = "p") -> tuple[End, End]:
        """Both ends of a new connection."""
        return await self.dial(name), await self.accept()


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    listener = trio.socket.socket()
    await listener.bind(("127.0.0.1", 0))
    listener.listen()
    async with open_fleet(seed=7) as fleet:
        transport = httpx.ASGITransport(Router(routes(fleet), redirect_slashes=False, default=not_found))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8474", headers={"User-Agent": "a test"}) as client:
            made = Api(fleet, client, Upstream(listener))
            yield made
    for end in made.ends:
        end.sock.close()
    listener.close()


__all__ = ["ANYWHERE", "Answer", "Api", "until"]
