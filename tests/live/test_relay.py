"""The relay without any fault: it must be as if it were not there."""

from __future__ import annotations

import hashlib
import os
import resource
from pathlib import Path

import pytest
import trio

from faultproxy.errors import ListenError, ScenarioError
from faultproxy.net.proxy import Proxy
from tests.live.rig import End, rig, until

pytestmark = pytest.mark.live

BOTH = pytest.mark.parametrize("epoll", [True, False], ids=["epoll", "tasks"])


@BOTH
async def test_bytes_pass_both_ways(epoll: bool) -> None:
    async with rig(epoll=epoll) as r:
        client, server = await r.connect()
        await client.send(b"question")
        assert await server.recv(8) == b"question"
        await server.send(b"answer")
        assert await client.recv(6) == b"answer"
        snapshot = r.proxy.snapshot()
        assert (snapshot.opened, snapshot.open, snapshot.c2s, snapshot.s2c) == (1, 1, 8, 6)


@BOTH
@pytest.mark.parametrize("way", ["c2s", "s2c"])
async def test_a_long_stream_arrives_whole_though_its_reader_is_slow(epoll: bool, way: str) -> None:
    data = os.urandom(1 << 20) * 24
    async with rig(epoll=epoll) as r:
        client, server = await r.connect()
        source, sink = (client, server) if way == "c2s" else (server, client)

        async def feed() -> None:
            await source.send(data)
            source.fin()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed)
            row = source.row
            await until(lambda: (found := row()) is not None and found.send_queue > 0, "back-pressure at the sender")
            assert await sink.digest() == (len(data), hashlib.sha256(data).hexdigest())


@BOTH
@pytest.mark.parametrize("first", ["client", "server"])
async def test_half_close_is_relayed_and_the_other_direction_lives_on(epoll: bool, first: str) -> None:
    async with rig(epoll=epoll) as r:
        ends = dict(zip(("client", "server"), await r.connect(), strict=True))
        one, other = ends.pop(first), next(iter(ends.values()))
        one.fin()
        assert await other.recv_all() == b""
        await until(lambda: one.state() == "FIN_WAIT_2", "FIN_WAIT_2 at the one who closed first")
        assert other.state() == "CLOSE_WAIT"
        await other.send(b"still here" * 1000)
        assert await one.recv(10_000) == b"still here" * 1000
        other.fin()
        assert await one.recv_all() == b""
        await until(lambda: r.proxy.snapshot().open == 0, "the end of the connection")
        assert one.state() == "TIME_WAIT"


@BOTH
@pytest.mark.parametrize("first", ["client", "server"])
async def test_a_rst_arrives_as_a_rst(epoll: bool, first: str) -> None:
    async with rig(epoll=epoll) as r:
        ends = dict(zip(("client", "server"), await r.connect(), strict=True))
        one, other = ends.pop(first), next(iter(ends.values()))
        await one.send(b"x")
        assert await other.recv(1) == b"x"
        one.reset()
        assert await other.error() == "ECONNRESET"
        await until(lambda: r.proxy.snapshot().open == 0, "the end of the connection")


async def test_a_rst_after_a_fin_is_passed_on() -> None:
    async with rig() as r:
        client, server = await r.connect()
        client.fin()
        assert await server.recv_all() == b""
        client.reset()
        await until(lambda: server.state() == "CLOSED", "the server's socket dying of the RST")
        with pytest.raises(BrokenPipeError):
            await server.send(b"x")


async def test_one_who_does_not_read_holds_up_nobody() -> None:
    async with rig() as r:
        _deaf, flooding = await r.connect()
        client, server = await r.connect()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flooding.send, b"x" * (64 << 20))
            await until(lambda: (row := flooding.row()) is not None and row.send_queue > 0, "a blocked sender")
            for _ in range(100):
                await client.send(b"ping")
                with trio.fail_after(1):
                    assert await server.recv(4) == b"ping"
            assert r.proxy.snapshot().held < 1 << 20
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
async def test_ipv4_and_ipv6(host: str) -> None:
    async with rig(host=host) as r:
        client, server = await r.connect()
        await client.send(b"x")
        assert await server.recv(1) == b"x"


async def test_an_upstream_with_a_name() -> None:
    async with rig() as r, rig(upstream=f"localhost:{r.listener.getsockname()[1]}") as named:
        client = await named.dial()
        server = await r.accept()
        await client.send(b"y")
        assert await server.recv(1) == b"y"


async def test_unix_sockets_on_both_sides(tmp_path: Path) -> None:
    there = str(tmp_path / "server.sock")
    with trio.socket.socket(trio.socket.AF_UNIX) as listener:
        await listener.bind(there)
        listener.listen(8)
        async with rig(listen=f"unix:{tmp_path}/proxy.sock", upstream=f"unix:{there}") as r:
            client = await r.dial()
            sock, _ = await listener.accept()
            with sock:
                server = End(sock)
                await client.send(b"x")
                assert await server.recv(1) == b"x"
                client.fin()
                assert await server.recv_all() == b""
                await server.send(b"y")
                assert await client.recv(1) == b"y"
    assert not (tmp_path / "proxy.sock").exists()


