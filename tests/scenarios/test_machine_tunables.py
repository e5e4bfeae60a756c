"""Settings of the kernel (scenarios/machine), in a sandbox alone: how long it tries, how much it queues, how large segments are."""

from __future__ import annotations

import pytest
import trio

from faultproxy.kernel import procnet, sockdiag
from faultproxy.kernel.netstat import counters
from tests.live.rig import until
from tests.scenarios.dialling import Dialling, info
from tests.scenarios.stage import Stage, played
from tests.scenarios.test_flight import stream

pytestmark = pytest.mark.live


@played("machine/tunables.toml", "syn_retries")
async def test_syn_retries(s: Stage) -> None:
    began = trio.current_time()
    caller = Dialling(s.port)
    await until(lambda: caller.info.state == "CLOSED", "that the kernel gives up")
    assert caller.info.total_retrans == 1
    assert caller.failed() == "ETIMEDOUT"
    assert 2 < trio.current_time() - began < 4.5
    await works_again(s)


@played("machine/tunables.toml", "retries2")
async def test_retries2(s: Stage) -> None:
    player = await s.player()
    assert await player.ask("SUM 1") == "1"
    resets, began = counters()["Tcp.OutRsts"], trio.current_time()
    await player.say("PING")
    assert await player.error() == "ETIMEDOUT"
    assert 1 < trio.current_time() - began < 4.5
    assert player.state() == "CLOSED"
    assert counters()["Tcp.OutRsts"] == resets, "the other end is not told"
    assert [row.state for row in procnet.find(local_port=s.port, remote_port=player.port)] == ["ESTABLISHED"]
    await works_again(s)


@played("machine/tunables.toml", "orphan_retries")
async def test_orphan_retries(s: Stage) -> None:
    player = await s.player()
    assert await player.ask("SUM 1") == "1"
    port = player.port
    resets, began = counters()["Tcp.OutRsts"], trio.current_time()
    player.sock.close()

    def rows() -> list[tuple[str, int]]:
        return [(row.state, row.inode) for row in procnet.find(local_port=port, remote_port=s.port)]

    await until(lambda: rows() == [("FIN_WAIT_1", 0)], "FIN_WAIT_1 without a program")
    await until(lambda: rows() == [] == sockdiag.sockets(local_port=port, remote_port=s.port), "that the kernel gives up")
    assert 1 < trio.current_time() - began < 4.5
    assert counters()["Tcp.OutRsts"] == resets, "the other end is not told"
    await works_again(s)


async def works_again(s: Stage) -> None:
    """Healed, the next player is served."""
    s.heal("lost")
    assert await (await s.player()).ask("PING") == "PONG"


@played("machine/listen_queue.toml")
async def test_listen_queue(s: Stage) -> None:
    overflows = counters()["TcpExt.ListenOverflows"]
    (listening,) = sockdiag.sockets(local_port=s.port, states=["LISTEN"])
    assert listening.send_queue == 2
    callers = [Dialling(s.port) for _ in range(6)]
    await until(lambda: counters()["TcpExt.ListenOverflows"] > overflows, "a SYN that the full queue turns away")
    # One more than the limit fits in (listen(2) and the kernel disagree by one).
    await until(lambda: [caller.info.state for caller in callers].count("ESTABLISHED") == 3, "three who are connected")
    assert [caller.info.state for caller in callers].count("SYN_SENT") == 3
    await until(lambda: s.fired("nobody-accepts"), "that the proxy sees them wait")
    s.heal("nobody-accepts")
    for caller in callers:
        assert await (await caller.done(s)).ask("PING") == "PONG"


async def segments(s: Stage, mtu: int) -> list[int]:
    """The largest that the player's kernel sends, and the server's, after a long answer; in bytes of payload."""
    player = await s.player()
    await player.say("STREAM 100000")
    assert await player.recv(100_000) == stream(100_000)
    (server,) = sockdiag.sockets(local_port=s.server_port, states=["ESTABLISHED"])
    assert server.info is not None
    for seen in (info(player), server.info):
        assert seen.pmtu == min(mtu, 65535), "no IPv4 packet is longer"
        assert seen.advmss == seen.pmtu - 52, "less the headers of IPv4 and of TCP with its timestamps"
    assert server.info.data_segs_out >= 100_000 // server.info.snd_mss
    return [info(player).snd_mss, server.info.snd_mss]


@played("machine/mtu.toml", "small")
async def test_mtu_small(s: Stage) -> None:
    assert await segments(s, 576) == [524, 524]


@played("machine/mtu.toml", "ethernet")
async def test_mtu_ethernet(s: Stage) -> None:
    assert await segments(s, 1500) == [1448, 1448]


@played("machine/mtu.toml", "loopback")
async def test_mtu_loopback(s: Stage) -> None:
    # No more than half of the largest window that the other end has announced so far.
    assert min(await segments(s, 65536)) > 16 * 1024
