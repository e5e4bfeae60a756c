"""What Toxiproxy is known to do wrong, each with a test that it is not so here."""

from __future__ import annotations

import os
from typing import Any

import pytest
import trio

from faultproxy.control.toxiproxy.decode import LARGEST
from faultproxy.control.toxiproxy.toxics import KINDS
from tests.control.toxiproxy.conftest import Api
from tests.control.toxiproxy.test_data_path import answers
from tests.live.rig import PATIENCE, End, until

pytestmark = pytest.mark.live

SOON = 2.0
"""Seconds for an answer. A quarter of one is what is promised; a machine that has other things to do takes longer, a lock that waits for
a peer for ever."""
LONG = 60_000
"""Milliseconds: longer than any test waits."""


async def soon(api: Api, method: str, path: str, body: Any = None) -> Any:
    """What is answered, in time and well."""
    with trio.fail_after(SOON):
        answer = await api.go(method, path, body)
    assert answer.status < 300, answer.text
    return answer.json if answer.text else None


async def stuff(end: End) -> None:
    """Sends until nothing more is taken."""
    stuck = False
    while not stuck:
        with trio.move_on_after(0.2) as scope:
            await end.send(bytes(1 << 20))
        stuck = scope.cancelled_caught


def _figures(type_: str) -> dict[str, Any]:
    return {"average_size": 100} if type_ == "slicer" else dict.fromkeys(KINDS[type_].attributes, 100)


@pytest.mark.parametrize("type_", sorted(KINDS))
async def test_a_peer_that_does_not_read_holds_up_no_answer(api: Api, type_: str) -> None:
    post = await api.proxy()
    _, server = await api.connect()
    await stuff(server)
    assert post.snapshot().open == 1
    path = await api.toxic(type_, **_figures(type_), toxicity=0.5)
    await soon(api, "PATCH", path, {"attributes": _figures(type_), "toxicity": 1})
    await soon(api, "GET", "/proxies/p")
    await soon(api, "DELETE", path)
    await api.toxic(type_, **_figures(type_))
    await soon(api, "GET", "/proxies")
    await soon(api, "POST", "/reset")
    await soon(api, "PATCH", "/proxies/p", {"enabled": False})
    await soon(api, "DELETE", "/proxies/p")


async def test_an_upstream_that_does_not_answer_holds_up_nobody(api: Api) -> None:
    with trio.socket.socket() as hole:
        await hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        host, port = hole.getsockname()
        fillers = [trio.socket.socket() for _ in range(3)]
        for filler in fillers:  # its queue is full: further SYNs are dropped
            filler._sock.setblocking(False)  # type: ignore[attr-defined]
            filler._sock.connect_ex((host, port))  # type: ignore[attr-defined]
        stuck = await api.proxy("stuck", upstream=f"{host}:{port}")
        await api.proxy()
        waiting = [await api.dial("stuck") for _ in range(5)]
        await until(lambda: [row.phase for row in stuck.snapshot().rows] == ["dialling"] * 5, "all five are dialled for")
        await answers(*await api.connect())
        await soon(api, "GET", "/proxies")
        await api.toxic("latency", proxy="stuck", latency=1)
        await soon(api, "PATCH", "/proxies/stuck", {"upstream": api.upstream.address})
        assert [await client.error() for client in waiting] == ["EOF"] * 5
        await answers(*await api.connect("stuck"))
        await soon(api, "PATCH", "/proxies/stuck", {"upstream": f"{host}:{port}"})
        await api.dial("stuck")
        await soon(api, "DELETE", "/proxies/stuck")
        for filler in fillers:
            filler.close()


async def test_nothing_is_left_of_a_connection_that_ends_with_bytes_under_way(api: Api) -> None:
    post = await api.proxy()
    await answers(*await api.connect())

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    for end in api.ends:
        end.sock.close()
    await until(lambda: post.snapshot().open == 0, "the first has ended")
    before = descriptors()
    for number in range(30):
        client, server = await api.connect()
        sender, other = (client, server) if number % 2 else (server, client)
        await sender.send(bytes(100_000))
        sender.sock.close()
        other.sock.close()
    await until(lambda: post.snapshot().open == 0, "all have ended")
    await until(lambda: descriptors() <= before, "every descriptor is given back")
    assert post.snapshot().held == 0


@pytest.mark.parametrize(
    ("type_", "figures"),
    [
        ("slicer", {}),
        ("slicer", {"average_size": 10, "size_variation": 20}),
        ("bandwidth", {"rate": -1}),
        ("latency", {"latency": 1, "jitter": LARGEST}),
        ("latency", {"latency": LARGEST}),
        ("timeout", {"timeout": LARGEST}),
        ("slow_close", {"delay": LARGEST}),
        ("slicer", {"average_size": 1, "delay": LARGEST}),
        ("bandwidth", {"rate": LARGEST}),
        ("limit_data", {"bytes": LARGEST}),
    ],
)
async def test_no_figure_brings_it_down(api: Api, type_: str, figures: dict[str, int]) -> None:
    await api.proxy()
    client, server = await api.connect()
    body = {"type": type_, "attributes": figures, "name": "t"}
    status = (await api.go("POST", "/proxies/p/toxics", body)).status
    assert status in (200, 400)
    for end in (client, server):
        await end.send(b"whatever becomes of it")
        end.fin()
    await soon(api, "GET", "/proxies")
    if status == 200:
        await soon(api, "DELETE", "/proxies/p/toxics/t")
    await answers(*await api.connect())


@pytest.mark.parametrize("type_", ["reset_peer", "timeout", "slow_close", "latency"])
async def test_removing_waits_for_no_time_of_a_toxic(api: Api, type_: str) -> None:
    await api.proxy()
    figures: dict[str, Any] = dict.fromkeys(KINDS[type_].attributes, LONG)
    path = await api.toxic(type_, **figures)
    _, server = await api.connect()
    await server.send(b"under way")
    server.fin()
    await soon(api, "DELETE", path)
    await soon(api, "DELETE", "/proxies/p")


async def test_toxics_keep_their_places_when_a_timeout_is_removed(api: Api) -> None:
    await api.proxy()
    first = await api.toxic("timeout", timeout=LONG)
    client, server = await api.connect()
    second = await api.toxic("latency", latency=LONG)
    await api.go("DELETE", first)
    await api.go("PATCH", second, {"attributes": {"latency": 1}})
    with trio.fail_after(PATIENCE):
        await answers(client, server)
    assert [toxic["name"] for toxic in await api.get("/proxies/p/toxics")] == ["latency_downstream"]
