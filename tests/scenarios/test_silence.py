"""Silence (scenarios/silence): limits that are kept to the moment, by the clients' clocks, and kernels that answer for the dead."""

from __future__ import annotations

import resource
import socket

import pytest
import trio

from faultproxy.kernel import procnet
from tests.live.rig import until
from tests.scenarios.kernel import info
from tests.scenarios.stage import Player, Stage, stage

pytestmark = pytest.mark.live

LATE = 1.0
"""Seconds that a busy machine may add to a limit."""


class Heart:
    """Beats for a player, and notes when the server has ended it, and with which words."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.heard: list[float] = []
        """When each answer came."""
        self.beaten: list[float] = []
        self.ended: float | None = None
        self.last = ""

    async def run(self, every: float = 0.4) -> None:
        """Until the stream ends."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._beat, every)
            while line := await self._hear():
                self.last = line
                self.heard.append(trio.current_time())
            self.ended = trio.current_time()
            nursery.cancel_scope.cancel()

    async def _hear(self) -> str:
        try:
            return await self.player.hear()
        except ConnectionResetError:
            return ""

    async def _beat(self, every: float) -> None:
        while True:
            self.beaten.append(trio.current_time())
            try:
                await self.player.say("HB")
            except OSError:
                return
            await trio.sleep(every)


async def test_app_dead_kernel_alive() -> None:
    async with stage("silence/app_dead_kernel_alive.toml") as s:
        player = await s.player("patient")
        for option, value in (("TCP_KEEPIDLE", 1), ("TCP_KEEPINTVL", 1), ("TCP_KEEPCNT", 2)):
            player.sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        player.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await player.say("HB")
        await until(lambda: player.kernel().timer == "keepalive", "the keep-alive timer")

        def probed() -> bool:
            seen = info(player.sock)
            return seen.last_data_received > 1.0 and seen.last_ack_received < 0.7

        await until(probed, "an ACK, more than a second after the last data")
        assert (player.state(), player.kernel().probes) == ("ESTABLISHED", 0)
        assert player.nothing_to_read()
        s.heal("hangs")
        assert await player.hear() == "HB OK"


async def test_heartbeat_late_inside() -> None:
    async with stage("silence/heartbeat_late.toml", "inside") as s:
        heart = Heart(await s.player("p"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(heart.run)
            await until(lambda: s.fired("late"), "the fault")
            await until(lambda: s.proxy.snapshot().rows[0].active == (), "its end")
            before = len(heart.heard)
            await until(lambda: len(heart.heard) >= before + 4, "answers")
            assert heart.ended is None
            assert heart.last == "HB OK"
            assert max(b - a for a, b in zip(heart.heard, heart.heard[1:], strict=False)) > 0.6
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("file", "case", "limit"),
    [("heartbeat_late.toml", "beyond", 2), ("heartbeat_jitter.toml", "beyond", 1), ("heartbeat_lost.toml", None, 1.5)],
)
async def test_heartbeats_beyond_the_limit(file: str, case: str | None, limit: float) -> None:
    async with stage(f"silence/{file}", case) as s:
        heart = Heart(await s.player("p"))
        logged_in = trio.current_time()
        with trio.fail_after(10):
            await heart.run()
        assert heart.ended is not None
        assert heart.last == f"ERR no heartbeat for {limit:g} s"
        last_heard = max(heart.heard[:-1], default=logged_in)  # of the server, its answer to the last heartbeat that arrived
        assert limit - 0.05 <= heart.ended - last_heard < limit + LATE
        assert len([beat for beat in heart.beaten if beat > last_heard]) >= 2  # which is not for want of heartbeats
        await s.until_server_says(f"left: no heartbeat for {limit:g} s")


async def test_heartbeat_jitter_inside() -> None:
    async with stage("silence/heartbeat_jitter.toml", "inside") as s:
        heart = Heart(await s.player("p"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(heart.run)
            await until(lambda: len(heart.heard) >= 6, "six answers")
            assert heart.ended is None
            delays = [heard - beaten for beaten, heard in zip(heart.beaten, heart.heard, strict=False)]
            assert min(delays) >= 0.045
            assert max(delays) - min(delays) > 0.05
            nursery.cancel_scope.cancel()


async def test_login_unheard() -> None:
    async with stage("silence/login_unheard.toml") as s:
        closed: dict[str, list[float]] = {"stranger": [], "player": []}

        async def come(kind: str, number: int) -> None:
            began = trio.current_time()
            player = await s.player()
            await player.say(f"LOGIN {kind}{number}")
            lines = []
            while line := await player.hear():
                lines.append(line)
            closed[kind].append(trio.current_time() - began)
            assert lines[-1].startswith("ERR no login" if kind == "stranger" else "ERR no heartbeat")

        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(come, "stranger", number)
                nursery.start_soon(come, "player", number)
        assert min(closed["stranger"]) >= 0.95
        assert max(closed["stranger"]) < 1 + LATE
        assert min(closed["player"]) >= 2.45
        assert max(closed["player"]) < 2.5 + LATE


async def test_slow_loris() -> None:
    async with stage("silence/slow_loris.toml") as s:
        healthy = await s.player("healthy")
        began = trio.current_time()
        loris = await s.player()
        await loris.say("LOGIN loris-0123456789")
        await until(lambda: s.fired("drip"), "a dripping byte")
        assert await healthy.ask("PING") == "PONG"
        assert await loris.hear() == "ERR no login within 1.2 s"
        assert 1.15 <= trio.current_time() - began < 1.2 + LATE
        assert await healthy.ask("HB") == "HB OK"
        await s.until_server_says("without a name left: no login within 1.2 s")


async def test_idle_crowd() -> None:
    async with stage("silence/idle_crowd.toml") as s:
        (crowd,) = s.scenario.crowds
        # Each takes a descriptor here and two in the proxy, which is part of this process.
        count = min(crowd.count, (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200) // 3)
        healthy = await s.player("healthy")
        for number in range(count):
            await (await s.player()).say(f"LOGIN idler{number}")
        await until(lambda: established(s) == count + 1, f"{count} idle connections at the server", within=20)
        trips = []
        for _ in range(20):
            asked = trio.current_time()
            assert await healthy.ask("PING") == "PONG"
            trips.append(trio.current_time() - asked)
        assert sorted(trips)[-2] < 0.5
        for player in s.players[1:]:
            player.reset()  # and no TIME_WAIT, which would be in everybody's way for a minute
        await until(lambda: established(s) == 1, "that they are gone", within=20)


def established(s: Stage) -> int:
    return procnet.states(s.of_server())["ESTABLISHED"]
