"""Rare orders of events, each of which once went wrong or easily could."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import trio

from faultproxy.core.actions import Action, Started
from tests.live.rig import rig, until

pytestmark = pytest.mark.live

BOTH = pytest.mark.parametrize("epoll", [True, False], ids=["epoll", "tasks"])


async def test_a_client_that_a_fault_resets_before_the_upstream_is_dialled() -> None:
    async with rig('kind = "reset"\ndirection = "s2c"', 'kind = "connect_delay"\ndelay = "50ms"') as r:
        assert await r.dial_and_fail() == "ECONNRESET"
        (await r.accept()).fin()
        await until(lambda: r.proxy.snapshot().open == 0, "its end")


async def test_a_fault_started_by_hand_comes_after_its_delay_though_nothing_else_happens() -> None:
    async with rig('kind = "inject"\ndirection = "s2c"\npayload = "!"\nmanual = true\nafter = "50ms"') as r:
        client, _ = await r.connect()
        r.proxy.order("inject")
        assert await client.recv(1) == b"!"


async def test_so_does_one_started_by_a_fault_of_another_connection() -> None:
    first = 'kind = "hold_fin"\nconnections = [1]\nmanual = true'
    second = 'kind = "inject"\ndirection = "s2c"\npayload = "!"\nconnections = [2]\non_fault = "hold_fin"\nafter = "50ms"'
    async with rig(first, second) as r:
        await r.connect()
        client, _ = await r.connect()
        r.proxy.order("hold_fin")
        assert await client.recv(1) == b"!"


@BOTH
async def test_one_who_was_blocked_is_read_again_when_a_fault_has_ended_the_other_leg(epoll: bool) -> None:
    async with rig('kind = "reset"\ndirection = "c2s"\nmanual = true', epoll=epoll) as r:
        client, server = await r.connect()
        with trio.move_on_after(0.2):
            await client.send(b"x" * (64 << 20))
        await until(lambda: r.proxy.snapshot().held > 0, "bytes that the server does not take")
        r.proxy.order("reset")
        with trio.fail_after(5):
            await client.send(b"x" * (32 << 20))  # read, and unanswered
        client.fin()
        await until(lambda: r.proxy.snapshot().open == 0, "the end of the connection")
        assert await server.error() == "ECONNRESET"


async def test_what_waits_unread_is_noticed_though_both_fins_have_come() -> None:
    async with rig('kind = "stall_reads"\ndirection = "c2s"') as r:
        client, server = await r.connect()
        server.fin()
        assert await client.recv_all() == b""
        client.fin()
        await until(lambda: r.stats("stall_reads") == (1, True), "the stall firing")


async def test_an_order_given_by_who_watches_comes_behind_what_was_just_decided() -> None:
    begin = 'kind = "inject"\nname = "first"\ndirection = "c2s"\npayload = "<"\non_match = "go"'
    async with rig(begin, 'kind = "inject"\nname = "then"\ndirection = "c2s"\npayload = ">"\nmanual = true') as r:

        def watch(now: float, connection: object, event: object, actions: Sequence[Action]) -> None:
            if any(isinstance(action, Started) and action.fault == "first" for action in actions):
                r.proxy.order("then")

        r.proxy.run.watch = watch
        client, server = await r.connect()
        await client.send(b"go on")
        assert await server.recv(7) == b"go< on>"


async def test_an_upstream_name_that_cannot_be_one_is_told() -> None:
    async with rig(upstream="a..b:1") as r:
        assert await r.dial_and_fail() == "ECONNRESET"
        assert "'a..b' cannot be a host name" in r.notes[0]


def two_free_ports() -> int:
    """The first of two, below those that the kernel gives to whoever asks for any."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000, 2):
        with socket.socket() as one, socket.socket() as other, suppress(OSError):
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 1))
            return port
    raise AssertionError("no two ports are free")


async def test_a_source_port_still_in_use_is_passed_over() -> None:
    port = two_free_ports()
    async with rig(f'kind = "source"\nports = "{port}-{port + 1}"') as r:
        _, first = await r.connect()
        await r.connect()
        first.reset()
        await until(lambda: r.proxy.snapshot().open == 1, "one left")
        client, server = await r.connect()
        client.reset()
        assert await server.error() == "ECONNRESET"
        await r.connect()  # the next port of the range is that of the second connection
        assert r.notes == []


