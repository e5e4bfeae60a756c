"""What every route has in common, and what is on none."""

from __future__ import annotations

import re

import pytest
import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from starlette.routing import Router

from faultproxy.control.toxiproxy import not_found, routes
from tests.control.toxiproxy.conftest import Api
from tests.live.rig import PATIENCE

ID = "x-toxiproxy-request-id"

ROUTES = [
    ("GET", "/proxies", 200),
    ("POST", "/proxies", 400),
    ("POST", "/populate", 400),
    ("GET", "/proxies/p", 200),
    ("POST", "/proxies/p", 400),
    ("PATCH", "/proxies/p", 400),
    ("DELETE", "/proxies/p", 204),
    ("GET", "/proxies/p/toxics", 200),
    ("POST", "/proxies/p/toxics", 400),
    ("GET", "/proxies/p/toxics/t", 200),
    ("POST", "/proxies/p/toxics/t", 400),
    ("PATCH", "/proxies/p/toxics/t", 400),
    ("DELETE", "/proxies/p/toxics/t", 204),
    ("POST", "/reset", 204),
    ("GET", "/version", 200),
]
"""Every route, and what it answers to an empty body where there is a proxy `p` with a toxic `t`."""

NO_NAME = "a" * 64
"""No label is that long, so nobody needs to be asked."""

