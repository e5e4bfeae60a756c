"""Proxies over Toxiproxy's API: every route, status, field and default of them."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import trio

from faultproxy.control.errors import ControlError
from faultproxy.control.fleet import Spec
from faultproxy.control.toxiproxy import listening, populate
from tests.control.toxiproxy.conftest import ANYWHERE, Api
from tests.live.rig import until
from tests.peers.programs import free_port


async def test_there_is_nothing_at_first(api: Api) -> None:
    answer = await api.go("GET", "/proxies")
    assert (answer.status, answer.text, answer.headers["content-type"]) == (200, "{}", "application/json")


async def test_a_proxy_as_it_is_shown(api: Api) -> None:
    answer = await api.go("POST", "/proxies", {"upstream": "localhost:1", "listen": "localhost:0", "name": "a <b> & c"})
    listen = api.fleet.get("a <b> & c").listen
    assert answer.status == 201
    assert answer.headers["content-type"] == "application/json"
    shown = f'{{"name":"a \\u003cb\\u003e \\u0026 c","listen":"{listen}","upstream":"localhost:1","enabled":true,"toxics":[]}}'
    assert answer.text == shown, "this order of keys, no blanks, no newline at the end"
    assert listen.startswith("127.0.0.1:")
    assert not listen.endswith(":0")
    assert (await api.go("GET", "/proxies/a%20%3Cb%3E%20&%20c")).text == shown
    assert (await api.go("GET", "/proxies")).text == f'{{"a \\u003cb\\u003e \\u0026 c":{shown}}}'


async def test_proxies_are_listed_by_name(api: Api) -> None:
    for name in ("b", "a", "c"):
        await api.proxy(name)
    assert list(await api.get("/proxies")) == ["a", "b", "c"]


@pytest.mark.parametrize("listen", [None, "", ":0"])
async def test_no_address_is_all_interfaces_and_any_port(api: Api, listen: str | None) -> None:
    answer = await api.go(
        "POST", "/proxies", {"name": "p", "upstream": api.upstream.address} | ({} if listen is None else {"listen": listen})
    )
    host, _, port = answer.json["listen"].rpartition(":")
    assert host == {"::": "[::]", "0.0.0.0": "0.0.0.0"}[listening.everywhere()]
    assert int(port) > 0
    with socket.create_connection(("127.0.0.1", int(port))):
        await api.accept()


async def test_it_listens_and_relays(api: Api) -> None:
    await api.proxy()
    client, server = await api.connect()
    await client.send(b"a question")
    assert await server.recv(10) == b"a question"
    await server.send(b"an answer")
    assert await client.recv(9) == b"an answer"


async def test_created_disabled_it_keeps_its_address_as_written(api: Api) -> None:
    for number, text in enumerate(["localhost:0", ":0", "", "foo", "[::1]:3310"]):
        fields = {"name": f"p{number}", "listen": text, "upstream": "u", "enabled": False}
        answer = await api.go("POST", "/proxies", fields)
        assert (answer.status, answer.json["listen"], answer.json["enabled"]) == (201, text, False)
        assert (await api.get(f"/proxies/p{number}"))["listen"] == text
    answer = await api.go("POST", "/proxies/p0", {"enabled": True})
    assert answer.json["listen"].startswith("127.0.0.1:")
    answer = await api.go("POST", "/proxies/p3", {"enabled": True})
    assert answer.error == (500, "address foo: missing port in address")


async def test_null_is_the_default(api: Api) -> None:
    answer = await api.go("POST", "/proxies", {"name": "p", "upstream": "u", "listen": None, "enabled": None})
    assert (answer.status, answer.json["enabled"]) == (201, True)


@pytest.mark.parametrize("upstream", ["not an address", ":80", f"{'a' * 64}:80", "127.0.0.1:99999", "unix:"])
async def test_the_upstream_is_what_a_client_finds_out(api: Api, upstream: str) -> None:
    post = await api.proxy(upstream=upstream)
    assert (await api.get("/proxies/p"))["upstream"] == upstream
    client = await api.dial()
    assert await client.error() == "EOF", "accepted, then a FIN"
    assert post.enabled


async def test_an_upstream_that_refuses_gives_a_fin(api: Api) -> None:
    await api.proxy(upstream=f"127.0.0.1:{free_port()}")
    assert await (await api.dial()).error() == "EOF"


async def test_toxics_in_the_body_of_a_proxy_are_ignored(api: Api) -> None:
    await api.proxy(toxics=[{"type": "latency"}])
    assert (await api.get("/proxies/p"))["toxics"] == []


async def test_a_name_with_a_slash_can_be_made_and_never_addressed(api: Api) -> None:
    await api.proxy("a/b")
    assert (await api.go("GET", "/proxies/a%2Fb")).text == "404 page not found\n"
    await api.proxy("100% ø")
    assert (await api.get("/proxies/100%25%20%C3%B8"))["name"] == "100% ø"


async def test_removed_it_is_gone_with_its_connections(api: Api) -> None:
    post = await api.proxy()
    client, server = await api.connect()
    answer = await api.go("DELETE", "/proxies/p")
    assert (answer.status, answer.text) == (204, "")
    assert (await client.error(), await server.error()) == ("EOF", "EOF")
    assert (await api.go("GET", "/proxies/p")).error == (404, "proxy not found")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(post.listen.rpartition(":")[2])))


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_disabled_it_refuses_and_enabled_it_listens_there_again(api: Api, method: str) -> None:
    await api.proxy()
    await api.toxic("latency", latency=1)
    client, server = await api.connect()
    before = await api.get("/proxies/p")
    answer = await api.go(method, "/proxies/p", {"enabled": False})
    assert (answer.status, answer.json) == (200, before | {"enabled": False})
    assert (await client.error(), await server.error()) == ("EOF", "EOF")
    with pytest.raises(ConnectionRefusedError):
        await api.dial()
    answer = await api.go(method, "/proxies/p", {"enabled": True})
    assert (answer.status, answer.json) == (200, before), "toxics too"
    await api.connect()


async def test_what_is_not_given_stays_and_no_connection_notices(api: Api) -> None:
    post = await api.proxy()
    client, server = await api.connect()
    before = await api.get("/proxies/p")
    port = post.listen.rpartition(":")[2]
    for body in (
        {},
        {"name": "other"},
        {"listen": post.listen},
        {"listen": f"localhost:{port}"},
        {"enabled": True},
        {"upstream": None},
        "null",
    ):
        answer = await api.go("PATCH", "/proxies/p", body)
        assert (answer.status, answer.json) == (200, before)
    await client.send(b"still here")
    assert await server.recv(10) == b"still here"


async def test_another_upstream_drops_connections_and_keeps_toxics(api: Api) -> None:
    await api.proxy(upstream="127.0.0.1:1")
    await api.toxic("latency", latency=1)
    listen = api.fleet.get("p").listen
    answer = await api.go("PATCH", "/proxies/p", {"upstream": api.upstream.address})
    assert (answer.status, answer.json["listen"], answer.json["upstream"]) == (200, listen, api.upstream.address)
    assert [toxic["name"] for toxic in answer.json["toxics"]] == ["latency_downstream"]
    client, server = await api.connect()
    await api.go("PATCH", "/proxies/p", {"upstream": ""})
    assert (await client.error(), await server.error()) == ("EOF", "EOF")
    assert (await api.get("/proxies/p"))["upstream"] == ""


async def test_another_address_to_listen_on(api: Api) -> None:
    post = await api.proxy()
    old = post.listen
    client, _ = await api.connect()
    answer = await api.go("PATCH", "/proxies/p", {"listen": "localhost:0"})
    assert answer.status == 200
    assert answer.json["listen"] == post.listen != old
    assert await client.error() == "EOF"
    await api.connect()


async def test_an_address_that_cannot_be_bound_changes_nothing(api: Api) -> None:
    post = await api.proxy()
    before = await api.get("/proxies/p")
    taken = api.upstream.address
    client, server = await api.connect()
    answer = await api.go("PATCH", "/proxies/p", {"listen": taken, "upstream": "elsewhere:1"})
    assert answer.error == (500, f"listen tcp {taken}: bind: address already in use")
    assert await api.get("/proxies/p") == before
    await client.send(b"still here")
    assert await server.recv(10) == b"still here"
    await api.go("PATCH", "/proxies/p", {"enabled": False})
    answer = await api.go("PATCH", "/proxies/p", {"listen": taken, "enabled": True, "upstream": "elsewhere:1"})
    assert answer.status == 500
    assert await api.get("/proxies/p") == before | {"enabled": False}
    assert (await api.go("PATCH", "/proxies/p", {"listen": "foo"})).error == (500, "address foo: missing port in address")
    assert post.listen == before["listen"]


async def test_disabled_it_can_be_told_to_listen_elsewhere(api: Api) -> None:
    await api.proxy(enabled=False)
    answer = await api.go("PATCH", "/proxies/p", {"listen": "localhost:0", "upstream": api.upstream.address})
    assert (answer.status, answer.json["enabled"], answer.json["listen"]) == (200, False, "localhost:0")
    answer = await api.go("PATCH", "/proxies/p", {"listen": ANYWHERE, "enabled": True})
    assert answer.json["listen"] == api.fleet.get("p").listen
    await api.connect()
    answer = await api.go("PATCH", "/proxies/p", {"listen": "localhost:0", "enabled": False})
    assert (answer.json["enabled"], answer.json["listen"]) == (False, "localhost:0")


# ---------------------------------------------------------------- populate


async def test_populate_makes_what_is_not_there(api: Api) -> None:
    entries = [
        {"name": name, "upstream": "u:1", "listen": ANYWHERE, "enabled": on} for name, on in (("b", True), ("a", False), ("c", None))
    ]
    answer = await api.go("POST", "/populate", entries)
    assert (answer.status, answer.headers["content-type"]) == (201, "application/json")
    assert [(proxy["name"], proxy["enabled"]) for proxy in answer.json["proxies"]] == [("b", True), ("a", False), ("c", True)]
    assert answer.json["proxies"][0] == await api.get("/proxies/b")


@pytest.mark.parametrize("body", ["[]", "null"])
async def test_populate_with_nothing(api: Api, body: str) -> None:
    answer = await api.go("POST", "/populate", body)
    assert (answer.status, answer.text) == (201, '{"proxies":null}')


async def test_populate_leaves_alone_what_is_as_it_should_be(api: Api) -> None:
    entry = {"name": "p", "listen": "localhost:0", "upstream": api.upstream.address}
    await api.go("POST", "/populate", [entry])
    await api.toxic("latency", latency=1)
    client, server = await api.connect()
    before = await api.get("/proxies/p")
    for listen in ("localhost:0", before["listen"], before["listen"].replace("127.0.0.1", "localhost")):
        answer = await api.go("POST", "/populate", [entry | {"listen": listen}])
        assert answer.json == {"proxies": [before]}
    await client.send(b"still here")
    assert await server.recv(10) == b"still here"


async def test_populate_enables_and_disables(api: Api) -> None:
    entry = {"name": "p", "listen": ANYWHERE, "upstream": api.upstream.address}
    await api.go("POST", "/populate", [entry])
    for given, enabled in ((False, False), (None, True), (False, False), (True, True)):
        answer = await api.go("POST", "/populate", [entry | {"enabled": given}])
        assert answer.json["proxies"][0]["enabled"] is enabled


async def test_populate_replaces_what_has_other_addresses(api: Api) -> None:
    post = await api.proxy()
    await api.toxic("latency", latency=1)
    client, _ = await api.connect()
    answer = await api.go("POST", "/populate", [{"name": "p", "listen": post.listen, "upstream": "other:1"}])
    assert answer.json["proxies"] == [{"name": "p", "listen": post.listen, "upstream": "other:1", "enabled": True, "toxics": []}]
    assert await client.error() == "EOF"


async def test_populate_keeps_the_old_one_where_the_new_one_cannot_be(api: Api) -> None:
    await api.proxy()
    await api.toxic("latency", latency=1)
    before = await api.get("/proxies/p")
    answer = await api.go("POST", "/populate", [{"name": "p", "listen": api.upstream.address, "upstream": "other:1"}])
    assert answer.status == 500
    assert await api.get("/proxies/p") == before
    await api.connect()


@pytest.mark.parametrize("field", ["name", "upstream"])
async def test_populate_makes_nothing_if_an_entry_lacks_something(api: Api, field: str) -> None:
    good = {"name": "p", "upstream": "u:1", "listen": ANYWHERE}
    answer = await api.go("POST", "/populate", [good, good | {field: ""}])
    assert (answer.status, answer.text) == (400, f'{{"error":"missing required field: {field} at proxy 2","status":400,"proxies":null}}')
    assert answer.headers["content-type"] == "application/json"
    assert await api.get("/proxies") == {}


async def test_populate_goes_as_far_as_it_can(api: Api) -> None:
    entries = [{"name": name, "upstream": "u:1", "listen": listen} for name, listen in (("a", ANYWHERE), ("b", "foo"), ("c", ANYWHERE))]
    answer = await api.go("POST", "/populate", entries)
    assert answer.status == 500
    assert answer.json["error"] == "listen tcp: address foo: missing port in address"
    assert [proxy["name"] for proxy in answer.json["proxies"]] == ["a"]
    assert not answer.text.endswith("\n")
    assert list(await api.get("/proxies")) == ["a"]


async def test_populate_takes_an_array_only(api: Api) -> None:
    answer = await api.go("POST", "/populate", {"name": "p"})
    assert answer.status == 400
    assert answer.json == {"error": "bad request body: expected an array of proxies, not an object", "status": 400, "proxies": None}


async def test_a_configuration_is_the_same_array(api: Api) -> None:
    entries = [{"NAME": "a", "upstream": "u:1", "listen": ANYWHERE}, {"name": "b", "upstream": "u:1", "listen": "foo"}]
    with pytest.raises(ControlError, match="listen tcp: address foo: missing port in address"):
        await populate(api.fleet, entries)
    assert list(api.fleet.posts) == ["a"], "those before it are there"
    (post,) = await populate(api.fleet, entries[:1])
    assert post.name == "a"


# ------------------------------------------------------------------- reset


async def test_reset_enables_all_and_removes_all_toxics(api: Api) -> None:
    for name in ("a", "b"):
        await api.proxy(name)
        await api.toxic("latency", proxy=name, latency=1)
    await api.go("POST", "/proxies/a", {"enabled": False})
    answer = await api.go("POST", "/reset", "ignored")
    assert (answer.status, answer.text) == (204, "")
    assert [(proxy["enabled"], proxy["toxics"]) for proxy in (await api.get("/proxies")).values()] == [(True, []), (True, [])]


async def test_reset_goes_on_past_a_proxy_that_cannot_listen(api: Api) -> None:
    taken = api.upstream.address
    for name in ("a", "b", "c"):
        await api.proxy(name, listen=taken if name == "b" else ANYWHERE, upstream="u:1", enabled=False)
        await api.toxic("latency", proxy=name, latency=1)
    answer = await api.go("POST", "/reset")
    assert answer.error == (500, f"listen tcp {taken}: bind: address already in use")
    assert [(proxy["enabled"], proxy["toxics"]) for proxy in (await api.get("/proxies")).values()] == [(True, []), (False, []), (True, [])]


async def test_a_proxy_that_somebody_else_made_is_one_too(api: Api, tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/s"
    await api.fleet.create(Spec("ours", path, api.upstream.address))
    shown = {"name": "ours", "listen": path, "upstream": api.upstream.address, "enabled": True, "toxics": []}
    assert await api.get("/proxies/ours") == shown
    for body in ({"enabled": False}, {"enabled": True}):
        assert (await api.go("PATCH", "/proxies/ours", body)).json == shown | body
    await api.go("PATCH", "/proxies/ours", {"enabled": False})
    assert (await api.go("POST", "/reset")).status == 204
    assert await api.get("/proxies/ours") == shown
    assert (await api.go("PATCH", "/proxies/ours", {"listen": "unix:/else"})).status == 500, "Go knows no such address"


async def test_many_orders_at_once_leave_one_proxy(api: Api) -> None:
    statuses: list[int] = []

    async def create() -> None:
        statuses.append((await api.go("POST", "/proxies", {"name": "p", "listen": ANYWHERE, "upstream": "u:1"})).status)

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(create)
    assert sorted(statuses) == [201] + [409] * 9
    await until(lambda: api.fleet.get("p").enabled, "the proxy")