async def test_a_source_address_of_another_family_is_told() -> None:
    async with rig('kind = "source"\naddress = "127.0.0.2"', host="::1") as r:
        assert await r.dial_and_fail() == "ECONNRESET"
        assert r.notes[0].endswith("it cannot be dialled from 127.0.0.2, which is an address of another family")


async def test_an_event_meant_for_a_closed_socket_does_not_decide_a_dial() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        fillers = [socket.socket() for _ in range(2)]
        for filler in fillers:  # its queue holds one; with that full, further SYNs are dropped
            filler.setblocking(False)
            filler.connect_ex(silent.getsockname())
        async with rig(upstream=f"127.0.0.1:{silent.getsockname()[1]}", dial_timeout=0.3) as r:
            client = await r.dial()
            await until(lambda: r.proxy.snapshot().open == 1, "the dial")
            assert r.proxy._conductor is not None
            board = r.proxy._conductor.board
            number = max(board.handlers)
            board._carry([(number, 0x4), (number, 0x1), (number, 0x10)])
            assert await client.error() == "ECONNRESET"
            assert "did not answer within 0.3 s" in r.notes[0]
        for filler in fillers:
            filler.close()


@BOTH
async def test_what_was_held_leaves_at_the_end_even_where_it_has_to_wait(epoll: bool) -> None:
    size = 6 << 20

    def drain(sink: socket.socket) -> int:
        count = 0
        with sink:
            while part := sink.recv(1 << 18):
                count += len(part)
        return count

    async with rig('kind = "latency"\ndirection = "c2s"\ndelay = "30s"', epoll=epoll) as r:
        client, server = await r.connect()
        await client.send(b"x" * size)
        await until(lambda: r.proxy.snapshot().held == size, "all held")
        sink = socket.socket(fileno=server.sock.detach())
        sink.setblocking(True)
        r.ends.clear()
        with ThreadPoolExecutor() as threads:  # for trio stands still while the proxy ends
            count = threads.submit(drain, sink)
            assert r.proxy._conductor is not None
            r.proxy._finish(r.proxy._conductor, r.proxy._conductor.board)
            assert count.result() == size
        client.sock.close()


async def test_close_that_lingers_does_not_hold_up_the_end() -> None:
    faults = ('kind = "hold_fin"\ndirection = "c2s"', 'kind = "linger"\ndirection = "c2s"\ntimeout = "5s"')
    async with rig(*faults) as r:
        client, _ = await r.connect()
        await client.send(b"x" * (2 << 20))  # what the kernel takes, and the server does not read
        client.fin()
        await until(lambda: r.proxy.snapshot().rows[0].phase == "c2s FIN", "the FIN held")
        began = time.monotonic()
    assert time.monotonic() - began < 1


async def test_linger_of_zero_does_not_wait_for_one_who_does_not_read() -> None:
    async with rig('kind = "latency"\ndirection = "c2s"\ndelay = "300ms"', 'kind = "linger"\ndirection = "c2s"\ntimeout = "0s"') as r:
        client, _ = await r.connect()
        await client.send(b"x" * (7 << 20))  # more than the kernel takes for a server that does not read
        client.fin()
        await until(lambda: r.proxy.snapshot().open == 0, "the end of the connection")


@pytest.mark.parametrize("fault", ['kind = "slice"\nsize = "1B"', 'kind = "flip"\nshare = 1.0'], ids=["slice", "flip"])
async def test_a_flood_that_costs_much_holds_up_others_only_briefly(fault: str) -> None:
    async with rig(fault + "\nconnections = [2]") as r:
        client, server = await r.connect()
        flooding, flooded = await r.connect()

        async def drain() -> None:
            while await flooded.sock.recv(1 << 18):
                pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flooding.send, b"x" * (16 << 20))
            nursery.start_soon(drain)
            for _ in range(20):
                with trio.fail_after(0.8):  # a read of full size would take seconds
                    await client.send(b"ping")
                    assert await server.recv(4) == b"ping"
            nursery.cancel_scope.cancel()
