"""What starts a packet fault, and on which connections: seen by the peer's kernel, which has to send again what the fault takes.

Most faults here are a `drop` that takes the next one segment, so that it is exact where they begin.
"""

from __future__ import annotations

import pytest
import trio

from faultproxy.kernel import sockdiag
from tests.live.rig import End, Rig, holds, in_network, rig, until
from tests.live.taps import fault, info

pytestmark = pytest.mark.live

NEXT = 'segments = "data"\ntake = 1\n'


def drop(starts: str = "", *, tap: str = "from_client", name: str = "drop", rest: str = NEXT) -> str:
    return fault("drop", tap, f'name = "{name}"\n{rest}', starts=starts)  # type: ignore[arg-type]


async def pass_on(source: End, sink: End, data: bytes, *, lost: bool) -> None:
    """Sends a message, which arrives, and has to be sent again (`lost`) or not."""
    before = info(source).total_retrans
    await source.send(data)
    assert await sink.recv(len(data)) == data
    await until(lambda: info(source).unacked == 0, "that it is acknowledged")
    assert info(source).total_retrans - before == lost, data


async def known(r: Rig, name: str, starts: int = 1) -> None:
    """Waits until the proxy has taken notice of what starts the fault: the program at the other end may be faster."""
    await until(lambda: r.stats(name)[0] >= starts, f"start {starts} of {name}")


@in_network()
async def test_from_the_opening() -> None:
    async with rig(drop()) as r:
        client, server = await r.connect()
        await pass_on(client, server, b"first", lost=True)
        await pass_on(client, server, b"second", lost=False)


@in_network()
async def test_at_a_time_of_the_clock() -> None:
    async with rig(drop('at = "300ms"')) as r:
        early, early_server = await r.connect()
        await pass_on(early, early_server, b"before", lost=False)
        await known(r, "drop")
        await pass_on(early, early_server, b"after", lost=True)
        late, late_server = await r.connect()
        await pass_on(late, late_server, b"opened while it lasts", lost=True)


@in_network()
async def test_some_time_after_the_connection_opened() -> None:
    async with rig(drop('after = "200ms"')) as r:
        client, server = await r.connect()
        await pass_on(client, server, b"before", lost=False)
        await known(r, "drop")
        await pass_on(client, server, b"after", lost=True)


@in_network()
async def test_after_a_count_of_bytes() -> None:
    async with rig(drop('after_bytes = "10B"')) as r:
        client, server = await r.connect()
        await pass_on(client, server, b"nine byte", lost=False)
        await pass_on(client, server, b"s", lost=False)
        await known(r, "drop")
        await pass_on(client, server, b"the eleventh", lost=True)


@in_network()
async def test_after_a_count_of_bytes_of_the_other_direction() -> None:
    async with rig(drop('after_bytes = {s2c = "4B"}')) as r:
        client, server = await r.connect()
        await pass_on(client, server, b"before", lost=False)
        await pass_on(server, client, b"four", lost=False)
        await known(r, "drop")
        await pass_on(client, server, b"after", lost=True)


@pytest.mark.parametrize("tap", ["from_client", "from_server"])
@in_network()
async def test_on_a_pattern(tap: str) -> None:
    async with rig(drop('on_match = {s2c = "LOGIN OK"}', tap=tap)) as r:
        client, server = await r.connect()
        await pass_on(client, server, b"LOGIN OK, says the client", lost=False)
        await pass_on(server, client, b"LOGIN ", lost=False)
        await pass_on(server, client, b"OK", lost=False)
        await known(r, "drop")
        await pass_on(client, server, b"from the client", lost=tap == "from_client")
        await pass_on(server, client, b"from the server", lost=tap == "from_server")


@in_network()
async def test_on_a_fin_whose_acknowledgement_it_meets_already() -> None:
    async with rig(drop('on_fin = "client"', tap="to_client", rest='segments = "ack"\nrewind = true')) as r:
        client, server = await r.connect()
        client.fin()
        assert await server.recv_all() == b""
        await until(lambda: info(client).state == "FIN_WAIT_1" and info(client).total_retrans >= 1, "a FIN sent again")
        await server.send(b"goes on")
        assert await client.recv(7) == b"goes on"
        assert info(client).state == "FIN_WAIT_1"
        r.proxy.order("drop", heal=True)
        await until(lambda: info(client).state == "FIN_WAIT_2", "the acknowledgement")
        server.fin()
        assert await client.recv_all() == b""


