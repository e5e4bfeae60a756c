"""Flow control (scenarios/window): closed and small windows, as the senders' kernels and programs feel them."""

from __future__ import annotations

import errno
import hashlib
import socket
import struct

import pytest
import trio

from faultproxy.kernel import procnet
from tests.live.rig import until
from tests.scenarios.kernel import info, resident, tcp_memory
from tests.scenarios.stage import Player, Stage, persists, stage
from tests.scenarios.test_flight import stream

pytestmark = pytest.mark.live

MEGABYTE = 1_000_000


def server_row(s: Stage) -> procnet.Socket:
    (row,) = s.of_server()
    return row


async def until_server_persists(s: Stage) -> procnet.Socket:
    await until(lambda: all(persists(row) for row in s.of_server()), "the window probe timer at the server")
    return server_row(s)


async def all_arrives(player: Player, count: int) -> None:
    assert hashlib.sha256(await player.recv(count)).digest() == hashlib.sha256(stream(count)).digest()


async def test_zero_window() -> None:
    async with stage("window/zero_window.toml") as s:
        player = await s.player("frozen")
        await player.say(f"STREAM {MEGABYTE}")
        row = await until_server_persists(s)
        assert (row.state, row.retransmits) == ("ESTABLISHED", 0)
        assert row.send_queue > 64 * 1024
        assert player.nothing_to_read()
        healthy = await s.player()
        assert await healthy.ask("PING") == "PONG"
        s.heal("frozen")
        await all_arrives(player, MEGABYTE)
        await until(lambda: not any(row.send_queue for row in s.of_server()), "an empty send queue at the server")


async def test_zero_window_for_long() -> None:
    async with stage("window/zero_window_for_long.toml") as s:
        player = await s.player()
        await player.say(f"STREAM {MEGABYTE}")
        await until_server_persists(s)
        # 0.2, 0.4, 0.8, 1.6 s: a pause of more than a second is the fourth
        await until(lambda: server_row(s).timer_seconds > 1.0, "a pause of more than a second between two probes")
        row = server_row(s)
        assert (row.state, row.timer) == ("ESTABLISHED", "window_probe")
        assert row.probes <= 1  # every one was answered
        s.heal("laptop-shut")
        await all_arrives(player, MEGABYTE)


async def test_send_blocks() -> None:
    # Three programs, with plain blocking sockets in threads, as most programs have them.
    async with stage("window/send_blocks.toml") as s:
        data = (b"PING 0".ljust(998, b"x") + b"\r\n") * 3000
        plain, timed_, blocking = [_plain(s.port) for _ in range(3)]
        plain.setblocking(False)
        timed_.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 300_000))
        sent: list[int] = []
        async with trio.open_nursery() as nursery:

            async def block() -> None:
                await trio.to_thread.run_sync(blocking.sendall, data)
                sent.append(len(data))

            nursery.start_soon(block)
            await until(lambda: _row(blocking, s.port).timer == "window_probe", "the blocked program's window probe timer")
            assert await trio.to_thread.run_sync(_send_all, timed_, data) == "EAGAIN"
            assert _send_all(plain, data) == "EAGAIN"
            assert sent == []
            assert all(_row(sock, s.port).send_queue > 8192 for sock in (plain, timed_, blocking))
            s.heal("deaf-server")
            answers = await trio.to_thread.run_sync(_read, blocking, 3000 * 6)
        assert sent == [len(data)]
        assert answers == b"PONG\r\n" * 3000
        for sock in (plain, timed_, blocking):
            sock.close()


def _plain(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    sock.connect(("127.0.0.1", port))
    return sock


def _row(sock: socket.socket, port: int) -> procnet.Socket:
    (row,) = procnet.find(local_port=sock.getsockname()[1], remote_port=port)
    return row


def _send_all(sock: socket.socket, data: bytes) -> str:
    # Until an error comes; its name.
    try:
        while True:
            sock.send(data)
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def _read(sock: socket.socket, count: int) -> bytes:
    got = b""
    sock.settimeout(10)
    while len(got) < count:
        got += sock.recv(65536)
    return got


async def test_small_window() -> None:
    async with stage("window/small_window.toml") as s:
        player = await s.player()
        first = info(player.sock)
        assert first.window_scale == 0
        lines = b"PING slowly\r\n" * 2000
        seen = {first.window}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(player.send, lines)
            await until(lambda: player.persists, "a closed window")
            for _ in range(50):
                seen.add(info(player.sock).window)
                await trio.sleep(0.005)
            s.heal("slow-reader")
            assert await player.recv(2000 * 6) == b"PONG\r\n" * 2000
        if None not in seen:
            assert max(seen, key=lambda window: window or 0) == first.window
            assert (first.window or 0) <= 1152
        sent = info(player.sock)
        assert sent.sent >= len(lines)
        assert sent.sent / sent.segments <= 576
        control = await s.player(direct=True)
        await control.send(lines)
        assert info(control.sock).window_scale > 0
        assert info(control.sock).sent / info(control.sock).segments > 10_000


async def test_never_read() -> None:
    async with stage("window/never_read.toml") as s:
        assert s.server is not None
        assert s.server.pid is not None
        players = [await s.player(f"mute{number}") for number in range(50)]
        memory = tcp_memory()
        for player in players:
            await player.say(f"STREAM {MEGABYTE}")
        await until(lambda: all(persists(row) for row in s.of_server()), "fifty closed windows at the server")
        rows = s.of_server()
        assert len(rows) == 50
        assert min(row.send_queue for row in rows) > 32 * 1024
        assert tcp_memory() - memory > 50 * 32 * 1024
        assert resident(s.server.pid) < 120 * 2**20
        healthy = await s.player()
        assert await healthy.ask("PING") == "PONG"
        s.heal("never-read")
        async with trio.open_nursery() as nursery:
            for player in players:
                nursery.start_soon(all_arrives, player, MEGABYTE)
        await until(lambda: tcp_memory() - memory < 50 * 32 * 1024, "TCP's memory back where it was")


async def test_flood_unread() -> None:
    async with stage("window/flood_unread.toml") as s:
        line = b"PING flood".ljust(998, b".") + b"\r\n"
        flood = line * 2000
        players = [await s.player(sndbuf=32 * 1024) for _ in range(3)]
        taken = [await player.push(flood) for player in players]
        assert max(taken) < 500_000
        await until(lambda: all(player.persists for player in players), "three closed windows")
        assert s.proxy.snapshot().held < 500_000
        healthy = await s.player()
        assert await healthy.ask("PING") == "PONG"
        s.heal("server-busy")
        for player, count in zip(players, taken, strict=True):
            await player.send(flood[count : count + len(line) - count % len(line)])  # the end of the line that was begun
            lines = count // len(line) + 1
            assert await player.recv(6 * lines) == b"PONG\r\n" * lines
