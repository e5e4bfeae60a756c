"""Packet faults on connections that nobody stands between: client and server keep their own, and their kernels tell what becomes of it."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from contextlib import closing

import pytest
import trio

from faultproxy.core import events as ev
from faultproxy.core.header import Packet, make
from faultproxy.core.shape import RST
from faultproxy.kernel import procnet
from faultproxy.kernel.nfqueue import NUMBERS, Queue
from tests.live.ground import Ground, ground, intercepting, listening, passes, tables
from tests.live.rig import End, holds, in_network, until
from tests.live.taps import info

pytestmark = pytest.mark.live

both_versions = pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
UNHEARD = 'kind = "drop"\nname = "unheard"\ndirection = "c2s"\nsegments = "data"\n'
"""What the client sends is lost, and he sends it again and again."""


async def unheard(client: End, server: End) -> None:
    """What the client says now is lost and resent."""
    await client.send(b"lost")
    await until(lambda: info(client).total_retrans >= 2, "resends")
    assert server.nothing_to_read()


async def unheard_until_healed(g: Ground, client: End, server: End) -> None:
    """The same; healed, it arrives."""
    await unheard(client, server)
    assert g.fired("unheard") >= 2
    await passes(server, client)
    g.intercept.order("unheard", heal=True)
    assert await server.recv(4) == b"lost"


# ----------------------------------------------------------------- what starts a fault


async def from_the_start(client: End, server: End) -> None:
    pass


async def by_a_word(client: End, server: End) -> None:
    await passes(client, server, b"hello G")
    await passes(client, server, b"O!")


async def by_a_word_of_the_other(client: End, server: End) -> None:
    await passes(client, server, b"GO")
    await passes(server, client, b"GO")


async def by_bytes(client: End, server: End) -> None:
    for _ in range(2):
        await passes(server, client, b"x" * 20_000)
        await passes(client, server, b"x" * 5000)


async def by_bytes_of_the_other(client: End, server: End) -> None:
    await passes(client, server, b"x" * 20_000)
    await passes(server, client, b"x" * 20_000)


@pytest.mark.parametrize(
    ("start", "first"),
    [
        ("", from_the_start),
        ('on_match = "GO"\n', by_a_word),
        ('on_match = {s2c = "GO"}\n', by_a_word_of_the_other),
        ('after_bytes = "10kB"\n', by_bytes),
        ('after_bytes = {s2c = "20kB"}\n', by_bytes_of_the_other),
    ],
)
@both_versions
@in_network()
async def test_it_starts(start: str, first: Callable[[End, End], Awaitable[None]], host: str) -> None:
    async with ground(UNHEARD + start, host=host) as g:
        client, server = await g.connect()
        await first(client, server)
        await until(lambda: g.intercept.snapshot().rows[0].active == ("unheard",), "that it is active")
        await unheard_until_healed(g, client, server)


@both_versions
@in_network()
async def test_it_starts_by_the_clock_and_by_hand(host: str) -> None:
    async with ground(UNHEARD + 'at = "150ms"\n', UNHEARD.replace("unheard", "later") + "manual = true\n", host=host) as g:
        client, server = await g.connect()
        await passes(client, server)
        await until(lambda: g.intercept.snapshot().rows[0].active == ("unheard",), "that it is active")
        await unheard_until_healed(g, client, server)
        g.intercept.order("later")
        await client.send(b"lost")
        await until(lambda: g.fired("later") >= 2, "resends")
        g.intercept.order("later", heal=True)
        assert await server.recv(4) == b"lost"
        with pytest.raises(KeyError, match="no fault 'nothing'; there are: unheard, later"):
            g.intercept.order("nothing")


@both_versions
@in_network()
async def test_it_starts_behind_a_fin(host: str) -> None:
    fault = 'kind = "drop"\nname = "acks"\ndirection = "s2c"\nsegments = "ack"\nrewind = true\non_fin = "client"\n'
    async with ground(fault, host=host) as g:
        client, server = await g.connect()
        await passes(client, server)
        client.fin()
        assert await server.recv_all() == b"", "the FIN itself passes"
        await until(lambda: info(client).retransmits >= 1, "a FIN sent again")
        assert (client.state(), server.state()) == ("FIN_WAIT_1", "CLOSE_WAIT")
        await passes(server, client)
        assert client.state() == "FIN_WAIT_1"
        g.intercept.order("acks", heal=True)
        await until(lambda: client.state() == "FIN_WAIT_2", "FIN_WAIT_2")
        server.fin()
        await until(lambda: (client.state(), g.open) == ("TIME_WAIT", 0), "the end")


@both_versions
@in_network()
async def test_both_ends_are_in_the_same_connection(host: str) -> None:
    async with ground('kind = "drop"\nname = "synack"\ndirection = "s2c"\nsegments = "synack"\n', host=host) as g:
        sock = g.dialling()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sock.connect, (host, g.port))

            def states() -> set[tuple[str, int]]:
                return {(row.state, row.local[1]) for row in procnet.sockets() if row.state != "LISTEN"}

            port = sock.getsockname()[1]
            await until(lambda: states() == {("SYN_SENT", port), ("SYN_RECV", g.port)}, "SYN_SENT against SYN_RECV")
            await holds(lambda: states() == {("SYN_SENT", port), ("SYN_RECV", g.port)}, 0.3, "SYN_SENT against SYN_RECV")
            g.intercept.order("synack", heal=True)
        await until(lambda: states() == {("ESTABLISHED", port), ("ESTABLISHED", g.port)}, "a connection")
        sock.close()


# ------------------------------------------------------------------------------ whom


@both_versions
@in_network()
async def test_some_are_chosen(host: str) -> None:
    async with ground(UNHEARD + "connections = [2]\n", host=host) as g:
        first, second, third = [await g.connect() for _ in range(3)]
        await passes(*first)
        await passes(*third)
        await unheard_until_healed(g, *second)
        assert {number for number, _ in g.told} == {2}, "nothing else of the others than that they have come was looked at"
        assert g.intercept.snapshot().opened == 3


@in_network()
async def test_the_same_port_again_is_another_connection() -> None:
    async with ground(UNHEARD + "connections = [2, 4]\n") as g:
        client, server = await g.connect()
        port = client.sock.getsockname()[1]
        for number in (2, 3, 4):
            client.reset()
            assert await server.error() == "ECONNRESET"
            client, server = await g.connect(port)
            assert g.intercept.snapshot().opened == number
            if number == 3:
                await passes(client, server)
            else:
                await unheard(client, server)


@in_network()
async def test_a_syn_sent_again_is_no_other_connection() -> None:
    async with ground(UNHEARD + "connections = [9]\n", backlog=0) as g:
        async with trio.open_nursery() as nursery:
            socks = [g.dialling() for _ in range(3)]
            for sock in socks:
                nursery.start_soon(sock.connect, (g.host, g.port))
            # With a backlog of 0 there is room for one; the others' SYNs are dropped by their receiver.
            await until(lambda: any(row.retransmits for row in procnet.find(remote_port=g.port, state="SYN_SENT")), "a SYN sent again")
            for _ in socks:
                accepted, _ = await g.listener.accept()
                g.ends.append(End(accepted))
        assert g.intercept.snapshot().opened == 3
        for sock in socks:
            sock.close()


@both_versions
@in_network()
async def test_who_was_there_before_is_left_alone(host: str) -> None:
    with await listening(host) as listener:
        before = Ground(host, listener, None)  # type: ignore[arg-type]
        client, server = await before.connect()
        there = f"[{host}]" if ":" in host else host
        async with intercepting('kind = "vanish"\nmay_not_fire = true\n', upstream=f"{there}:{before.port}") as intercept:
            for _ in range(5):
                await passes(client, server)
                await passes(server, client)
            client.fin()
            assert await server.recv_all() == b""
            server.fin()
            assert await client.recv_all() == b""
            assert intercept.snapshot().opened == 0
        for end in before.ends:
            end.sock.close()


# ----------------------------------------------------------------------- how it ends


@both_versions
@pytest.mark.parametrize("start", ["", 'on_match = "nobody says this"\n'])
@in_network()
async def test_what_is_counted(start: str, host: str) -> None:
    fault = 'kind = "delay"\nname = "late"\ndirection = "both"\ndelay = "1ms"\nmay_not_fire = true\n'
    async with ground(fault + start, host=host) as g:
        client, server = await g.connect()
        await passes(client, server, b"x" * 100_000)
        await passes(server, client, b"x" * 70_000)
        (row,) = g.intercept.snapshot().rows
        assert (row.ordinal, row.phase, row.c2s) == (1, "intercepted", 100_000)
        client.fin()
        assert await server.recv_all() == b""
        assert g.open == 1, "only half of it is closed"
        server.fin()
        await until(lambda: g.open == 0, "the end")
        assert (g.intercept.snapshot().c2s, g.intercept.snapshot().s2c) == (100_000, 70_000)
        assert (g.count(ev.Dialled), g.count(ev.Eof)) == (1, 2)
        await g.connect()
        assert g.open == 1
    ended = g.intercept.snapshot()
    assert (ended.opened, ended.c2s, ended.s2c) == (2, 100_000, 70_000)


@pytest.mark.parametrize("start", ["", 'after_bytes = "1B"\n'])
@in_network()
async def test_a_fin_that_is_sent_again_is_told_once(start: str) -> None:
    async with ground('kind = "drop"\nname = "fin"\ndirection = "c2s"\nsegments = "fin"\n' + start) as g:
        client, server = await g.connect()
        await passes(client, server)
        client.fin()
        await until(lambda: g.fired("fin") >= 3, "a FIN sent again and again")
        assert server.nothing_to_read()
        assert (g.count(ev.Eof), g.open) == (1, 1)
        g.intercept.order("fin", heal=True)
        assert await server.recv_all() == b""


@in_network()
async def test_only_a_rst_that_is_heeded_ends_it() -> None:
    async with ground(UNHEARD + 'at = "1h"\nmay_not_fire = true\n') as g:
        client, server = await g.connect()
        await passes(client, server)
        await passes(server, client)
        # At rest no segment comes to the core; a FIN does.
        client.fin()
        assert await server.recv_all() == b""
        fin = g.last("c2s")
        for far in (2**30, 1000, -1000):
            raw_send(make(fin, seq=fin.seq + far, ack=fin.ack, flags=RST))
        raw_send(make(fin, seq=fin.ack + 5000, ack=0, flags=RST, back=True))
        await until(lambda: [event.packet.flags for _, event in g.told if isinstance(event, ev.Seen)].count(RST) == 4, "all four")
        assert g.count(ev.PeerReset) == 0
        assert g.open == 1
        await passes(server, client)
        server.reset()
        await until(lambda: g.open == 0, "the end by a RST that is right")
        assert g.count(ev.PeerReset) == 1
        assert await client.error() == "ECONNRESET"


def raw_send(packet: Packet) -> None:
    """Somebody else's segment: it carries no mark."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        sock.sendto(packet.encode(), ("127.0.0.1", 0))


