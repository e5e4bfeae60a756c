"""Buffers of the machine (scenarios/machine): the same 150 000 unread bytes, and what the sender's kernel makes of them."""

from __future__ import annotations

import pytest

from tests.live.rig import until
from tests.scenarios.kernel import info
from tests.scenarios.stage import Player, Stage, stage

pytestmark = pytest.mark.live

LINES = 1500
UNREAD = (b"PING unread".ljust(98, b".") + b"\r\n") * LINES


async def begun(s: Stage, player: Player) -> None:
    """Says the line behind which nothing is read any more, alone: what comes after it stays in the kernel."""
    await player.say("PING unread")
    await until(lambda: "unread" in s.proxy.snapshot().rows[0].active, "the fault")


async def test_small_buffers() -> None:
    async with stage("machine/small_buffers.toml") as s:
        player = await s.player(sndbuf=256 * 1024)
        seen = info(player.sock)
        assert seen.window_scale == 0
        assert seen.window is None or seen.window <= 4096
        await begun(s, player)
        await player.send(UNREAD)
        await until(lambda: player.persists, "a closed window")
        assert player.kernel().send_queue > len(UNREAD) - 32 * 1024
        s.heal("unread")
        assert await player.recv(6 * (LINES + 1)) == b"PONG\r\n" * (LINES + 1)


async def test_large_buffers() -> None:
    async with stage("machine/large_buffers.toml") as s:
        player = await s.player(sndbuf=256 * 1024)
        assert info(player.sock).window_scale >= 1
        await begun(s, player)
        await player.send(UNREAD)
        await until(lambda: player.kernel().send_queue == 0, "everything acknowledged")
        assert s.proxy.snapshot().c2s == 13  # the line that began it: what lies in the kernel now, nobody has read
        s.heal("unread")
        assert await player.recv(6 * (LINES + 1)) == b"PONG\r\n" * (LINES + 1)