AWAY = '{"name":"q","upstream":"u","listen":"192.0.2.1:1"}'
"""An address that no machine has (RFC 5737)."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


async def _fill(api: Api) -> None:
    await api.proxy()
    await api.toxic("noop", name="t")


@pytest.mark.parametrize(("method", "path", "status"), ROUTES)
async def test_every_answer_on_a_route_has_an_id(api: Api, method: str, path: str, status: int) -> None:
    await _fill(api)
    answer = await api.go(method, path)
    assert answer.status == status
    assert re.fullmatch("[0-9a-v]{20}", answer.headers[ID])
    if status == 400:
        error = {"error": "bad request body: EOF: it is empty", "status": 400} | ({"proxies": None} if path == "/populate" else {})
        assert answer.json == error
        assert answer.text.endswith("}" if path == "/populate" else "}\n")
        assert answer.headers["content-type"] == "application/json"


async def test_no_two_answers_have_the_same_id(api: Api) -> None:
    ids = [(await api.go("GET", "/version")).headers[ID] for _ in range(20)]
    assert sorted(set(ids)) == ids


@pytest.mark.parametrize("path", sorted({path for _, path, _ in ROUTES}))
async def test_other_methods_get_405_and_nothing_else(api: Api, path: str) -> None:
    await _fill(api)
    for method in METHODS:
        if not any((method, path) == route[:2] for route in ROUTES):
            answer = await api.go(method, path)
            assert (answer.status, answer.text) == (405, ""), method
            assert not {"allow", ID} & set(answer.headers)


@pytest.mark.parametrize("path", ["/", "/nothing", "/proxies/", "/proxies/p/", "/version/", "/proxies/p/toxics/t/x", "/Proxies"])
async def test_what_is_on_no_route(api: Api, path: str) -> None:
    await _fill(api)
    answer = await api.go("GET", path)
    assert (answer.status, answer.text, answer.headers["content-type"]) == (404, "404 page not found\n", "text/plain; charset=utf-8")
    assert ID not in answer.headers


@pytest.mark.parametrize(
    ("path", "clean"),
    [("//proxies", "/proxies"), ("/proxies//", "/proxies/"), ("/a/../proxies?x=1", "/proxies?x=1"), ("/./version", "/version")],
)
async def test_what_is_no_clean_path(api: Api, path: str, clean: str) -> None:
    sent: list[dict[str, object]] = []

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    plain, _, query = path.partition("?")  # a client would clean it
    await not_found({"type": "http", "method": "GET", "path": plain, "query_string": query.encode(), "headers": []}, receive, send)
    assert sent[0]["status"] == 301
    assert (b"location", clean.encode()) in sent[0]["headers"]  # type: ignore[operator]


@pytest.mark.parametrize(("method", "path", "status"), ROUTES)
async def test_browsers_are_refused(api: Api, method: str, path: str, status: int) -> None:
    await _fill(api)
    answer = await api.go(method, path, **{"User-Agent": "Mozilla/5.0 (X11)"})
    assert (answer.status, answer.text, answer.headers["content-type"]) == (403, "User agent not allowed\n", "text/plain; charset=utf-8")
    assert ID in answer.headers
    assert "p" in await api.get("/proxies")


@pytest.mark.parametrize("agent", ["mozilla/5.0", "toxiproxy-cli/v2.12.0 (linux/amd64)", "x Mozilla/", ""])
async def test_all_others_are_not(api: Api, agent: str) -> None:
    assert (await api.go("GET", "/version", **{"User-Agent": agent})).status == 200


async def test_the_version_is_one_that_has_patch(api: Api) -> None:
    answer = await api.go("GET", "/version")
    assert (answer.text, answer.headers["content-type"]) == ('{"version": "2.12.0"}\n', "application/json;charset=utf-8")


@pytest.mark.parametrize(
    ("method", "path", "body", "error"),
    [
        ("POST", "/proxies", "{", (400, "bad request body: unexpected EOF: it ends in the middle of a value")),
        ("POST", "/proxies", '{"enabled":"x"}', (400, "bad request body: Proxy.enabled: expected true or false, not a string")),
        ("POST", "/proxies", "[]", (400, "bad request body: Proxy: expected an object, not an array")),
        ("POST", "/proxies", "{}", (400, "missing required field: name")),
        ("POST", "/proxies", "null", (400, "missing required field: name")),
        ("POST", "/proxies", '{"upstream":"u"}', (400, "missing required field: name")),
        ("POST", "/proxies", '{"name":"p"}', (400, "missing required field: upstream")),
        ("POST", "/proxies", '{"name":"p","upstream":"u"}', (409, "proxy already exists")),
        ("POST", "/proxies", '{"name":"q","upstream":"u","listen":"foo"}', (500, "listen tcp: address foo: missing port in address")),
        ("POST", "/proxies", AWAY, (500, "listen tcp 192.0.2.1:1: bind: cannot assign requested address")),
        ("POST", "/proxies", f'{{"name":"q","upstream":"u","listen":"{NO_NAME}:1"}}', (500, f"listen tcp: lookup {NO_NAME}: no such host")),
        ("PATCH", "/proxies/p", '{"listen":"foo"}', (500, "address foo: missing port in address")),
        ("PATCH", "/proxies/p", '{"listen":1}', (400, "bad request body: Proxy.listen: expected a string, not the number 1")),
        ("GET", "/proxies/q", None, (404, "proxy not found")),
        ("DELETE", "/proxies/q", None, (404, "proxy not found")),
        ("PATCH", "/proxies/q", "{", (404, "proxy not found")),
        ("GET", "/proxies/q/toxics", None, (404, "proxy not found")),
        ("POST", "/proxies/q/toxics", "{", (404, "proxy not found")),
        ("GET", "/proxies/q/toxics/t", None, (404, "proxy not found")),
        ("GET", "/proxies/p/toxics/u", None, (404, "toxic not found")),
        ("PATCH", "/proxies/p/toxics/u", "{", (404, "toxic not found")),
        ("DELETE", "/proxies/p/toxics/u", None, (404, "toxic not found")),
        ("POST", "/proxies/p/toxics", '{"type":"noop","name":"t"}', (409, "toxic already exists")),
        ("PATCH", "/proxies/p/toxics/t", "[]", (400, "bad request body: Toxic: expected an object, not an array")),
    ],
)
async def test_errors(api: Api, method: str, path: str, body: str | None, error: tuple[int, str]) -> None:
    await _fill(api)
    before = await api.get("/proxies")
    answer = await api.go(method, path, body)
    assert answer.error == error
    assert answer.text.endswith("}\n")
    assert (answer.headers["content-type"], answer.headers["x-content-type-options"]) == ("application/json", "nosniff")
    assert await api.get("/proxies") == before


async def test_the_type_of_a_body_does_not_matter(api: Api) -> None:
    answer = await api.go("POST", "/proxies", '{"name":"p","upstream":"u","enabled":false} and more', **{"Content-Type": "text/html"})
    assert answer.status == 201


@pytest.mark.live
async def test_over_real_http(api: Api) -> None:
    config = Config()
    config.bind = ["127.0.0.1:0"]
    app = Router(routes(api.fleet), redirect_slashes=False, default=not_found)
    await api.proxy("a/b")
    over = trio.Event()
    async with trio.open_nursery() as nursery:
        (bound,) = await nursery.start(lambda task_status: serve(app, config, shutdown_trigger=over.wait, task_status=task_status))  # type: ignore[arg-type]
        port = int(bound.rpartition(":")[2])

        async def ask(lines: str) -> bytes:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            async with stream:
                await stream.send_all(f"{lines}Host: localhost\r\nConnection: close\r\n\r\n".encode())
                with trio.fail_after(PATIENCE):
                    return b"".join([part async for part in stream])

        assert (await ask("GET //proxies HTTP/1.1\r\n")).startswith(b"HTTP/1.1 301 ")
        assert (await ask("GET /proxies/a%2Fb HTTP/1.1\r\n")).startswith(b"HTTP/1.1 404 ")
        assert (await ask("HEAD /version HTTP/1.1\r\n")).startswith(b"HTTP/1.1 405 ")
        assert (await ask("GET /version HTTP/1.1\r\n")).endswith(b'\r\n\r\n{"version": "2.12.0"}\n')
        assert (await ask("DELETE /proxies/none HTTP/1.1\r\n")).endswith(b'\r\n\r\n{"error":"proxy not found","status":404}\n')
        assert (await ask("POST /reset HTTP/1.1\r\nContent-Length: 0\r\n")).startswith(b"HTTP/1.1 204 ")
        over.set()


async def test_no_websocket_is_opened(api: Api) -> None:
    sent: list[object] = []

    async def send(message: object) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    await not_found({"type": "websocket", "path": "/proxies", "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1000, "reason": ""}]