@in_network()
async def test_refused_is_over() -> None:
    async with ground('kind = "delay"\nname = "late"\ndirection = "both"\ndelay = "10ms"\n') as g:
        g.listener.close()
        with trio.socket.socket() as sock:
            with pytest.raises(ConnectionRefusedError):
                await sock.connect((g.host, int(g.intercept.address.rpartition(":")[2])))
            await until(lambda: g.count(ev.PeerReset) == 1, "that it is told")
            assert g.open == 0


@both_versions
@in_network()
async def test_the_end_leaves_no_rule_and_holds_nothing_back(host: str) -> None:
    assert tables() == []
    held = 'kind = "delay"\nname = "held"\ndirection = "both"\nsegments = "data"\ndelay = "1h"\n'
    with await listening(host) as listener:
        after = Ground(host, listener, None)  # type: ignore[arg-type]
        there = f"[{host}]" if ":" in host else host
        async with intercepting(held, upstream=f"{there}:{after.port}") as intercept:
            client, server = await after.connect()
            await client.send(b"held")
            await until(lambda: intercept.run.stats[0].fired > 0, "that it is held")
            assert len(tables()) == 1
        assert await server.recv(4) == b"held"
        assert tables() == []
        with closing(Queue(NUMBERS.start)):
            await passes(server, client)
        for end in after.ends:
            end.sock.close()
