"""Under loss in bursts, reordering and copies on both legs at once, a long stream arrives whole, and once."""

from __future__ import annotations

import hashlib
from random import Random

import pytest
import trio

from tests.live.rig import End, in_network, rig
from tests.live.taps import fault

pytestmark = pytest.mark.live

MIB = 2**20
BLOCK = Random(1).randbytes(MIB)
TROUBLE = (
    # In the bad state for enter / (enter + leave) of the time, where every segment is lost: 5 %, two in a row on average.
    fault("drop", ("from_client", "to_server"), 'segments = "data"\nburst = {enter = 0.025, leave = 0.475}'),
    fault("reorder", ("from_client", "to_server"), 'segments = "data"\nshare = "1%"\ngap = 4\nwithin = "20ms"'),
    fault("duplicate", ("from_client", "to_server"), 'segments = "data"\nshare = "2%"\ncopies = 2'),
    fault("drop", ("to_client", "from_server"), 'name = "acks"\nsegments = "ack"\nshare = "5%"'),
)


async def send(client: End, count: int) -> str:
    """So many times the block, each time turned by another amount, so that no two places are alike; then a FIN. Its SHA-256."""
    digest = hashlib.sha256()
    for number in range(count):
        turn = number * 1021 % MIB
        part = BLOCK[turn:] + BLOCK[:turn]
        digest.update(part)
        await client.send(part)
    client.fin()
    return digest.hexdigest()


async def conserved(mebibytes: int) -> None:
    async with rig(*TROUBLE) as r:
        client, server = await r.connect()
        sent: list[str] = []

        async def speak() -> None:
            sent.append(await send(client, mebibytes))

        with trio.fail_after(100):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(speak)
                count, got = await server.digest()
        assert (count, got) == (mebibytes * MIB, sent[0])
        assert r.proxy.run.never_fired() == []
        assert r.notes == []


@in_network(mtu=65536, within=120)
async def test_in_large_segments() -> None:
    await conserved(100)


@in_network(within=120)
async def test_in_segments_of_a_real_size() -> None:
    await conserved(100)
