"""Bytes on their way (scenarios/flight): what arrives, in which pieces, and when."""

from __future__ import annotations

import statistics

import pytest
import trio

from faultproxy.arena.commands import Stream, pattern
from tests.live.rig import timed, until
from tests.scenarios.kernel import counter
from tests.scenarios.stage import stage

pytestmark = pytest.mark.live


def stream(count: int) -> bytes:
    """What STREAM answers."""
    return b"".join(pattern(Stream(count)))


async def test_bytes_late() -> None:
    async with stage("flight/bytes_late.toml") as s:
        player = await s.player("far")
        direct = await s.player(direct=True)
        late = [await timed(lambda: player.ask("PING")) for _ in range(3)]
        assert min(late) >= 0.139  # each way 100 ms, less 30
        assert statistics.median(late) < 0.5
        assert statistics.median([await timed(lambda: direct.ask("PING")) for _ in range(3)]) < 0.07
        await player.say("STREAM 50000")
        assert await player.recv(50_000) == stream(50_000)


async def test_rate_limited() -> None:
    async with stage("flight/rate_limited.toml") as s:
        player = await s.player(rcvbuf=16384)
        began = trio.current_time()
        await player.say("STREAM 200000")
        await until(lambda: any(row.send_queue for row in s.of_server()), "bytes that wait in the server's kernel")
        assert await player.recv(200_000) == stream(200_000)
        assert 0.78 <= trio.current_time() - began < 2.5


async def test_cut_into_pieces() -> None:
    async with stage("flight/cut_into_pieces.toml") as s:
        player = await s.player()
        await player.say("LOGIN me")
        pieces: list[bytes] = []
        while sum(map(len, pieces)) < 10:
            pieces.append(await player.sock.recv(1000))
        assert b"".join(pieces) == b"LOGIN OK\r\n"
        assert [len(piece) % 4 for piece in pieces[:-1]] == [0] * (len(pieces) - 1)
        assert len(pieces) >= 2  # three, unless this machine was so busy that two came between two calls
        s.heal("crumbs")
        await player.say("PING")
        assert await player.sock.recv(1000) == b"PONG\r\n"


async def test_merged() -> None:
    async with stage("flight/merged.toml") as s:
        player = await s.player()
        for _ in range(3):
            assert player.nothing_to_read()
            await player.say("PING")
            await trio.sleep(0.05)  # so that the server answers one by one
        assert await player.sock.recv(1000) == b"PONG\r\n" * 3
        await player.say("PING")
        await until(lambda: s.proxy.snapshot().held == 6, "the answer that is held")
        assert player.nothing_to_read()
        s.heal("together")
        assert await player.hear() == "PONG"
        assert await player.ask("PING") == "PONG"


async def test_wrong_byte() -> None:
    async with stage("flight/wrong_byte.toml") as s:
        errors = counter("Tcp.InCsumErrors")
        player = await s.player()
        await player.say("STREAM 1000")
        got, right = await player.recv(1000), stream(1000)
        assert [(at, a ^ b) for at, (a, b) in enumerate(zip(got, right, strict=True)) if a != b] == [(500, 1)]
        assert counter("Tcp.InCsumErrors") == errors
        assert player.kernel().retransmits == 0
        s.heal("bit-rot")
        await player.say("STREAM 1000")
        assert await player.recv(1000) == right
