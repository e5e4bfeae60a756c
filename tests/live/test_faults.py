"""Every fault of the stream and connection planes on real sockets; what it did is read from the peers, never from the proxy's word."""

from __future__ import annotations

import hashlib
import os
import time

import pytest
import trio

from faultproxy.kernel import procnet
from tests.live.rig import End, holds, rig, timed, until

pytestmark = pytest.mark.live


async def echo(end: End) -> None:
    """Sends back whatever comes."""
    while data := await end.sock.recv(65536):
        await end.send(data)


# ------------------------------------------------------------------ stream


async def test_latency_delays_one_way_only() -> None:
    async with rig('kind = "latency"\ndirection = "c2s"\ndelay = "80ms"') as r:
        client, server = await r.connect()

        async def there() -> None:
            await client.send(b"x")
            assert await server.recv(1) == b"x"

        async def back() -> None:
            await server.send(b"x")
            assert await client.recv(1) == b"x"

        assert 0.079 <= await timed(there) < 0.2
        assert await timed(back) < 0.05


async def test_latency_delays_the_fin_and_keeps_every_byte() -> None:
    data = os.urandom(3 << 20)
    async with rig('kind = "latency"\ndelay = "30ms"\njitter = "20ms"') as r:
        client, server = await r.connect()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(echo, server)
            nursery.start_soon(client.send, data)
            assert hashlib.sha256(await client.recv(len(data))).digest() == hashlib.sha256(data).digest()
            client.fin()
            nursery.cancel_scope.deadline = trio.current_time() + 5
        server.fin()
        assert await timed(client.recv_all) >= 0.01


async def test_bandwidth_holds_its_rate_and_the_sender_feels_it() -> None:
    async with rig('kind = "bandwidth"\nrate = "1MB/s"\ndirection = "c2s"') as r:
        client, server = await r.connect()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send, b"x" * 600_000)
            took = await timed(lambda: server.recv(500_000))
            assert 0.48 <= took <= 0.56
            await server.recv(100_000)


async def test_slice_cuts_what_was_written_at_once() -> None:
    async with rig('kind = "slice"\ndirection = "s2c"\nsize = "10B"\ninterval = "30ms"') as r:
        client, server = await r.connect()
        await server.send(b"0123456789" * 5)
        pieces: list[bytes] = []
        while len(b"".join(pieces)) < 50:
            pieces.append(await client.sock.recv(1000))
        assert pieces == [b"0123456789"] * 5


async def test_coalesce_merges_what_was_written_apart() -> None:
    async with rig('kind = "coalesce"\ndirection = "s2c"\nsize = "40B"\nwait = "5s"') as r:
        client, server = await r.connect()
        for _ in range(4):
            await server.send(b"0123456789")
            await trio.testing.wait_all_tasks_blocked(0.02)
        assert await client.sock.recv(1000) == b"0123456789" * 4


async def test_stall_reads_puts_the_peers_kernel_into_persist_and_heals_without_losing_a_byte() -> None:
    fault = 'kind = "stall_reads"\ndirection = "c2s"\nbuffer = "16KiB"\nmanual = true'
    data = os.urandom(4 << 20)
    async with rig(fault) as r:
        client, server = await r.connect()
        await client.send(b"before")
        assert await server.recv(6) == b"before"
        r.proxy.order("stall_reads")

        async def feed() -> None:
            await client.send(data)
            client.fin()

        def persisting() -> bool:
            row = client.row()
            return row is not None and row.timer == "window_probe" and row.send_queue > 0

        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed)
            await until(persisting, "the window probe timer in the client's kernel")
            row = client.row()
            assert row is not None
            assert row.state == "ESTABLISHED"
            assert row.retransmits == 0
            assert server.nothing_to_read()
            assert r.stats("stall_reads") == (1, True)
            r.proxy.order("stall_reads", heal=True)
            assert await server.digest() == (len(data), hashlib.sha256(data).hexdigest())


async def test_stall_reads_lets_a_rst_through() -> None:
    async with rig('kind = "stall_reads"\ndirection = "c2s"') as r:
        client, server = await r.connect()
        await client.send(b"never read")
        client.reset()
        assert await server.error() == "ECONNRESET"


