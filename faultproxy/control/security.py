"""Who may call the control API, and how much at once.

What is to be kept off: whoever is not on this machine (loopback by default, elsewhere only with a token); web pages that a user of this
machine happens to look at (their requests carry `Origin` and `Sec-Fetch-Site`, or, after DNS rebinding, a `Host` that is not ours); and
anybody who sends more than can be kept. `refusal` decides, without input or output; `Guard` is the ASGI middleware that obeys it.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import os
import re
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import trio

from faultproxy.errors import ScenarioError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

WILDCARDS = ("0.0.0.0", "::")
PAGE = ("/", "/favicon.ico")
PAGE_FILES = "/page/"
"""What a browser must get before it can send a token: the page and its files, in which there is no secret."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken from callers. Sizes in bytes, times in seconds."""

    body: int = 1 << 20
    document: int = 256 << 10
    """A scenario, or a fault that is added: what takes long to read. The longest scenario that we know of has four thousand bytes."""
    headers: int = 16 << 10
    patience: float = 10.0
    """Until a body has come."""
    connections: int = 256
    """HTTP connections at once; more wait in the listener's queue."""
    requests: int = 128
    """Requests being answered at once, streams included."""
    name: int = 128
    """Characters of a name."""
    runs: int = 4
    """Scenarios that run at once."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered: an HTTP status, what is refused, why, and what to do."""

    status: int
    what: str
    why: str
    todo: str


@dataclass(frozen=True, slots=True)
class Security:
    """What is asked of callers. `host` is the address listened on, `allowed` further names by which callers may know us."""

    host: str = "127.0.0.1"
    token: str | None = field(default=None, repr=False)
    allowed: frozenset[str] = frozenset()
    limits: Limits = Limits()

    @classmethod
    def of(cls, host: str, token: str | None, allowed: Iterable[str] = (), limits: Limits | None = None) -> Security:
        """Checked. Raises ScenarioError for an address beyond loopback without a token, and for a token that no header can carry."""
        if token is not None and not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", token):  # RFC 6750, 2.1
            raise ScenarioError("the token cannot be sent in a header: use letters, digits and . _ ~ + / - only, and at least one of them")
        if token is None and not is_loopback(host):
            raise ScenarioError(
                f"--host {host}: whoever reaches this address could open connections from here, so it needs a token: "
                "set FAULTPROXY_TOKEN (or --token), or stay on 127.0.0.1"
            )
        return cls(host, token, frozenset(name.lower().rstrip(".") for name in allowed), limits or Limits())


def is_loopback(host: str) -> bool:
    """Whether it is an address of loopback, or `localhost`."""
    address = _literal(host)
    return address.is_loopback if address is not None else host.lower().rstrip(".") == "localhost"


def refusal(security: Security, method: str, path: str, headers: Mapping[str, str]) -> Refusal | None:
    """Why a request is refused before its body is read; None: it is not. Names of headers are in lower case."""
    return (
        _too_long(security, path, headers)
        or _of_host(security, headers.get("host", ""))
        or _of_origin(method, path, headers)
        or _of_token(security, method, path, headers.get("authorization", ""))
    )


def _too_long(security: Security, path: str, headers: Mapping[str, str]) -> Refusal | None:
    limits = security.limits
    if len(path) + sum(len(name) + len(value) for name, value in headers.items()) > limits.headers:
        return Refusal(431, "the request's headers are too long", f"they may have {limits.headers} bytes together", "send fewer")
    size = headers.get("content-length", "0")
    if size.isdigit() and int(size) > limits.body:
        return too_large(limits.body)
    return None


def too_large(most: int) -> Refusal:
    """Of a body that is longer than the `most` bytes that are taken."""
    return Refusal(413, "the body is too long", f"it may have {most} bytes", "send less, or in several requests")


def _of_host(security: Security, host: str) -> Refusal | None:
    # A page of elsewhere whose name suddenly resolves to 127.0.0.1 has its own name in `Host`: a name is therefore trusted only if it is
    # ours. An address cannot be rebound; which of them are ours behind a wildcard (or a port mapping), we cannot know.
    name = re.sub(r":\d*$", "", host).strip("[]").lower().rstrip(".")
    address = _literal(name)
    if is_loopback(name) or name in security.allowed or name == security.host.lower():
        return None
    if security.host in WILDCARDS and address is not None:
        return None
    return Refusal(
        403,
        f"this is not {host or 'a host without a name'}",
        "`Host` names somebody else, as it does when a web page has its name resolved to this machine",
        f"call {security.host} or localhost, or start `faultproxy serve` with --allow-host {name or 'NAME'}",
    )


