"""Whose segment it is: connections that look alike, by ports that are the same, each have their own faults, and others have none."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import trio

from faultproxy.core.events import Seen
from faultproxy.kernel.netstat import counters
from faultproxy.net.capture import Capture
from faultproxy.net.proxy import Proxy
from tests.live.ground import ground
from tests.live.rig import End, Rig, in_network, plan, rig, until
from tests.live.taps import fault, info

pytestmark = pytest.mark.live

PORT = 45_000


async def dial(r: Rig, source: str, port: int = PORT) -> tuple[End, End]:
    """Both ends of a connection from that address and port."""
    sock = trio.socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    await sock.bind((source, port))
    await sock.connect(("127.0.0.1", int(r.proxy.address.rpartition(":")[2])))
    client = End(sock)
    r.ends.append(client)
    return client, await r.accept()


@pytest.mark.parametrize("hit", [0, 1])
@in_network()
async def test_clients_with_the_same_port(hit: int) -> None:
    async with rig(fault("drop", "from_client", f'segments = "data"\nconnections = [{hit + 1}]')) as r:
        pairs = [await dial(r, source) for source in ("127.0.0.2", "127.0.0.3")]
        for client, _ in pairs:
            await client.send(b"hello")
        spared, lossy = pairs[1 - hit], pairs[hit]
        assert await spared[1].recv(5) == b"hello"
        await until(lambda: info(lossy[0]).total_retrans >= 1, "a resend")
        spared[0].reset()
        assert await spared[1].error() == "ECONNRESET"
        fired = r.proxy.run.stats[0].fired
        await until(lambda: r.proxy.run.stats[0].fired > fired, "another resend, met although the neighbour is gone")
        r.proxy.order("drop", heal=True)
        assert await lossy[1].recv(5) == b"hello"


@in_network()
async def test_a_server_on_the_port_of_the_proxy() -> None:
    """Two addresses of one machine: what goes to the server, the proxy's own dial and a stranger's, is none of the proxy's clients."""
    with trio.socket.socket() as listener:
        await listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        port = listener.getsockname()[1]
        proxy = Proxy(
            [plan(fault("delay", "from_client", 'delay = "1ms"'))], listen=f"127.0.0.2:{port}", upstream=f"127.0.0.1:{port}", seed=1
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(proxy.serve)
            for address, opened in (("127.0.0.1", 0), ("127.0.0.2", 1)):
                with trio.socket.socket() as sock:
                    await sock.connect((address, port))
                    accepted, _ = await listener.accept()
                    with accepted:
                        await End(sock).send(b"hello")
                        assert await End(accepted).recv(5) == b"hello"
                assert proxy.run.opened == opened
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("captured", [False, True])
@in_network()
async def test_the_same_port_again(captured: bool) -> None:
    """The first connection concerned no fault, the second does."""
    capture = Capture(Path(os.devnull), lambda message: None) if captured else None
    async with rig(fault("drop", "from_client", 'segments = "data"\nconnections = [2]'), capture=capture) as r:
        client, server = await dial(r, "127.0.0.1")
        await client.send(b"hello")
        assert await server.recv(5) == b"hello"
        client.reset()
        await until(lambda: r.proxy.snapshot().open == 0, "the end of the first")
        client, server = await dial(r, "127.0.0.1")
        await client.send(b"hello")
        await until(lambda: info(client).total_retrans >= 1, "a resend")
        assert server.nothing_to_read()


@pytest.mark.parametrize("unix", ["listen", "upstream"])
@in_network()
async def test_beside_a_unix_socket_a_capture_is_in_nobodys_way(unix: str, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    capture = Capture(Path(os.devnull), lambda message: None)
    with trio.socket.socket(trio.socket.AF_UNIX) as listener:
        if unix == "upstream":
            await listener.bind(path)
            listener.listen(8)
        where = f"unix:{path}"
        async with rig(listen=where if unix == "listen" else None, upstream=where if unix == "upstream" else None, capture=capture) as r:
            client = await r.dial()
            if unix == "upstream":
                with trio.fail_after(5):
                    accepted, _ = await listener.accept()
                server = End(accepted)
                r.ends.append(server)
            else:
                server = await r.accept()
            await client.send(b"hello")
            assert await server.recv(5) == b"hello"


@in_network()
async def test_a_healed_loss_of_everything_tells_what_was_acknowledged() -> None:
    async with rig(fault("drop", "to_client", starts="manual = true")) as r:
        client, server = await r.connect()
        await client.send(b"before")
        assert await server.recv(6) == b"before"
        await until(lambda: info(client).unacked == 0, "an acknowledgement")
        r.proxy.order("drop")
        await client.send(b"data")
        assert await server.recv(4) == b"data"
        await until(lambda: info(client).backoff >= 2, "two time-outs")
        began = trio.current_time()
        r.proxy.order("drop", heal=True)
        await until(lambda: info(client).unacked == 0, "that all is acknowledged")
        assert trio.current_time() - began < 0.15, "the newest acknowledgement was to be sent again, not waited for"
        assert counters()["Tcp.InCsumErrors"] == 0


@in_network(mtu=65536)
async def test_an_intercepted_segment_is_never_too_large_to_be_changed() -> None:
    async with ground('kind = "corrupt"\ndirection = "c2s"\nsegments = "data"\nchecksum = "fixed"\n') as g:
        client, server = await g.connect()
        data, got = bytes(4 << 20), b""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send, data)
            got = await server.recv(len(data))
        assert got != data
        assert [event for _, event in g.told if isinstance(event, Seen) and not event.packet.whole] == []
