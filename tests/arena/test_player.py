"""The player: measured round trips, and the levers that tests pull."""

from __future__ import annotations

import pytest
import trio

from faultproxy.arena.limits import Limits
from faultproxy.arena.player import ConnectionEnded, Player
from faultproxy.kernel import procnet
from tests.arena.conftest import Open, until

pytestmark = pytest.mark.live


async def until_state(local_port: int, remote_port: int, state: procnet.State) -> None:
    await until(lambda: procnet.find(local_port=local_port, remote_port=remote_port, state=state))


async def test_round_trips_are_measured(open_arena: Open) -> None:
    async with open_arena() as arena, await arena.player("ann") as ann:
        start = trio.current_time()
        trips = await ann.ping(10)
        assert len(trips) == 10
        assert all(trip > 0 for trip in trips)
        assert sum(trips) <= trio.current_time() - start


async def test_a_login_that_is_refused(open_arena: Open) -> None:
    async with open_arena() as arena, await arena.player("ann") as ann:
        with pytest.raises(ValueError, match="did not take the login of 'bob': ERR already logged in as ann"):
            await ann.login("bob")


async def test_an_answer_that_ends_too_soon(open_arena: Open) -> None:
    async with open_arena(Limits(heartbeat=0.1)) as arena, await arena.player("ann") as ann:
        await ann.send(b"PING\r\n")
        with pytest.raises(ConnectionEnded) as ended:
            await ann.read(1000)
        assert ended.value.got == b"PONG\r\nERR no heartbeat for 0.1 s\r\n"


async def test_half_close_and_the_states_it_leads_to(open_arena: Open) -> None:
    async with open_arena() as arena, await arena.player() as player:
        await player.send(b"STREAM 10 60\n")
        player.half_close()
        await until_state(player.port, arena.port, "FIN_WAIT_2")
        await until_state(arena.port, player.port, "CLOSE_WAIT")


async def test_not_reading_closes_the_window(open_arena: Open) -> None:
    async with open_arena() as arena, await arena.player(recv_buffer=4096) as player:
        await player.send(b"STREAM 10000000\n")
        await until(lambda: [each.timer for each in procnet.find(local_port=arena.port, remote_port=player.port)] == ["window_probe"])


async def test_a_reset_leaves_no_socket(open_arena: Open) -> None:
    async with open_arena() as arena:
        player = await arena.player("ann")
        port = player.port
        player.reset()
        await until(
            lambda: not procnet.find(local_port=arena.port, remote_port=port) and not procnet.find(local_port=port, remote_port=arena.port)
        )


async def test_nobody_listens(open_arena: Open) -> None:
    async with open_arena() as arena:
        port = arena.port
    with pytest.raises(ConnectionRefusedError):
        await Player.connect("127.0.0.1", port)