def _of_origin(method: str, path: str, headers: Mapping[str, str]) -> Refusal | None:
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    if site is None and origin is None:
        return None  # no browser, or one that is older than both
    opens_page = method == "GET" and path == "/" and headers.get("sec-fetch-mode") == "navigate"
    own = [f"{scheme}://{headers.get('host', '').lower()}" for scheme in ("http", "https")]  # the latter where something before us has TLS
    if (site in (None, "same-origin", "none") or opens_page) and (origin is None or origin.lower() in own):
        return None
    return Refusal(
        403,
        "web pages of elsewhere may not call this",
        f"the browser says that the request comes from {origin or 'another site'}",
        "use the page that this server has at /, or a program that is no browser",
    )


def _of_token(security: Security, method: str, path: str, authorization: str) -> Refusal | None:
    if security.token is None or (method in ("GET", "HEAD") and (path in PAGE or path.startswith(PAGE_FILES))):
        return None
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), security.token.encode()):
        return None
    return Refusal(
        401,
        "the token is wrong" if authorization else "a token is needed",
        "this server was started with one",
        "send `Authorization: Bearer TOKEN`; `faultproxy ctl` takes it from FAULTPROXY_TOKEN",
    )


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0] if ":" in host else host)  # only IPv6 has zones
    except ValueError:
        return None


def problem(status: int, what: str, why: str, todo: str = "", **more: Any) -> dict[str, Any]:
    """Problem details (RFC 9457): `title` says what, `detail` why, `todo` what to do. `error` is for clients that know only Toxiproxy's."""
    return {"type": "about:blank", "title": what, "status": status, "detail": why, "todo": todo, "error": f"{what}: {why}"} | more


class Guard:
    """Refuses what `refusal` refuses, reads the body within its bounds, and lets no more in at once than `Limits` say."""

    def __init__(self, app: Asgi, security: Security, notify: Callable[[str], None] = lambda message: None) -> None:
        self._app = app
        self._notify = notify
        self._security = security
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # which is a 403: there is none here
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Of a header that is sent twice all values count: nothing may hide behind the first.
        headers: dict[str, str] = {}
        for raw, value in scope["headers"]:
            name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
            headers[name] = f"{headers[name]}, {text}" if name in headers else text
        limits = self._security.limits
        refused = refusal(self._security, scope["method"], scope["path"], headers)
        if refused is None and self._running >= limits.requests:
            refused = Refusal(429, "too many requests at once", f"{limits.requests} are being answered", "wait, or end a stream")
        if refused is not None:
            await self._refuse(send, refused, receive)
            return
        self._running += 1
        try:
            body = await self._body(receive)
            if isinstance(body, Refusal):
                await self._refuse(send, body, receive)
            elif body is not None:
                await self._answer(scope, _again(body, receive), send)
        finally:
            self._running -= 1

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            self._notify(f"a mistake of faultproxy itself, answering {scope['method']} {scope['path']!r}: {error!r}")
            if os.environ.get("FAULTPROXY_DEBUG"):
                traceback.print_exc()
            if not begun:
                await _send(send, Refusal(500, "a mistake of faultproxy itself", repr(error), "please report it"))

    async def _body(self, receive: Receive) -> bytes | Refusal | None:
        # None: whoever has asked is gone.
        body = bytearray()
        with trio.move_on_after(self._security.limits.patience):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                body += message.get("body", b"")
                if len(body) > self._security.limits.body:
                    return too_large(self._security.limits.body)
                if not message.get("more_body", False):
                    return bytes(body)
        return Refusal(408, "the body has not come", f"{self._security.limits.patience:g} s were enough for others", "send it at once")

    async def _refuse(self, send: Send, refused: Refusal, receive: Receive) -> None:
        await _send(send, refused)
        # What still comes of the body is thrown away: a caller that is cut off while it writes would not read why.
        with trio.move_on_after(self._security.limits.patience):
            while (await receive()).get("more_body", False):
                pass


def _again(body: bytes, receive: Receive) -> Receive:
    """The body that has been read, and then whatever else comes: that the caller is gone."""
    given = False

    async def once() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once


async def _send(send: Send, refused: Refusal) -> None:
    text = json.dumps(problem(refused.status, refused.what, refused.why, refused.todo)).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(text)).encode()), (b"connection", b"close")]
    if refused.status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b'Bearer realm="faultproxy"'))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
