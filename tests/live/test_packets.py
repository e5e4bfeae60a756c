"""The packet plane on real sockets: what a fault does to segments is read from the kernel of the peer."""

from __future__ import annotations

import pytest
import trio

from faultproxy.kernel import sockdiag
from tests.live.rig import End, in_network, rig, until

pytestmark = pytest.mark.live


def info(end: End) -> sockdiag.TcpInfo:
    """What the kernel knows of this end's connection."""
    return sockdiag.tcp_info(end.sock._sock)  # type: ignore[attr-defined]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@in_network()
async def test_acks_dropped(host: str) -> None:
    fault = 'kind = "drop"\nname = "acks"\ndirection = "to_client"\nsegments = "ack"\nrewind = true\non_match = {c2s = "GO"}\n'
    async with rig(fault, host=host) as r:
        client, server = await r.connect()
        await client.send(b"GO")
        assert await server.recv(2) == b"GO"
        await client.send(b"data")
        assert await server.recv(4) == b"data"
        await server.send(b"answer")
        assert await client.recv(6) == b"answer"
        await until(lambda: info(client).retransmits >= 2 and info(client).backoff >= 2, "two resends and a back-off")
        assert info(client).unacked >= 1
        r.proxy.order("acks", heal=True)
        began = trio.current_time()
        await until(lambda: info(client).unacked == 0, "that all is acknowledged")
        assert trio.current_time() - began < 0.15, "the newest acknowledgement was to be sent again, not waited for"
        client.fin()
        assert await server.recv_all() == b""
