"""Two memory streams, a relay between them, and a clock that jumps to the next deadline: what arrives when, exactly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from faultproxy.core.run import Run
from faultproxy.net.relay import relay
from tests.live.rig import plan

Stream = trio.StapledStream[trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream]


@asynccontextmanager
async def relayed(*faults: str, seed: int = 1) -> AsyncIterator[tuple[Stream, Stream, Run]]:
    """The client's and the server's end of a relay with these faults."""
    client, near = trio.testing.memory_stream_pair()
    far, server = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:

        async def carry(task_status: trio.TaskStatus[Run] = trio.TASK_STATUS_IGNORED) -> None:
            await relay(near, far, [plan(text) for text in faults], seed=seed, task_status=task_status)

        run: Run = await nursery.start(carry)
        yield client, server, run
        nursery.cancel_scope.cancel()


async def arrivals(stream: Stream, began: float) -> list[tuple[float, bytes]]:
    """What comes and when, up to the end of the stream (an empty last entry)."""
    got = []
    while True:
        try:
            data = bytes(await stream.receive_some(65536))
        except trio.BrokenResourceError:
            data = b""
        got.append((round(trio.current_time() - began, 6), data))
        if not data:
            return got


async def test_nothing_is_done_without_a_fault(autojump_clock: trio.testing.MockClock) -> None:
    async with relayed() as (client, server, _):
        await client.send_all(b"abc")
        await client.send_eof()
        assert await arrivals(server, trio.current_time()) == [(0.0, b"abc"), (0.0, b"")]
        await server.send_all(b"answer")
        await server.send_eof()
        assert await arrivals(client, trio.current_time()) == [(0.0, b"answer"), (0.0, b"")]


async def test_latency_is_exact(autojump_clock: trio.testing.MockClock) -> None:
    async with relayed('kind = "latency"\ndirection = "c2s"\ndelay = "200ms"') as (client, server, _):
        began = trio.current_time()
        await client.send_all(b"one")
        await trio.sleep(0.05)
        await client.send_all(b"two")
        await client.send_eof()
        assert await arrivals(server, began) == [(0.2, b"one"), (0.25, b"two"), (0.25, b"")]


async def test_a_stall_holds_and_heals_in_time(autojump_clock: trio.testing.MockClock) -> None:
    async with relayed('kind = "stall_reads"\ndirection = "c2s"\nafter = "1s"\nlasts = "2s"') as (client, server, _):
        began = trio.current_time()
        await client.send_all(b"before")
        assert bytes(await server.receive_some(100)) == b"before"
        await trio.sleep(1.5)
        await client.send_all(b"during")
        await client.send_eof()
        assert await arrivals(server, began) == [(3.0, b"during"), (3.0, b"")]


async def test_hold_fin_holds_nothing_but_the_fin(autojump_clock: trio.testing.MockClock) -> None:
    async with relayed('kind = "hold_fin"\ndirection = "c2s"\nlasts = "6s"') as (client, server, run):
        began = trio.current_time()
        await client.send_all(b"bye")
        await client.send_eof()
        await server.send_all(b"more for you")
        assert bytes(await client.receive_some(100)) == b"more for you"
        assert await arrivals(server, began) == [(0.0, b"bye"), (6.0, b"")]
        assert run.stats[0].fired == 1


async def test_bandwidth_takes_the_time_it_must(autojump_clock: trio.testing.MockClock) -> None:
    async with relayed('kind = "bandwidth"\ndirection = "c2s"\nrate = "10kB/s"') as (client, server, _):
        began = trio.current_time()
        await client.send_all(b"x" * 20_000)
        await client.send_eof()
        got = await arrivals(server, began)
        assert sum(len(data) for _, data in got) == 20_000
        assert got[-1][0] == 2.0


async def test_every_starts_again_and_again(autojump_clock: trio.testing.MockClock) -> None:
    fault = 'kind = "inject"\ndirection = "s2c"\npayload = "!"\nafter = "1s"\nevery = "2s"\ntimes = 3'
    async with relayed(fault) as (client, server, _):
        began = trio.current_time()
        await trio.sleep(10)
        await server.send_eof()
        assert await arrivals(client, began) == [(10.0, b"!!!"), (10.0, b"")]
        assert trio.current_time() - began == pytest.approx(10)


async def test_a_reset_closes_both_streams_by_force(autojump_clock: trio.testing.MockClock) -> None:
    async with relayed('kind = "reset"\nafter_bytes = {c2s = "3B"}\nafter = "1s"') as (client, server, _):
        began = trio.current_time()
        await client.send_all(b"abc")
        got = await arrivals(server, began)
        assert got == [(0.0, b"abc"), (1.0, b"")]
        assert await arrivals(client, began) == [(1.0, b"")]


async def test_cancelled_from_outside_it_closes_both_streams() -> None:
    client, near = trio.testing.memory_stream_pair()
    far, server = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(relay, near, far, [])
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    for end in (client, server):
        with trio.fail_after(1):
            assert bytes(await end.receive_some(1)) == b""
