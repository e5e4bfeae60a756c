"""Closing (scenarios/close): the states of both ends at each step, and what their programs are told."""

from __future__ import annotations

import pytest
import trio

from faultproxy.kernel import procnet, sockdiag
from tests.live.rig import End, holds, until
from tests.scenarios.stage import Player, Stage, stage
from tests.scenarios.test_flight import stream

pytestmark = pytest.mark.live


async def until_state(end: End, state: str) -> None:
    await until(lambda: end.state() == state, f"{state} at the client")


async def until_server_state(s: Stage, *states: str) -> None:
    await until(lambda: s.server_state() in states, f"{' or '.join(states)} at the server")


async def test_fin_wait_2() -> None:
    async with stage("close/fin_wait_2.toml") as s:
        player = await s.player()
        assert await player.ask("QUIT") == "BYE"
        assert await player.recv_all() == b""

        def waiting() -> list[bool]:
            """Of each of the server's sockets in FIN_WAIT_2, whether a process owns it."""
            return [row.inode != 0 for row in sockdiag.sockets(local_port=s.server_port, states=["FIN_WAIT_2"])]

        await until(lambda: waiting() == [True], "FIN_WAIT_2 while the program waits")
        player.fin()  # the goodbye that is stuck
        await until(lambda: waiting() == [False], "FIN_WAIT_2 without a process")
        s.heal("goodbye-stuck")
        await until_server_state(s, "TIME_WAIT", "CLOSED")


async def test_close_wait() -> None:
    async with stage("close/close_wait.toml") as s:

        def leaked() -> int:
            return procnet.states(s.of_server())["CLOSE_WAIT"]

        players = [await s.player() for _ in range(10)]
        for player in players:
            await player.say("STREAM 1000 600")
        await until(lambda: leaked() == 10, "ten sockets in CLOSE_WAIT")
        s.heal("left")
        await holds(lambda: leaked() == 10, 0.3, "ten sockets in CLOSE_WAIT")
        for player in players:
            player.reset()
        await until(lambda: leaked() == 0, "that the server gets rid of them")


@pytest.mark.parametrize("case", ["client", "server"])
async def test_time_wait(case: str) -> None:
    async with stage("close/time_wait.toml", case) as s:
        player = await s.player()
        await player.say("PING" if case == "client" else "QUIT")
        if case == "client":
            assert await player.hear() == "PONG"
        else:
            assert await player.recv_all() == b""
        player.fin()
        holder = player.state if case == "client" else s.server_state
        await until(lambda: holder() == "FIN_WAIT_2", f"FIN_WAIT_2 at the {case}")
        s.heal("kept-waiting")

        def in_time_wait() -> tuple[bool, bool]:
            return player.state() == "TIME_WAIT", s.server_state() == "TIME_WAIT"

        await until(lambda: in_time_wait() == (case == "client", case == "server"), f"TIME_WAIT at the {case} alone")
        assert {player.state(), s.server_state()} == {"TIME_WAIT", "CLOSED"}


async def test_half_close() -> None:
    async with stage("close/half_close.toml") as s:
        player = await s.player()
        began = trio.current_time()
        await player.say("STREAM 200000")
        player.fin()
        await until_state(player, "FIN_WAIT_2")
        assert await player.recv_all() == stream(200_000)
        assert trio.current_time() - began > 0.45
        await until_state(player, "TIME_WAIT")


async def test_fin_withheld() -> None:
    async with stage("close/fin_withheld.toml") as s:
        player = await s.player()
        await player.say("STREAM 20000 1")
        player.fin()
        await until_state(player, "FIN_WAIT_2")
        first = await player.recv(10_000)
        assert (player.state(), s.server_state()) == ("FIN_WAIT_2", "ESTABLISHED")
        rest = await player.recv(10_000)
        assert first + rest == stream(20_000)
        assert (player.state(), s.server_state()) == ("FIN_WAIT_2", "ESTABLISHED")
        assert player.nothing_to_read()
        s.heal("unheard")
        assert await player.recv_all() == b""  # the server has heard the end, and says goodbye too
        await until_state(player, "TIME_WAIT")
        await until_server_state(s, "CLOSED")


async def test_abort() -> None:
    async with stage("close/abort.toml") as s:
        player = await s.player()
        await player.say("STREAM 9000000")
        got, error = await read_until_error(player)
        assert error == "ECONNRESET"
        assert got == stream(65536)[: len(got)]
        assert player.state() == "CLOSED"
        await s.until_server_says("Connection reset by peer")
        await until_server_state(s, "CLOSED")
        after = await s.player()
        assert await after.ask("PING") == "PONG"


async def read_until_error(player: Player) -> tuple[bytes, str]:
    """What arrived, and how it ended."""
    got = bytearray()
    try:
        with trio.fail_after(10):
            while part := await player.sock.recv(65536):
                got += part
    except ConnectionResetError:
        return bytes(got), "ECONNRESET"
    return bytes(got), "EOF"


async def test_rst_after_fin() -> None:
    async with stage("close/rst_after_fin.toml") as s:
        player = await s.player()
        await player.say("STREAM 1000 600")
        player.fin()
        await until_state(player, "FIN_WAIT_2")
        assert (await read_until_error(player))[1] == "ECONNRESET"
        assert player.state() == "CLOSED"
        assert s.server_state() == "CLOSE_WAIT"


async def test_rst_in_close_wait() -> None:
    async with stage("close/rst_in_close_wait.toml") as s:
        player = await s.player()
        await player.say("STREAM 1000 60")
        await until_server_state(s, "CLOSE_WAIT")
        await s.until_server_says("Broken pipe")
        await until_server_state(s, "CLOSED")


async def test_rst_with_unread_data() -> None:
    async with stage("close/rst_with_unread_data.toml") as s:
        player = await s.player()
        await player.say("PING deaf")
        await until(lambda: "unread" in s.proxy.snapshot().rows[0].active, "the fault")
        await player.say("PING deaf")
        assert (await read_until_error(player))[1] == "ECONNRESET"
        assert player.state() == "CLOSED"


@pytest.mark.parametrize("case", ["off", "wait", "throw-away"])
async def test_linger(case: str) -> None:
    async with stage("close/linger.toml", case) as s:
        player = await s.player(rcvbuf=4096)

        def of_closer() -> tuple[str, bool]:
            """The state of the proxy's end, and whether a process still owns it."""
            rows = procnet.find(local_port=s.port, remote_port=player.port)
            return (rows[0].state, rows[0].inode != 0) if rows else ("CLOSED", False)

        await player.say("STREAM 300000", "QUIT")
        if case == "wait":
            await until(lambda: of_closer() == ("FIN_WAIT_1", True), "FIN_WAIT_1 with its owner in close()")
            began = trio.current_time()
            await until(lambda: of_closer() == ("FIN_WAIT_1", False), "the end of close()")
            assert 0.8 < trio.current_time() - began < 3
        elif case == "off":
            await until(lambda: of_closer() == ("FIN_WAIT_1", False), "FIN_WAIT_1 without an owner")
        else:
            await until(lambda: of_closer() == ("CLOSED", False), "that it is gone")
        got, end = await read_until_error(player)
        if case == "throw-away":
            assert end == "ECONNRESET"
            assert got == stream(300_000)[: len(got)]
        else:
            assert (end, got) == ("EOF", stream(300_000) + b"BYE\r\n")
