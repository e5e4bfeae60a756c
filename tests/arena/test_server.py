"""The arena's server: who is let in, what everybody hears, and the program."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
import trio

from faultproxy.arena.limits import Limits
from faultproxy.arena.player import Player
from faultproxy.arena.server import Ticks, main, serve
from faultproxy.errors import ListenError
from tests.arena.conftest import Open

pytestmark = pytest.mark.live


async def test_a_full_arena_turns_the_next_one_away(open_arena: Open) -> None:
    async with open_arena(Limits(players=2), ticks=Ticks(every=60)) as arena, await arena.player("a"), await arena.player("b") as b:
        async with await arena.player() as c:
            assert await c.read_to_end() == b"ERR the arena is full\r\n"
        await b.ask("QUIT")
        await arena.until_told("b left")
        async with await arena.player("c"):
            pass


async def test_ticks_reach_who_has_logged_in(open_arena: Open) -> None:
    async with open_arena(ticks=Ticks(every=0.05, size=20)) as arena, await arena.player("ann") as ann:
        number = int((await ann.hear()).strip("TICK .")) + 1
        assert await ann.hear() == f"TICK {number}".ljust(18, ".")


async def test_players_get_a_fin_when_the_arena_stops(open_arena: Open) -> None:
    async with open_arena() as arena:
        player = await arena.player("ann")
        arena.stop.cancel()
    async with player:
        assert await player.read_to_end() == b""


async def test_a_port_that_is_taken(open_arena: Open) -> None:
    async with open_arena() as arena:
        with pytest.raises(ListenError, match=rf"cannot listen on 127\.0\.0\.1:{arena.port} \(Address already in use\)"):
            await serve("127.0.0.1", arena.port)


async def test_the_program_says_where_it_listens_and_ends_orderly_at_sigterm() -> None:
    command = [sys.executable, "-m", "faultproxy.arena.server", "--heartbeat", "60s"]
    program = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    try:
        with trio.fail_after(10):
            assert program.stdout is not None
            said = (await program.stdout.receive_some()).decode()
            host, port = said.removeprefix("listening on ").removesuffix("\n").split(":")
            async with await Player.connect(host, int(port)) as player:
                await player.login("ann")
                program.terminate()
                assert await player.read_to_end() == b"BYE the arena closes\r\n"
            assert await program.wait() == 0
    finally:
        program.kill()
        await program.wait()


async def test_the_program_says_what_it_is_without() -> None:
    command = [sys.executable, "-m", "faultproxy.arena.server", "--without", "resume,heartbeat"]
    program = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    try:
        with trio.fail_after(10):
            assert program.stdout is not None
            said = b""
            while said.count(b"\n") < 2:
                said += await program.stdout.receive_some()
            assert said.decode().splitlines()[1] == "without heartbeat, resume"
    finally:
        program.kill()
        await program.wait()


def test_the_program_takes_no_bare_numbers_for_times(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--heartbeat", "5"])
    assert ended.value.code == 2
    assert "argument --heartbeat: a time needs a unit" in capsys.readouterr().err


def test_the_program_says_in_one_line_that_a_port_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            main(["--port", str(port)])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        f"faultproxy-arena: the arena cannot listen on 127.0.0.1:{port} (Address already in use): choose another --port, or 0 for any\n"
    )
