"""Who is let in: the decisions alone, and the guard around an application."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import trio

from faultproxy.control.security import Guard, Limits, Message, Receive, Scope, Security, Send, is_loopback, refusal
from faultproxy.errors import ScenarioError

HERE = Security.of("127.0.0.1", None, allowed=["chaos.example"])
ABROAD = Security.of("0.0.0.0", "secret", limits=Limits())


def status(security: Security, method: str = "POST", path: str = "/reset", **headers: str) -> int:
    """With which it is refused; 200 if it is not."""
    named = {name.replace("_", "-"): value for name, value in ({"host": "127.0.0.1:8474"} | headers).items()}
    refused = refusal(security, method, path, named)
    return refused.status if refused is not None else 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost", "LOCALHOST."])
def test_loopback_needs_no_token(host: str) -> None:
    assert is_loopback(host)
    assert Security.of(host, None).token is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", "localhost.example.org", ""])
def test_another_address_needs_one(host: str) -> None:
    with pytest.raises(ScenarioError, match="needs a token: set FAULTPROXY_TOKEN"):
        Security.of(host, None)
    assert Security.of(host, "t").token == "t"


@pytest.mark.parametrize("token", ["", "two words", "ü", "line\n"])
def test_a_token_that_no_header_can_carry(token: str) -> None:
    with pytest.raises(ScenarioError, match="cannot be sent in a header"):
        Security.of("127.0.0.1", token)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:8474", 200),
        ("localhost:8474", 200),
        ("LocalHost", 200),
        ("[::1]:8474", 200),
        ("chaos.example:1", 200),
        ("evil.example:8474", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example", 403),
        ("192.168.1.2:8474", 403),
        ("", 403),
        ("127.0.0.1, evil.example", 403),
        ("127.0.0.1%evil.example", 403),
    ],
)
def test_whom_the_caller_believes_to_call(host: str, expected: int) -> None:
    assert status(HERE, host=host) == expected


def test_behind_a_wildcard_any_address_may_be_ours_but_no_name() -> None:
    key = {"authorization": "Bearer secret"}
    assert status(ABROAD, host="10.0.0.7:8474", **key) == 200
    assert status(ABROAD, host="[fd00::1]", **key) == 200
    assert status(ABROAD, host="evil.example", **key) == 403


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"origin": "http://127.0.0.1:8474", "sec_fetch_site": "same-origin"}, 200),
        ({"origin": "http://127.0.0.1:8474"}, 200),
        ({"sec_fetch_site": "none"}, 200),
        ({"sec_fetch_site": "same-site"}, 403),  # another port of this very machine
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:3000"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://evil.example", "sec_fetch_site": "same-origin"}, 403),
    ],
)
def test_from_which_page_it_comes(headers: dict[str, str], expected: int) -> None:
    assert status(HERE, **headers) == expected


def test_a_link_from_elsewhere_opens_the_page_and_nothing_else() -> None:
    link = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    assert status(HERE, "GET", "/", **link) == 200
    assert status(HERE, "GET", "/v1/proxies", **link) == 403
    assert status(HERE, "POST", "/", **link) == 403


def test_the_token() -> None:
    assert status(ABROAD) == 401
    assert status(ABROAD, authorization="Bearer wrong") == 401
    assert status(ABROAD, authorization="Basic secret") == 401
    assert status(ABROAD, authorization="bearer secret") == 200
    assert status(ABROAD, "GET", "/") == 200, "a browser cannot send one before it has the page"
    assert status(ABROAD, "GET", "/page/x.js") == 200
    assert status(ABROAD, "GET", "/metrics") == 401
    assert status(ABROAD, "POST", "/page/x.js") == 401


def test_bounds() -> None:
    assert status(HERE, content_length=str(Limits().body)) == 200
    assert status(HERE, content_length=str(Limits().body + 1)) == 413
    assert status(HERE, cookie="x" * Limits().headers) == 431
    assert status(HERE, path="/" + "x" * Limits().headers) == 431


class Call:
    """An ASGI call: `parts` of a body that never ends if the last is None."""

    def __init__(self, *parts: bytes | None, kind: str = "http", **headers: str) -> None:
        named = [(name.replace("_", "-").encode(), value.encode()) for name, value in ({"host": "localhost"} | headers).items()]
        self.scope: Scope = {"type": kind, "method": "POST", "path": "/x", "headers": named}
        self._parts = list(parts)
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if not self._parts:
            await trio.sleep(math.inf)
        part = self._parts.pop(0)
        if part is None:
            await trio.sleep(math.inf)
        return {"type": "http.request", "body": part, "more_body": bool(self._parts)}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def at(self, guard: Guard) -> Call:
        await guard(self.scope, self.receive, self.send)
        return self

    @property
    def problem(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.sent[1]["body"])
        return found


async def ok(scope: Scope, receive: Receive, send: Send) -> None:
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def test_the_guard_reads_the_whole_body_first(autojump_clock: trio.testing.MockClock) -> None:
    guard = Guard(ok, Security(limits=Limits(body=10)))
    assert (await Call(b"12345", b"67890").at(guard)).sent[1]["body"] == b"1234567890"
    assert (await Call(b"12345", b"678901").at(guard)).problem["status"] == 413
    assert (await Call(b"12345", None).at(guard)).problem["status"] == 408
    assert trio.current_time() >= Limits().patience
    said = (await Call(b"", host="evil.example").at(guard)).problem
    assert said["status"] == 403
    assert "--allow-host evil.example" in said["todo"]
    assert said["error"] == f"{said['title']}: {said['detail']}"


async def test_a_header_sent_twice_hides_nothing() -> None:
    call = Call(b"")
    call.scope["headers"].append((b"host", b"evil.example"))
    assert (await call.at(Guard(ok, HERE))).sent[0]["status"] == 403


async def test_no_more_at_once_than_may_be() -> None:
    guard = Guard(ok, Security(limits=Limits(requests=1)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Call(b"", None).at, guard)
        await trio.testing.wait_all_tasks_blocked()
        assert (await Call(b"").at(guard)).sent[0]["status"] == 429
        nursery.cancel_scope.cancel()
    assert (await Call(b"").at(guard)).sent[0]["status"] == 200


async def test_a_mistake_of_ours_is_told_in_one_line() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("oh")

    told: list[str] = []
    call = await Call(b"").at(Guard(broken, HERE, told.append))
    assert call.sent[0]["status"] == 500
    assert told == ["a mistake of faultproxy itself, answering POST '/x': RuntimeError('oh')"]


async def test_there_are_no_websockets() -> None:
    assert (await Call(kind="websocket").at(Guard(ok, HERE))).sent == [{"type": "websocket.close", "code": 1008}]
