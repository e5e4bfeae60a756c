"""What each toxic does to a connection, seen from its two ends."""

from __future__ import annotations

import itertools

import pytest
import trio

from faultproxy.control.fleet import open_fleet
from faultproxy.control.toxiproxy import populate
from faultproxy.control.toxiproxy.orders import add_toxic
from tests.control.toxiproxy.conftest import ANYWHERE, Api
from tests.live.rig import End, holds, timed, until

pytestmark = pytest.mark.live

LONG = 60_000
"""Milliseconds: longer than any test waits."""
EARLY = 0.005
"""Seconds by which a clock of ours may be ahead of the test's."""


async def answers(client: End, server: End, text: bytes = b"ping") -> None:
    """Bytes pass both ways."""
    await client.send(text)
    assert await server.recv(len(text)) == text
    await server.send(text)
    assert await client.recv(len(text)) == text


async def test_latency(api: Api) -> None:
    await api.proxy()
    await api.toxic("latency", latency=150)
    await api.toxic("latency", latency=100, name="more")
    client, server = await api.connect()
    await client.send(b"ping")
    assert await server.recv(4) == b"ping"
    began = trio.current_time()
    await server.send(b"pong")
    assert await client.recv(4) == b"pong"
    assert trio.current_time() - began >= 0.25 - EARLY, "several add up"


async def test_latency_does_not_delay_the_end(api: Api) -> None:
    await api.proxy()
    await api.toxic("latency", latency=LONG)
    client, server = await api.connect()
    server.sock.close()
    assert await client.recv(1) == b""


@pytest.mark.parametrize("change", ["patch", "patch to nothing", "delete", "add another", "reset"])
async def test_whatever_is_changed_nothing_in_flight_is_released_early(api: Api, change: str) -> None:
    post = await api.proxy()
    path = await api.toxic("latency", latency=500)
    client, server = await api.connect()
    began = trio.current_time()
    await server.send(b"early")
    await until(lambda: post.snapshot().held == len(b"early"), "the bytes in the proxy")
    match change:
        case "patch":
            await api.go("PATCH", path, {"attributes": {"latency": 1}})
        case "patch to nothing":
            await api.go("PATCH", path, {"attributes": {"latency": 0}})
        case "delete":
            await api.go("DELETE", path)
        case "reset":
            await api.go("POST", "/reset")
        case "add another":
            await api.toxic("noop", name="other")
            await api.toxic("latency", latency=1, name="more")
    await server.send(b"late")
    assert await client.recv(9) == b"earlylate"
    assert trio.current_time() - began >= 0.5 - EARLY


async def test_bandwidth(api: Api) -> None:
    await api.proxy()
    await api.toxic("bandwidth", rate=10)
    client, server = await api.connect()
    began = trio.current_time()
    await server.send(bytes(5000))
    assert len(await client.recv(5000)) == 5000
    assert trio.current_time() - began >= 0.5 - EARLY, "10 kB/s, of 1000 bytes"


@pytest.mark.parametrize("how", ["more", "delete", "reset"])
async def test_no_rate_is_a_stall_that_keeps_what_it_holds(api: Api, how: str) -> None:
    await api.proxy()
    path = await api.toxic("bandwidth", rate=0)
    client, server = await api.connect()
    await server.send(bytes(range(256)) * 1000)
    await holds(client.nothing_to_read, 0.2, "the stall")
    if how == "more":
        await api.go("PATCH", path, {"attributes": {"rate": 10_000}})
    else:
        await api.go("DELETE", path) if how == "delete" else await api.go("POST", "/reset")
    assert await client.recv(256_000) == bytes(range(256)) * 1000
    await answers(client, server)