@in_network()
async def test_when_another_fault_starts_and_when_one_heals() -> None:
    first = 'kind = "latency"\nname = "first"\ndelay = "1ms"\non_match = "GO"\nlasts = "300ms"\n'
    async with rig(first, drop('on_fault = "first"'), drop('on_heal = "first"', tap="from_server", name="last")) as r:
        client, server = await r.connect()
        await pass_on(client, server, b"GO", lost=False)
        await known(r, "drop")
        await pass_on(client, server, b"after", lost=True)
        await known(r, "last")
        await pass_on(server, client, b"at last", lost=True)


@in_network()
async def test_by_an_order_for_those_that_are_open_and_those_that_come() -> None:
    async with rig(drop("manual = true")) as r:
        client, server = await r.connect()
        await pass_on(client, server, b"before", lost=False)
        r.proxy.order("drop")
        await pass_on(client, server, b"after", lost=True)
        later, later_server = await r.connect()
        await pass_on(later, later_server, b"after", lost=True)
        r.proxy.order("drop", heal=True)
        last, last_server = await r.connect()
        await pass_on(last, last_server, b"healed", lost=False)


@in_network()
async def test_again_and_again_for_a_time() -> None:
    async with rig(drop('after = "50ms"\nevery = "400ms"\nlasts = "200ms"\ntimes = 3', rest='segments = "data"')) as r:
        client, server = await r.connect()
        for start in (1, 2, 3):
            await known(r, "drop", start)
            await pass_on_until_resent(client, server)
            await until(lambda: r.proxy.run.stats[0].where == 0, "its end")
            await pass_on(client, server, b"between", lost=False)
        await holds(lambda: r.stats("drop")[0] == 3, 0.5, "three times, and no more")


async def pass_on_until_resent(client: End, server: End) -> None:
    before = info(client).total_retrans
    await client.send(b"x")
    assert await server.recv(1) == b"x"
    await until(lambda: info(client).unacked == 0 and info(client).total_retrans > before, "a resend")


# ------------------------------------------------------------------ who is hit


def passed(r: Rig) -> int:
    """Segments that have come through the queue."""
    conductor = r.proxy._conductor
    assert conductor is not None
    assert conductor.plane is not None
    return conductor.plane.queue.received


async def talk(client: End, server: End) -> None:
    """Both ways, more than a few segments; then the end of both directions."""
    data = bytes(100_000)
    for source, sink in ((client, server), (server, client)):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.send, data)
            assert await sink.recv(len(data)) == data
    client.fin()
    assert await server.recv_all() == b""
    server.fin()
    assert await client.recv_all() == b""


@pytest.mark.parametrize(
    ("who", "hit"),
    [("[2, 5]", [2, 5]), ("{skip = 1, step = 2}", [2, 4, 6]), ("{skip = 1, take = 2}", [2, 3]), ('{source = "127.0.0.2"}', [2, 4, 6])],
)
@in_network()
async def test_connections_are_chosen_and_of_the_others_nothing_but_the_syn_passes_the_queue(who: str, hit: list[int]) -> None:
    async with rig(fault("drop", "from_client", f"{NEXT}connections = {who}\nmay_not_fire = true")) as r:
        for number in range(1, 7):
            before = passed(r)
            client, server = await r.connect("127.0.0.2" if number % 2 == 0 else "127.0.0.1")
            await pass_on(client, server, b"hit or not", lost=number in hit)
            if number in hit:
                assert passed(r) - before > 3
            else:
                await talk(client, server)
                assert passed(r) - before == 1, "its SYN, and nothing else of it, was to pass the queue"


@in_network()
async def test_a_tap_that_no_fault_has_to_do_with_is_not_watched() -> None:
    async with rig(drop("manual = true\nmay_not_fire = true", tap="from_server")) as r:
        client, server = await r.connect()
        await until(lambda: passed(r) >= 3, "the SYN of each leg, and the answer to the second")
        before = passed(r)
        data = bytes(1_000_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.send, data)
            assert await client.recv(len(data)) == data
        assert 0 < passed(r) - before <= 1 + sum(each.info.segs_out for each in sockets_of(server) if each.info is not None)


def sockets_of(end: End) -> list[sockdiag.Diag]:
    return sockdiag.sockets(local_port=end.sock.getsockname()[1], remote_port=end.sock.getpeername()[1])


@in_network()
async def test_what_waits_idle_passes_in_bundles() -> None:
    """A fault that does not act yet costs little: segments of a bulk transfer come bundled, as the kernel has them."""
    async with rig(drop("manual = true\nmay_not_fire = true")) as r:
        client, server = await r.connect()
        before = passed(r)
        data = bytes(4_000_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send, data)
            assert await server.recv(len(data)) == data
        assert passed(r) - before < len(data) / 1448 / 4