async def test_blackhole_swallows_in_silence_and_heals_with_a_rst() -> None:
    async with rig('kind = "blackhole"\ndirection = "c2s"\nlasts = "300ms"') as r:
        client, server = await r.connect()
        await client.send(b"lost")
        await server.send(b"the other way works")
        assert await client.recv(19) == b"the other way works"
        assert server.nothing_to_read()
        assert server.state() == client.state() == "ESTABLISHED"
        assert await server.error() == "ECONNRESET"
        assert await client.error() == "ECONNRESET"


async def test_flip_changes_the_bytes_it_is_told_to() -> None:
    async with rig('kind = "flip"\ndirection = "c2s"\nskip = 2\ntake = 1\nmask = 1') as r:
        client, server = await r.connect()
        await client.send(b"aaaaa")
        assert await server.recv(5) == b"aa`aa"


async def test_inject_adds_bytes_behind_what_started_it() -> None:
    async with rig('kind = "inject"\ndirection = "s2c"\npayload = "INTRUDER "\non_match = "HELLO "') as r:
        client, server = await r.connect()
        await server.send(b"HEL")
        await server.send(b"LO world")
        assert await client.recv(20) == b"HELLO INTRUDER world"


# -------------------------------------------------------------- connection


async def test_refuse_answers_a_syn_with_a_rst_and_the_port_comes_back() -> None:
    async with rig('kind = "refuse"\nmanual = true') as r:
        await r.connect()
        r.proxy.order("refuse")
        assert await r.dial_and_fail() == "ECONNREFUSED"
        assert r.proxy.snapshot().listening == "refusing"
        r.proxy.order("refuse", heal=True)
        client, server = await r.connect()
        await client.send(b"x")
        assert await server.recv(1) == b"x"


async def test_refuse_spares_those_who_are_in() -> None:
    async with rig('kind = "refuse"\nmanual = true') as r:
        client, server = await r.connect()
        r.proxy.order("refuse")
        await client.send(b"x")
        assert await server.recv(1) == b"x"


async def test_accept_stall_lets_connects_hang_and_then_serves_them() -> None:
    async with rig('kind = "accept_stall"\nbacklog = 0\nlasts = "1.5s"') as r:
        port = int(r.proxy.address.rpartition(":")[2])
        socks = [trio.socket.socket() for _ in range(4)]
        connected: list[int] = []

        async def connect(number: int) -> None:
            await socks[number].connect(("127.0.0.1", port))
            connected.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(connect, number)
            await until(lambda: len(procnet.find(remote_port=port, state="SYN_SENT")) >= 2, "two clients in SYN_SENT")
            assert len(connected) <= 2
        assert len(connected) == 4
        assert r.stats("accept_stall") == (1, True)
        for sock in socks:
            sock.close()


async def test_connect_delay_accepts_and_dials_late() -> None:
    async with rig('kind = "connect_delay"\ndelay = "250ms"') as r:
        began = trio.current_time()
        client = await r.dial()
        assert trio.current_time() - began < 0.1
        await client.send(b"x")
        server = await r.accept()
        assert 0.24 <= trio.current_time() - began < 0.5
        assert await server.recv(1) == b"x"


async def test_reset_at_once_is_accepted_and_reset() -> None:
    async with rig('kind = "reset"') as r:
        assert await r.dial_and_fail() == "ECONNRESET"


async def test_reset_of_one_side_leaves_the_other_open_read_and_unanswered() -> None:
    async with rig('kind = "reset"\ndirection = "s2c"\nafter_bytes = {c2s = "4B"}') as r:
        client, server = await r.connect()
        await client.send(b"1234")
        assert await client.error() == "ECONNRESET"
        assert client.state() == "CLOSED"
        assert await server.recv(4) == b"1234"
        await server.send(b"y" * (1 << 20))
        await holds(lambda: server.state() == "ESTABLISHED" and server.nothing_to_read(), 0.2)
        await until(lambda: (row := server.row()) is not None and row.send_queue == 0, "all read by the proxy")
        server.fin()
        assert await server.recv_all() == b""


async def test_close_ends_the_leg_with_a_fin() -> None:
    async with rig('kind = "close"\ndirection = "s2c"\nafter_bytes = {c2s = "1B"}') as r:
        client, server = await r.connect()
        await client.send(b"x")
        assert await client.recv_all() == b""
        assert await server.recv(1) == b"x"
        assert server.state() == "ESTABLISHED"
        await client.send(b"into the void")
        await until(lambda: client.state() == "CLOSED", "the RST that a closed socket answers with")