async def test_an_upstream_that_refuses_is_told_to_the_client_as_a_rst() -> None:
    with trio.socket.socket() as unused:
        await unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        async with rig(upstream=f"127.0.0.1:{port}") as r:
            assert await r.dial_and_fail() == "ECONNRESET"
            assert r.notes == [f"connection 1: upstream 127.0.0.1:{port} refused the connection: is the server running there?"]
            assert r.proxy.snapshot().failed == 1


async def test_an_upstream_that_does_not_answer_is_given_up_in_time_and_holds_up_nobody() -> None:
    with trio.socket.socket() as silent:
        await silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        address = silent.getsockname()
        fillers = [trio.socket.socket() for _ in range(2)]
        for filler in fillers:  # its queue holds one; with that full, further SYNs are dropped
            with trio.move_on_after(0.2):
                await filler.connect(address)
        async with rig(upstream=f"127.0.0.1:{address[1]}", dial_timeout=0.3) as r:
            clients = [await r.dial() for _ in range(5)]
            for client in clients:
                assert await client.error() == "ECONNRESET"
            assert "did not answer within 0.3 s" in r.notes[0]
        for filler in fillers:
            filler.close()


async def test_an_unknown_name_is_told() -> None:
    async with rig(upstream="no-such-host.invalid:1") as r:
        assert await r.dial_and_fail() == "ECONNRESET"
        assert "the name 'no-such-host.invalid' is not known" in r.notes[0]


async def test_a_client_that_leaves_while_the_upstream_is_dialled_costs_nothing() -> None:
    async with rig('kind = "connect_delay"\ndelay = "30s"') as r:
        client = await r.dial()
        await until(lambda: r.proxy.snapshot().open == 1, "the connection")
        client.reset()
        await until(lambda: r.proxy.snapshot().open == 0, "its end")


async def test_beyond_the_cap_nobody_is_accepted_until_one_has_left() -> None:
    async with rig(max_connections=2) as r:
        first, server = await r.connect()
        await r.connect()
        third = await r.dial()
        await third.send(b"x")
        await until(lambda: r.proxy.snapshot().listening == "full", "fullness")
        assert r.proxy.snapshot().opened == 2
        first.fin()
        server.fin()
        assert await (await r.accept()).recv(1) == b"x"
        assert any("not accepting" in note for note in r.notes)


async def test_without_descriptors_it_stops_accepting_says_so_and_recovers() -> None:
    async with rig() as r:
        client, server = await r.connect()
        pending = trio.socket.socket()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (pending.fileno() + 1, hard))
        try:
            await pending.connect(("127.0.0.1", int(r.proxy.address.rpartition(":")[2])))
            await until(lambda: any("no file descriptor left" in note for note in r.notes), "the message")
            await client.send(b"x")
            assert await server.recv(1) == b"x"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        with pending:
            assert await (await r.accept()).recv(0) == b""


async def test_what_was_closed_by_a_full_close_is_reset_when_data_comes() -> None:
    async with rig() as r:
        client, server = await r.connect()
        client.sock.close()
        assert await server.recv_all() == b""
        await server.send(b"nobody will read this")
        await until(lambda: server.state() == "CLOSED", "the RST")


async def test_many_at_once() -> None:
    async with rig(backlog=1024) as r:
        pairs: list[tuple[End, End]] = []
        for _ in range(300):
            pairs.append(await r.connect())
        for number, (client, _) in enumerate(pairs):
            await client.send(b"%06d" % number)
        seen = [await server.recv(6) for _, server in pairs]
        assert sorted(seen) == [b"%06d" % number for number in range(300)]
        assert r.proxy.snapshot().open == 300


async def test_at_the_end_both_legs_are_closed() -> None:
    async with rig() as r:
        client, server = await r.connect()
        await client.send(b"x")
        assert await server.recv(1) == b"x"
        ends = [client, server]
        r.ends.clear()
    for end in ends:
        assert await end.recv_all() == b""
        end.sock.close()


async def test_a_port_that_is_taken_is_a_clear_error() -> None:
    with trio.socket.socket() as taken:
        await taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port}: the port is taken"):
            await Proxy([], listen=f"127.0.0.1:{port}", upstream="127.0.0.1:1", seed=1).serve()


async def test_a_proxy_that_would_dial_itself_is_refused() -> None:
    with pytest.raises(ScenarioError, match="is the address that the proxy itself listens on"):
        await Proxy([], listen="127.0.0.1:19999", upstream="127.0.0.1:19999", seed=1).serve()
