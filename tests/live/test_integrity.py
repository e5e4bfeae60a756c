"""Faults put on and taken off while bytes flow, over and over: every byte arrives, in order, and nothing else."""

from __future__ import annotations

import hashlib
import os
import random

import pytest
import trio

from tests.live.rig import End, rig

pytestmark = pytest.mark.live

BLOCK = os.urandom(1 << 20)
FAULTS = (
    'kind = "latency"\nname = "late"\nmanual = true\ndelay = "3ms"\njitter = "2ms"',
    'kind = "slice"\nname = "cut"\nmanual = true\nsize = "1000B"\nvariation = "900B"',
    'kind = "bandwidth"\nname = "narrow"\nmanual = true\nrate = "30MB/s"\nlasts = "40ms"',
    'kind = "stall_reads"\nname = "deaf"\nmanual = true\nlasts = "10ms"\nbuffer = "256KiB"',
    'kind = "coalesce"\nname = "lots"\nmanual = true\nsize = "9KiB"\nwait = "2ms"',
    'kind = "latency"\nname = "at"\nafter_bytes = "1MiB"\ntimes = 30\nlasts = "5ms"\ndelay = "1ms"',
    'kind = "latency"\nname = "on"\non_match = {hex = "00 01"}\ntimes = 50\nlasts = "3ms"\ndelay = "1ms"',
    'kind = "coalesce"\nname = "often"\nevery = "20ms"\nlasts = "8ms"\nsize = "4KiB"\nwait = "1ms"',
    'kind = "hold_fin"\nname = "fin"\nlasts = "200ms"',
)


@pytest.mark.parametrize("epoll", [True, False], ids=["epoll", "tasks"])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_bytes_survive_faults_that_come_and_go(seed: int, epoll: bool) -> None:
    choose = random.Random(seed)
    size = 24
    sums: dict[str, tuple[int, str]] = {}

    async def feed(end: End) -> None:
        for _ in range(size):
            await end.send(BLOCK)
        end.fin()

    async def take(name: str, end: End) -> None:
        sums[name] = await end.digest()

    async with rig(*FAULTS, seed=seed, epoll=epoll) as r:
        client, server = await r.connect()
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                for name, source, sink in (("c2s", client, server), ("s2c", server, client)):
                    nursery.start_soon(feed, source)
                    nursery.start_soon(take, name, sink)
                while len(sums) < 2:
                    r.proxy.order(choose.choice(("late", "cut", "narrow", "deaf", "lots")), heal=choose.random() < 0.5)
                    await trio.sleep(choose.random() * 0.005)
    whole = (size << 20, hashlib.sha256(BLOCK * size).hexdigest())
    assert sums == {"c2s": whole, "s2c": whole}
