"""Everything that can start a fault, on real connections: what came before passes, what comes after meets it."""

from __future__ import annotations

import itertools

import pytest
import trio

from tests.live.rig import Rig, rig, until

pytestmark = pytest.mark.live

MARK = 'kind = "inject"\ndirection = "s2c"\npayload = "#"\n'
"""A fault whose start can be seen by the client: a # in what it receives."""


async def seen(faults: tuple[str, ...], sends: bytes = b"", answers: bytes = b"", gap: float = 0.0) -> bytes:
    """What the client receives, when it sends `sends` and the server answers with `answers` and a FIN `gap` seconds later."""
    async with rig(*faults) as r:
        client, server = await r.connect()
        if sends:
            await client.send(sends)
            assert await server.recv(len(sends)) == sends
        await server.send(answers)
        await trio.sleep(gap)
        server.fin()
        return await client.recv_all()


async def test_none_starts_with_the_connection() -> None:
    assert await seen((MARK,), answers=b"abc") == b"#abc"


async def test_after_alone_counts_from_the_opening() -> None:
    async with rig(MARK + 'after = "200ms"') as r:
        began = trio.current_time()
        client, _ = await r.connect()
        assert await client.recv(1) == b"#"
        assert 0.19 <= trio.current_time() - began < 0.4


async def test_at_is_the_clock_and_hits_all_that_are_open_and_those_that_open_while_it_lasts() -> None:
    async with rig(MARK + 'at = "400ms"\nlasts = "400ms"') as r:
        early, _ = await r.connect()
        assert await early.recv(1) == b"#"
        assert trio.current_time() - r.proxy.run.clock_start >= 0.39
        meanwhile, _ = await r.connect()
        assert await meanwhile.recv(1) == b"#"
        await until(lambda: r.proxy.run.stats[0].where == 0, "healing")
        late, server = await r.connect()
        server.fin()
        assert await late.recv_all() == b""


async def test_after_bytes_in_its_own_direction() -> None:
    assert await seen((MARK + 'after_bytes = "5B"',), answers=b"0123456789") == b"01234#56789"


async def test_after_bytes_in_the_other_direction() -> None:
    assert await seen((MARK + 'after_bytes = {c2s = "3B"}',), sends=b"abc", answers=b"xyz") == b"#xyz"
    assert await seen((MARK + 'after_bytes = {c2s = "4B"}\nmay_not_fire = true',), sends=b"abc", answers=b"xyz") == b"xyz"


async def test_after_bytes_with_times_starts_at_each_multiple() -> None:
    assert await seen((MARK + 'after_bytes = "3B"\ntimes = 2',), answers=b"0123456789") == b"012#345#6789"


async def test_on_match_across_two_segments_once_unless_times_says_more() -> None:
    async with rig(MARK + 'on_match = "OK"') as r:
        client, server = await r.connect()
        await server.send(b"LOGIN O")
        assert await client.recv(7) == b"LOGIN O"
        await server.send(b"K and OK")
        server.fin()
        assert await client.recv_all() == b"K# and OK"
    assert await seen((MARK + 'on_match = "OK"\ntimes = 2',), answers=b"OK OK OK") == b"OK# OK# OK"


async def test_on_match_of_a_line_by_a_regular_expression_in_the_other_direction() -> None:
    fault = MARK + "on_match = {c2s = {regex = '^LOGIN \\w+$'}}"
    assert await seen((fault,), sends=b"PING\r\nLOGIN bob\r\n", answers=b"hi") == b"#hi"


async def test_on_match_of_bytes_in_hexadecimal() -> None:
    assert await seen((MARK + 'on_match = {hex = "ff 00"}',), answers=b"\xff\x00a") == b"\xff\x00#a"


async def test_on_fin_of_the_client() -> None:
    async with rig(MARK + 'on_fin = "client"') as r:
        client, server = await r.connect()
        await server.send(b"before ")
        assert await client.recv(7) == b"before "
        client.fin()
        assert await server.recv_all() == b""
        await server.send(b"after")
        assert await client.recv(6) == b"#after"


async def test_on_fault_and_on_heal_make_a_chain() -> None:
    chain = (
        'kind = "latency"\nname = "a"\ndelay = "1ms"\non_match = {c2s = "GO"}\nlasts = "100ms"',
        MARK + 'name = "b"\non_fault = "a"',
        'kind = "reset"\nname = "c"\ndirection = "s2c"\non_heal = "a"',
    )
    async with rig(*chain) as r:
        client, server = await r.connect()
        await client.send(b"GO")
        assert await client.recv(1) == b"#"
        assert await client.error() == "ECONNRESET"
        assert await server.recv(2) == b"GO"
        assert [r.stats(name)[0] for name in "abc"] == [1, 1, 1]


