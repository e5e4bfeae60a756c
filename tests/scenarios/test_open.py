"""Opening a connection (scenarios/open), as clients and their kernels see it."""

from __future__ import annotations

import errno

import pytest
import trio

from faultproxy.kernel import procnet, sockdiag
from tests.live.rig import holds, timed, until
from tests.scenarios.kernel import counter
from tests.scenarios.stage import Player, Stage, stage

pytestmark = pytest.mark.live


async def refused(s: Stage) -> bool:
    """Whether a connect is refused now."""
    try:
        player = await s.player()
    except ConnectionRefusedError:
        return True
    player.sock.close()
    return False


async def fate(s: Stage) -> str:
    """What a newcomer's PING comes to: the answer, or the errno's name. A RST that is quick is told by connect() already, as ECONNRESET:
    ECONNREFUSED is another thing, the answer to a SYN."""
    try:
        player = await s.player()
        return await player.ask("PING")
    except OSError as error:
        name = errno.errorcode[error.errno or 0]
        return "ECONNRESET" if name == "EPIPE" else name  # the RST was there before the PING was sent


async def first_byte(s: Stage) -> tuple[float, float]:
    """Seconds that connect() took, and seconds until a PING sent right behind it was answered."""
    began = trio.current_time()
    player = await s.player()
    connected = trio.current_time() - began
    assert await player.ask("PING") == "PONG"
    return connected, trio.current_time() - began


async def test_refused() -> None:
    async with stage("open/refused.toml") as s:
        before = await s.player("before")
        await until(lambda: s.proxy.snapshot().listening == "refusing", "the restart")
        assert await refused(s)
        assert procnet.find(local_port=s.port, state="LISTEN") == []
        assert await before.ask("PING") == "PONG"
        s.heal("restart")
        after = await s.player("after")
        assert await after.ask("WHO") == "WHO after before"


async def test_accepted_then_reset() -> None:
    async with stage("open/accepted_then_reset.toml") as s:
        resets = counter("Tcp.EstabResets")
        assert [await fate(s) for _ in range(6)] == ["PONG", "ECONNRESET"] * 3
        assert counter("Tcp.EstabResets") - resets >= 3
        assert procnet.find(remote_port=s.port, state="TIME_WAIT") == []


async def test_accept_queue_full() -> None:
    async with stage("open/accept_queue_full.toml") as s:
        overflows = counter("TcpExt.ListenOverflows")
        await until(lambda: s.proxy.snapshot().listening == "stalled", "the overload")
        socks = [trio.socket.socket() for _ in range(6)]
        connected: list[int] = []

        async def connect(number: int) -> None:
            await socks[number].connect(("127.0.0.1", s.port))
            connected.append(number)

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                for number in range(6):
                    nursery.start_soon(connect, number)
                await until(lambda: len(procnet.find(remote_port=s.port, state="SYN_SENT")) == 4, "four clients in SYN_SENT")
                assert len(connected) == 2
                assert counter("TcpExt.ListenOverflows") - overflows >= 4
                s.heal("overloaded")
            # those who hung are connected, and everybody is served
            for sock in socks:
                await sock.send(b"PING\r\n")
                assert await sock.recv(100) == b"PONG\r\n"
                sock.close()


async def test_accept_queue_stalls() -> None:
    async with stage("open/accept_queue_stalls.toml") as s:
        await until(lambda: s.proxy.snapshot().listening == "stalled", "the stall")
        players: list[Player] = []
        took = await timed(lambda: _come(s, players))
        assert took < 1
        # Asked all at once, and over netlink: where there are thousands of sockets, eight tables take longer than the stall lasts.
        assert [row.state for row in sockdiag.sockets(remote_port=s.port)] == ["ESTABLISHED"] * 8
        (door,) = sockdiag.sockets(local_port=s.port, states=["LISTEN"])
        assert door.recv_queue == 8
        await holds(lambda: all(player.nothing_to_read() for player in players), 0.2, "silence")
        s.heal("busy")
        for player in players:
            assert await player.hear() == "PONG"


async def _come(s: Stage, players: list[Player]) -> None:
    for _ in range(8):
        players.append(await s.player())
        await players[-1].say("PING")


async def test_upstream_dialled_late() -> None:
    async with stage("open/upstream_dialled_late.toml") as s:
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                connected, served = await first_byte(s)
                assert connected < 0.3
                assert 0.6 <= served < 1.5

            nursery.start_soon(ask)
            await until(lambda: s.proxy.snapshot().open == 1, "the client")
            assert s.of_server() == []
        direct = await s.player(direct=True)
        assert await timed(lambda: direct.ask("PING")) < 0.3


async def test_server_down_proxy_up() -> None:
    async with stage("open/server_down_proxy_up.toml") as s:
        assert await fate(s) == "PONG"
        await until(lambda: procnet.find(local_port=s.server_port, state="LISTEN") == [], "the end of the server")
        assert [await fate(s) for _ in range(3)] == ["ECONNRESET"] * 3
        assert s.proxy.snapshot().failed == 3
        assert len(procnet.find(local_port=s.port, state="LISTEN")) == 1


async def test_refused_server_up() -> None:
    async with stage("open/refused_server_up.toml") as s:
        assert await refused(s)
        direct = await s.player(direct=True)
        assert await direct.ask("PING") == "PONG"
        assert len(procnet.find(local_port=s.server_port, state="LISTEN")) == 1
        s.heal("gateway-closed")
        player = await s.player()
        assert await player.ask("PING") == "PONG"