async def test_a_rate_may_become_a_stall(api: Api) -> None:
    post = await api.proxy()
    path = await api.toxic("bandwidth", rate=1000)
    client, server = await api.connect()
    await answers(client, server)
    await api.go("PATCH", path, {"attributes": {"rate": 0}})
    assert list(post.faults) == ["bandwidth_downstream~stall"]
    await server.send(b"held")
    await holds(client.nothing_to_read, 0.2, "the stall")
    await api.go("PATCH", path, {"attributes": {"rate": 1}})
    assert list(post.faults) == ["bandwidth_downstream"]
    assert await client.recv(4) == b"held"


async def test_slow_close_delays_the_end_of_its_direction(api: Api) -> None:
    await api.proxy()
    await api.toxic("slow_close", delay=300)
    client, server = await api.connect()
    await server.send(b"bytes pass")
    assert await client.recv(10) == b"bytes pass"
    server.fin()
    assert await timed(lambda: client.recv(1)) >= 0.3 - EARLY


async def test_slow_close_leaves_the_other_direction_alone(api: Api) -> None:
    await api.proxy()
    await api.toxic("slow_close", delay=LONG)
    client, server = await api.connect()
    client.fin()
    assert await server.recv(1) == b""


async def test_timeout_closes_whatever_comes(api: Api) -> None:
    await api.proxy()
    await api.toxic("timeout", timeout=400)
    client, server = await api.connect()
    began = trio.current_time()

    async def chatter() -> None:
        for _ in itertools.count():
            await server.send(b"x")
            await trio.sleep(0.05)

    async with trio.open_nursery() as nursery:

        async def talk() -> None:
            with pytest.raises(OSError, match=r"."):
                await chatter()

        nursery.start_soon(talk)
        assert await client.recv(1) == b"", "nothing has come through, and it ends with a FIN"
    assert trio.current_time() - began >= 0.4 - EARLY


async def test_timeout_closes_what_is_idle_too(api: Api) -> None:
    await api.proxy()
    client, server = await api.connect()
    await api.toxic("timeout", timeout=100, stream="upstream")
    assert (await client.error(), await server.error()) == ("EOF", "EOF")


async def test_no_timeout_is_a_black_hole_until_it_is_removed(api: Api) -> None:
    await api.proxy()
    (client, server), (idle, other) = await api.connect(), await api.connect()
    path = await api.toxic("timeout", timeout=0)
    await server.send(b"lost")
    await holds(client.nothing_to_read, 0.2, "the hole")
    await client.send(b"the other way is free")
    assert await server.recv(21) == b"the other way is free"
    await api.go("DELETE", path)
    assert (await client.error(), await server.error()) == ("EOF", "EOF"), "bytes were lost: it cannot go on"
    await answers(idle, other)


async def test_a_timeout_can_be_given_to_a_black_hole(api: Api) -> None:
    await api.proxy()
    path = await api.toxic("timeout", timeout=0)
    client, server = await api.connect()
    await api.go("PATCH", path, {"attributes": {"timeout": 1}})
    assert (await client.error(), await server.error()) == ("EOF", "EOF")


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
async def test_reset_peer_resets_both_ends(api: Api, stream: str) -> None:
    await api.proxy()
    await api.toxic("reset_peer", timeout=200, stream=stream)
    client, server = await api.connect()
    began = trio.current_time()
    sender, receiver = (client, server) if stream == "upstream" else (server, client)
    await sender.send(b"dropped")
    assert await receiver.error() == await sender.error() == "ECONNRESET"
    assert trio.current_time() - began >= 0.2 - 0.1, "counted from when the connection opened"


async def test_reset_peer_resets_what_is_open_and_idle(api: Api) -> None:
    await api.proxy()
    client, server = await api.connect()
    await answers(client, server)
    await api.toxic("reset_peer")
    assert (await client.error(), await server.error()) == ("ECONNRESET", "ECONNRESET")
    assert await api.dial_and_fail() == "ECONNRESET", "and whoever comes later"


async def test_reset_peer_minds_its_toxicity(api: Api) -> None:
    await api.proxy()
    await api.toxic("reset_peer", toxicity=0)
    client, server = await api.connect()
    await answers(client, server)
    server.sock.close()
    assert await client.error() == "EOF"


