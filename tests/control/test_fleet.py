"""A fleet of proxies on real sockets: they come and go, and their faults with them."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import trio

from faultproxy.control.errors import Taken, Unfit, Unknown
from faultproxy.control.fleet import Fleet, Spec, open_fleet
from faultproxy.control.post import Post
from faultproxy.core.replay import replay
from faultproxy.errors import ListenError, ScenarioError
from faultproxy.faults.tables import fault, plans

pytestmark = pytest.mark.live


async def answer(stream: trio.SocketStream) -> None:
    async with stream:
        with suppress(trio.BrokenResourceError):
            async for data in stream:
                await stream.send_all(data)


@asynccontextmanager
async def fleet_and_server() -> AsyncIterator[tuple[Fleet, str]]:
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, answer, [listener])
        async with open_fleet(seed=1) as fleet:
            yield fleet, f"127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()
    for stream in STREAMS:
        stream.socket.close()
    STREAMS.clear()


STREAMS: list[trio.SocketStream] = []
"""To be closed at the end of a test."""


async def connect(post: Post) -> trio.SocketStream:
    host, _, port = post.listen.rpartition(":")
    stream = await trio.open_tcp_stream(host, int(port))
    STREAMS.append(stream)
    return stream


async def echo(stream: trio.SocketStream, data: bytes = b"ping") -> float:
    """Seconds until it is answered."""
    began = trio.current_time()
    await stream.send_all(data)
    got = b""
    with trio.fail_after(5):
        while len(got) < len(data):
            part = await stream.receive_some()
            assert part, "closed"
            got += part
    assert got == data
    return trio.current_time() - began


async def until_opened(post: Post, count: int = 1) -> None:
    with trio.fail_after(5):
        while post.snapshot().open < count:
            await trio.sleep(0.005)


LATE: dict[str, Any] = {"kind": "latency", "name": "late", "direction": "s2c", "delay": "200ms"}


async def test_faults_come_and_go_on_an_open_connection() -> None:
    async with fleet_and_server() as (fleet, upstream):
        post = await fleet.create(Spec("a", "127.0.0.1:0", upstream))
        stream = await connect(post)
        await echo(stream)
        post.add(fault(LATE))
        assert await echo(stream) >= 0.19
        post.change(fault(LATE | {"delay": "400ms"}))
        assert await echo(stream) >= 0.39
        post.remove("late")
        await echo(stream)
        assert list(post.faults) == []
        with pytest.raises(Unknown, match="has no fault 'late'; it has: none"):
            post.remove("late")


async def test_faults_survive_disabling_and_a_move() -> None:
    async with fleet_and_server() as (fleet, upstream):
        post = await fleet.create(Spec("a", "127.0.0.1:0", upstream, faults=(fault(LATE),)))
        first = post.listen
        stream = await connect(post)
        await post.disable()
        assert await stream.receive_some() == b""
        assert not post.enabled
        with pytest.raises(Unfit, match="enable it first"):
            post.order("late")
        await post.enable()
        assert post.listen == first
        await post.move(listen="127.0.0.1:0")
        assert post.listen != first
        assert await echo(await connect(post)) >= 0.19


async def test_a_move_that_fails_changes_nothing() -> None:
    async with fleet_and_server() as (fleet, upstream):
        post = await fleet.create(Spec("a", "127.0.0.1:0", upstream))
        stream = await connect(post)
        await echo(stream)
        with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ListenError):
            await post.move(listen=f"127.0.0.1:{taken.getsockname()[1]}", upstream="127.0.0.1:1")
        assert (post.upstream, post.enabled) == (upstream, True)
        await echo(stream)
        with pytest.raises(ScenarioError):
            await post.move(listen="nonsense")
        await echo(stream)


async def test_names_are_unique_and_what_cannot_listen_is_not_there() -> None:
    async with fleet_and_server() as (fleet, upstream):
        post = await fleet.create(Spec("a", "127.0.0.1:0", upstream))
        with pytest.raises(Taken):
            await fleet.create(Spec("a", "127.0.0.1:0", upstream))
        with pytest.raises(ListenError):
            await fleet.create(Spec("b", post.listen, upstream))
        assert list(fleet.posts) == ["a"]
        await fleet.remove("a")
        with pytest.raises(Unknown, match="there are: none"):
            fleet.get("a")
        with pytest.raises(OSError):  # noqa: PT011
            await connect(post)


async def test_a_connection_is_looked_at_and_killed() -> None:
    async with fleet_and_server() as (fleet, upstream):
        post = await fleet.create(Spec("a", "127.0.0.1:0", upstream))
        stream, other = await connect(post), await connect(post)
        await echo(stream)
        await echo(other)
        assert (post.connection(1).c2s, post.snapshot().open) == (4, 2)
        post.kill(1)
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
        result = replay([line + "\n" for line in post.journal()], plans)
        assert result.difference is None
        assert [line for line in post.journal() if "killed" in line and '"connection": 2' in line] == []
        await echo(other)
        with pytest.raises(Unknown, match="no open connection 1"):
            post.kill(1)


@pytest.mark.parametrize("upstream", ["127.0.0.1:1", "not an address"])
async def test_who_cannot_be_connected_is_told_by_a_fin_if_that_is_wanted(upstream: str) -> None:
    async with fleet_and_server() as (fleet, _):
        orderly = await fleet.create(Spec("a", "127.0.0.1:0", upstream, orderly=True))
        plain = await fleet.create(Spec("b", "127.0.0.1:0", upstream))
        with trio.fail_after(5):
            assert await (await connect(orderly)).receive_some() == b""
            with pytest.raises((trio.BrokenResourceError, OSError)):  # the RST may come before connect() has returned
                await (await connect(plain)).receive_some()


async def test_the_journal_is_followed_and_a_slow_listener_loses_the_oldest() -> None:
    async with fleet_and_server() as (fleet, upstream):
        post = await fleet.create(Spec("a", "127.0.0.1:0", upstream))
        other = await fleet.create(Spec("b", "127.0.0.1:0", upstream))
        with fleet.subscribe("a") as everything, fleet.subscribe("a", size=2) as slow:
            await echo(await connect(other))
            await echo(await connect(post))
            with trio.fail_after(5):
                assert [(await anext(everything))["event"] for _ in range(3)] == ["connect", "open", "dial"]
                first = await anext(slow)
                assert first["event"] == "lost"
                assert {(await anext(slow))["proxy"] for _ in range(2)} == {"a"}
        assert '"faultproxy.journal"' in post.journal()[0]


async def test_nobody_waits_for_a_peer_that_does_not_read() -> None:
    async with fleet_and_server() as (fleet, upstream):
        post = await fleet.create(Spec("a", "127.0.0.1:0", upstream, faults=(fault(LATE),)))
        stream = await connect(post)
        with trio.move_on_after(0.5):
            await stream.send_all(b"x" * 64 * 2**20)
        began = trio.current_time()
        post.change(fault(LATE | {"delay": "1s"}))
        post.remove("late")
        await post.disable()
        assert trio.current_time() - began < 1


async def test_a_mistake_in_one_proxy_ends_that_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with fleet_and_server() as (fleet, upstream):
        post = await fleet.create(Spec("a", "127.0.0.1:0", upstream))
        other = await fleet.create(Spec("b", "127.0.0.1:0", upstream))
        assert post.proxy is not None
        assert post.proxy._conductor is not None
        monkeypatch.setattr(post.proxy._conductor.board, "_round", lambda: 1 / 0)
        with suppress(OSError, trio.BrokenResourceError):
            await connect(post)
        with trio.fail_after(5):
            while post.enabled:
                await trio.sleep(0.01)
        assert "a mistake of faultproxy itself: ZeroDivisionError" in post.messages[-1]
        await echo(await connect(other))
        await post.enable()
        await echo(await connect(post))