async def test_half_close_sends_a_fin_and_keeps_the_other_direction() -> None:
    async with rig('kind = "half_close"\ndirection = "c2s"\nafter_bytes = "1B"') as r:
        client, server = await r.connect()
        await client.send(b"x")
        assert await server.recv_all() == b"x"
        await server.send(b"still")
        assert await client.recv(5) == b"still"
        assert client.state() == "ESTABLISHED"
        assert server.state() == "CLOSE_WAIT"


async def test_hold_fin_leaves_the_closer_in_fin_wait_2_while_data_still_comes() -> None:
    async with rig('kind = "hold_fin"\ndirection = "c2s"\nmanual = true') as r:
        client, server = await r.connect()
        r.proxy.order("hold_fin")
        await client.send(b"goodbye")
        client.fin()
        assert await server.recv(7) == b"goodbye"
        await until(lambda: client.state() == "FIN_WAIT_2", "FIN_WAIT_2 at the client")
        await server.send(b"z" * 100_000)
        assert await client.recv(100_000) == b"z" * 100_000
        await holds(lambda: server.state() == "ESTABLISHED" and server.nothing_to_read(), 0.2)
        r.proxy.order("hold_fin", heal=True)
        assert await server.recv_all() == b""
        assert server.state() == "CLOSE_WAIT"


@pytest.mark.parametrize(("timeout", "outcome"), [("off", "EOF"), ("0s", "ECONNRESET"), ("1s", "EOF")])
async def test_linger_decides_what_becomes_of_unsent_data(timeout: str, outcome: str) -> None:
    fault = f'kind = "linger"\ndirection = "s2c"\ntimeout = "{timeout}"'
    async with rig(fault) as r:
        client = await r.dial(rcvbuf=4096)
        server = await r.accept()
        await server.send(b"d" * 400_000)
        server.fin()
        port = client.sock.getpeername()[1]
        wanted = {"off": "FIN_WAIT_1", "1s": "FIN_WAIT_1", "0s": "CLOSED"}[timeout]

        def of_proxy() -> str:
            rows = procnet.find(local_port=port, remote_port=client.sock.getsockname()[1])
            return rows[0].state if rows else "CLOSED"

        await until(lambda: of_proxy() == wanted, f"the proxy's socket in {wanted}")
        if timeout == "1s":
            await until(lambda: any("close() waited" in note for note in r.notes), "the end of close()")
        got = 0
        error = "EOF"
        try:
            with trio.fail_after(5):
                while part := await client.sock.recv(65536):
                    got += len(part)
        except ConnectionResetError:
            error = "ECONNRESET"
        assert error == outcome
        assert (got == 400_000) == (outcome == "EOF")


async def test_source_dials_from_the_address_and_ports_given() -> None:
    async with rig('kind = "source"\naddress = "127.0.0.2"\nports = "45100-45140"') as r:
        _client, server = await r.connect()
        host, port = server.sock.getpeername()
        assert host == "127.0.0.2"
        assert 45100 <= port <= 45140


async def test_small_buffers_are_seen_by_the_peer() -> None:
    # SO_RCVBUF before listen: the first window that the client is offered is small, and so is what its kernel can get rid of.
    async with rig('kind = "stall_reads"\ndirection = "c2s"\nbuffer = "4KiB"') as r:
        client = await r.dial()
        sent, deadline = 0, time.monotonic() + 5
        while time.monotonic() < deadline:
            with trio.move_on_after(0.3) as scope:
                sent += await client.sock.send(b"x" * 4096)
            if scope.cancelled_caught:
                break
        row = client.row()
        assert row is not None
        assert sent - row.send_queue <= 16 * 1024


async def test_what_is_injected_for_one_who_does_not_read_is_bounded() -> None:
    payload = "x" * 200_000
    async with rig(f'kind = "inject"\ndirection = "s2c"\npayload = "{payload}"\nevery = "1ms"') as r:
        await r.connect()
        await until(lambda: any("injected bytes are dropped" in note for note in r.notes), "the bound")
        assert r.proxy.snapshot().held <= 9 << 20