async def test_slicer(api: Api) -> None:
    await api.proxy()
    await api.toxic("slicer", average_size=100, size_variation=20, delay=20_000)
    client, server = await api.connect()
    sent = bytes(range(256)) * 2
    began = trio.current_time()
    await server.send(sent)
    assert await client.recv(512) == sent
    assert trio.current_time() - began >= 4 * 0.02 - EARLY, "at least five pieces, 20 ms from one to the next"


async def test_limit_data_lets_so_many_bytes_through(api: Api) -> None:
    await api.proxy()
    path = await api.toxic("limit_data", bytes=100)
    client, server = await api.connect()
    await client.send(b"x" * 1000)
    assert await server.recv(1000) == b"x" * 1000, "only its own direction is counted"
    await server.send(bytes(60))
    assert await client.recv(60) == bytes(60)
    assert (await api.go("PATCH", path, {"attributes": {"bytes": 90}})).status == 200
    await server.send(bytes(60))
    assert await client.recv_all() == bytes(30), "what had passed before the change counts"
    assert await server.error() in ("EOF", "ECONNRESET")


async def test_no_data_closes_at_the_first_byte_and_not_before(api: Api) -> None:
    await api.proxy()
    await api.toxic("limit_data", bytes=0, stream="upstream")
    client, server = await api.connect()
    await holds(client.nothing_to_read, 0.1, "the connection")
    await client.send(b"x")
    assert await server.recv_all() == b""
    assert await client.error() in ("EOF", "ECONNRESET")


async def test_noop_and_latency_of_nothing(api: Api) -> None:
    await api.proxy()
    await api.toxic("noop")
    await api.toxic("latency")
    await answers(*await api.connect())


async def test_halves_close_by_themselves(api: Api) -> None:
    await api.proxy()
    await api.toxic("latency", latency=1)
    client, server = await api.connect()
    await client.send(b"a question")
    client.fin()
    assert await server.recv_all() == b"a question"
    await server.send(b"a full answer")
    server.fin()
    assert await client.recv_all() == b"a full answer"


async def _hit(api: Api, count: int) -> list[bool]:
    """Which of so many connections are black holes: all others get the byte that was sent to each."""
    pairs = [await api.connect() for _ in range(count)]
    rows = {row.ordinal: bool(row.active) for row in api.fleet.get("p").snapshot().rows}
    hit = [rows[ordinal] for ordinal in range(1, count + 1)]
    for _, server in pairs:
        await server.send(b"x")
    for (client, _), chosen in zip(pairs, hit, strict=True):
        assert chosen or await client.recv(1) == b"x"
    assert all(client.nothing_to_read() for (client, _), chosen in zip(pairs, hit, strict=True) if chosen)
    return hit


async def test_toxicity_is_drawn_once_for_each_connection_from_the_seed(api: Api) -> None:
    await api.proxy()
    path = await api.toxic("timeout", toxicity=0.5)
    hit = await _hit(api, 30)
    assert 0 < sum(hit) < 30
    async with open_fleet(seed=api.fleet.seed) as fleet:  # once more, with the same seed
        (post,) = await populate(fleet, [{"name": "p", "listen": ANYWHERE, "upstream": api.upstream.address}])
        add_toxic(post, b'{"type":"timeout","toxicity":0.5}')
        assert await _hit(Api(fleet, api.client, api.upstream, api.ends), 30) == hit
    for body in ({}, {"toxicity": 0.5}, {"attributes": {"timeout": 0}}, {"toxicity": 0.75}):
        await api.go("PATCH", path, body)
    still = [bool(row.active) for row in api.fleet.get("p").snapshot().rows]
    assert all(now or not before for now, before in zip(still, hit, strict=True)), "whoever was hit stays so"
    assert all(client.nothing_to_read() for client, chosen in zip(api.ends[:60:2], hit, strict=True) if chosen)