async def test_a_chain_reaches_other_connections_where_its_own_is_not_chosen() -> None:
    chain = (
        'kind = "latency"\nname = "a"\ndelay = "1ms"\non_match = {c2s = "GO"}\nconnections = [1]',
        MARK + 'name = "b"\non_fault = "a"\nconnections = [2, 3]',
    )
    async with rig(*chain) as r:
        one, _ = await r.connect()
        two, _ = await r.connect()
        three, _ = await r.connect()
        await one.send(b"GO")
        assert await two.recv(1) == await three.recv(1) == b"#"


async def test_bytes_of_a_connection_can_start_a_fault_of_the_listener() -> None:
    async with rig('kind = "refuse"\non_match = {s2c = "MAINTENANCE"}') as r:
        client, server = await r.connect()
        await server.send(b"MAINTENANCE")
        assert await client.recv(11) == b"MAINTENANCE"
        assert await r.dial_and_fail() == "ECONNREFUSED"


async def test_manual_waits_for_an_order() -> None:
    async with rig(MARK + "manual = true") as r:
        client, server = await r.connect()
        await server.send(b"a")
        assert await client.recv(1) == b"a"
        r.proxy.order("inject")
        assert await client.recv(1) == b"#"
        later, server = await r.connect()  # what acts in an instant is over by now
        await server.send(b"a")
        assert await later.recv(1) == b"a"


async def test_manual_holds_for_those_who_come_later_until_it_is_healed() -> None:
    async with rig('kind = "latency"\ndirection = "c2s"\ndelay = "150ms"\nmanual = true') as r:
        r.proxy.order("latency")
        client, server = await r.connect()
        began = trio.current_time()
        await client.send(b"a")
        assert await server.recv(1) == b"a"
        assert trio.current_time() - began >= 0.149
        r.proxy.order("latency", heal=True)
        began = trio.current_time()
        await client.send(b"b")
        assert await server.recv(1) == b"b"
        assert trio.current_time() - began < 0.1


async def test_lasts_every_and_times() -> None:
    fault = 'kind = "stall_reads"\ndirection = "s2c"\nafter = "100ms"\nlasts = "100ms"\nevery = "200ms"\ntimes = 2'
    async with rig(fault) as r:
        client, server = await r.connect()
        arrived = []

        async def feed() -> None:
            while r.proxy.run.stats[0].heals < 2:
                await server.send(b"x")
                await trio.sleep(0.01)
            server.fin()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed)
            while await client.sock.recv(1):
                arrived.append(trio.current_time())
        assert r.stats("stall_reads") == (2, True)
        gaps = [later - earlier for earlier, later in itertools.pairwise(arrived)]
        assert sum(gap >= 0.085 for gap in gaps) >= 2


async def chosen(r: Rig, count: int) -> list[int]:
    """The ordinals of those connections whose client receives a mark."""
    pairs = [await r.connect() for _ in range(count)]
    hit = []
    for ordinal, (client, server) in enumerate(pairs, 1):
        server.fin()
        if await client.recv_all() == b"#":
            hit.append(ordinal)
    return hit


@pytest.mark.parametrize(
    ("connections", "hit"),
    [
        ('"all"', [1, 2, 3, 4, 5, 6]),
        ("[1, 3]", [1, 3]),
        ("{skip = 1}", [2, 3, 4, 5, 6]),
        ("{skip = 1, step = 2, take = 2}", [2, 4]),
        ('{source = "127.0.0.2"}', []),
        ('{source = "127.0.0.0/8", take = 1}', [1]),
        ('{crowd = "players"}', []),
    ],
)
async def test_whom_it_hits(connections: str, hit: list[int]) -> None:
    async with rig(MARK + f"connections = {connections}") as r:
        assert await chosen(r, 6) == hit


async def test_a_share_is_drawn_from_the_seed_and_the_ordinal() -> None:
    first = []
    for _ in range(2):
        async with rig(MARK + 'connections = {share = "50%"}', seed=7) as r:
            first.append(await chosen(r, 20))
    assert first[0] == first[1]
    assert 3 <= len(first[0]) <= 17
