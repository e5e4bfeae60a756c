"""Each defence of the arena, there and left out: what a player notices of it."""

from __future__ import annotations

import math
import re
from dataclasses import fields
from pathlib import Path

import pytest
import trio

from faultproxy.arena.commands import PATTERN
from faultproxy.arena.defences import ALL, NAIVE, NAMES, Defences
from faultproxy.arena.limits import DEFAULT, Limits
from faultproxy.arena.listening import Listening
from faultproxy.arena.player import Player
from faultproxy.arena.server import Ticks
from faultproxy.kernel import procnet
from tests.arena.conftest import Arena, Open, until

SMALL = Listening(send_buffer=4096)
A_MOMENT = 0.3
"""Seconds in which nothing comes that should not."""


def without(name: str) -> Defences:
    return ALL.without([name])


async def hears_nothing(player: Player) -> bool:
    """Whether no line comes within a moment."""
    with trio.move_on_after(A_MOMENT) as scope:
        await player.hear()
    return scope.cancelled_caught


async def deaf_player(arena: Arena, *lines: str) -> Player:
    """He has logged in and says these lines, and nobody reads for him."""
    deaf = await arena.player("deaf", recv_buffer=4096)
    await deaf.send("".join(f"{line}\n" for line in lines).encode())
    return deaf


async def is_refused(arena: Arena) -> bool:
    """Whether nobody listens any more. A connection that was waiting to be accepted then is reset."""
    try:
        (await arena.player()).close()
    except (ConnectionRefusedError, ConnectionResetError) as error:
        return isinstance(error, ConnectionRefusedError)
    return False


def test_some_left_out() -> None:
    left = ALL.without(["resume", "heartbeat"])
    assert (left.left_out(), ALL.left_out(), NAIVE.left_out()) == (["heartbeat", "resume"], [], list(NAMES))


def test_a_name_that_is_none() -> None:
    with pytest.raises(ValueError, match=r"there is no defence 'heartbeats' \(do you mean 'heartbeat'\?\): the arena has login_deadline, "):
        ALL.without(["heartbeats"])


def test_the_limits_that_are_left() -> None:
    limits = Limits(login=1, heartbeat=2, stalled=3, farewell=4, grace=5, players=6, line=7, queue=8, stream=9)
    assert ALL.loosen(limits) == limits
    bare = NAIVE.loosen(limits)
    assert (bare.login, bare.heartbeat, bare.stalled) == (math.inf, math.inf, math.inf)
    assert min(bare.players, bare.line, bare.queue) > 2**60
    assert (bare.farewell, bare.grace, bare.stream) == (4, 5, 9)


def test_the_page_names_them_all_in_order() -> None:
    page = (Path(__file__).parents[2] / "docs" / "arena.md").read_text(encoding="utf-8")
    section = page.partition("## The defences")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [each.name for each in fields(Defences)]


@pytest.mark.live
@pytest.mark.parametrize("there", [True, False])
async def test_login_deadline(open_arena: Open, there: bool) -> None:
    async with (
        open_arena(Limits(login=0.2), defences=ALL if there else without("login_deadline")) as arena,
        await arena.player() as stranger,
        await arena.player("ann") as ann,
    ):
        await stranger.send(b"LOG")
        await ann.ping(4, every=0.15)
        if there:
            assert await stranger.read_to_end() == b"ERR no login within 0.2 s\r\n"
        else:
            assert await stranger.ask("IN slowly") == "LOGIN OK"


@pytest.mark.live
@pytest.mark.parametrize("there", [True, False])
async def test_heartbeat(open_arena: Open, there: bool) -> None:
    async with (
        open_arena(Limits(heartbeat=0.4), defences=ALL if there else without("heartbeat")) as arena,
        await arena.player("ann") as ann,
        await arena.player("bob") as bob,
    ):
        await bob.ping(5, every=0.15)
        assert await bob.ask("WHO") == ("WHO bob" if there else "WHO ann bob")
        assert await ann.hear() == "ERR no heartbeat for 0.4 s" if there else await ann.ask("HB") == "HB OK"


@pytest.mark.live
@pytest.mark.parametrize("there", [True, False])
async def test_line_bound(open_arena: Open, there: bool) -> None:
    async with open_arena(defences=ALL if there else without("line_bound")) as arena, await arena.player("ann") as ann:
        assert await ann.ask(f"SAY {'x' * 50_000}") == ("ERR a line may have 1024 bytes" if there else "SAY OK")


@pytest.mark.live
@pytest.mark.parametrize("there", [True, False])
async def test_player_bound(open_arena: Open, there: bool) -> None:
    defences = ALL if there else without("player_bound")
    async with open_arena(Limits(players=1), defences=defences) as arena, await arena.player("ann"), await arena.player() as second:
        if there:
            assert await second.hear() == "ERR the arena is full"
        else:
            assert await second.ask("PING") == "PONG"


@pytest.mark.live
@pytest.mark.parametrize("there", [True, False])
async def test_bounded_queue(open_arena: Open, there: bool) -> None:
    async with (
        open_arena(Limits(queue=20_000), SMALL, defences=ALL if there else without("bounded_queue")) as arena,
        await arena.player("bob") as bob,
        await deaf_player(arena, "STREAM 3000000", "SAY hello") as deaf,
    ):
        if there:  # his answer waits for room, and so does what he says behind it
            assert await hears_nothing(bob)
            assert await deaf.read(3_000_000) == PATTERN * 30
        assert await bob.hear() == "deaf: hello"  # else all the three million bytes are in memory by now


@pytest.mark.live
async def test_without_bounded_queue_nobody_is_put_out_for_what_waits(open_arena: Open) -> None:
    async with (
        open_arena(Limits(queue=2000), SMALL, defences=without("bounded_queue")) as arena,
        await arena.player("ann") as ann,
        await deaf_player(arena) as deaf,
    ):
        for _ in range(200):
            await ann.ask(f"SAY {'x' * 900}")
        assert await deaf.read(200 * 907) == f"ann: {'x' * 900}\r\n".encode() * 200


@pytest.mark.live
async def test_without_eviction_a_deaf_player_stays_and_misses_what_does_not_fit(open_arena: Open) -> None:
    async with (
        open_arena(Limits(queue=20_000, stalled=0.2), SMALL, defences=without("eviction")) as arena,
        await arena.player("ann") as ann,
        await deaf_player(arena) as deaf,
    ):
        for number in range(200):
            await ann.ask(f"SAY {number:03} {'x' * 900}")
        await ann.ping(3, every=0.15)
        assert await ann.ask("WHO") == "WHO ann deaf"
        heard = [int((await deaf.hear()).split()[1]) for _ in range(20)]
        assert heard == list(range(20))
        await deaf.send(b"WHO\n")
        while (line := await deaf.hear()) != "WHO ann deaf":
            heard.append(int(line.split()[1]))
        assert len(heard) < 200


@pytest.mark.live
@pytest.mark.parametrize("there", [True, False])
async def test_isolation(open_arena: Open, there: bool) -> None:
    async with (
        open_arena(Limits(heartbeat=0.2), SMALL, Ticks(every=0.05), ALL if there else without("isolation")) as arena,
        await arena.player() as bob,
        await deaf_player(arena, "STREAM 3000000") as deaf,
    ):
        await deaf.read(10)
        if there:
            assert len(await bob.ping(5, every=0.01)) == 5
            return
        await bob.send(b"PING\n")
        assert await hears_nothing(bob)
        await deaf.read(2_999_990)
        assert await bob.hear() == "PONG"


@pytest.mark.live
async def test_without_isolation_nobody_waits_for_one_who_has_gone(open_arena: Open) -> None:
    async with (
        open_arena(listening=SMALL, defences=without("isolation")) as arena,
        await arena.player("ann") as ann,
        await deaf_player(arena, "STREAM 3000000") as deaf,
    ):
        await deaf.read(10)
        await ann.send(b"PING\n")
        assert await hears_nothing(ann)
        deaf.reset()
        assert await ann.hear() == "PONG"


@pytest.mark.live
@pytest.mark.parametrize("there", [True, False])
async def test_resume(open_arena: Open, there: bool) -> None:
    async with open_arena(defences=ALL if there else without("resume")) as arena, await arena.player() as again:
        first = await arena.player("ann")
        _, key = (await first.ask("SESSION")).split()
        await first.ask("SCORE 5")
        first.reset()
        await arena.until_told("ann left")
        assert await again.ask(f"RESUME {key}") == ("RESUMED ann" if there else "ERR no such session, or its time is over: LOGIN <name>")
        if there:
            assert await again.ask("SCORE") == "SCORE 5"


@pytest.mark.live
async def test_a_session_is_refused_after_the_grace(open_arena: Open) -> None:
    async with open_arena(Limits(grace=0.2)) as arena, await arena.player() as again:
        first = await arena.player("ann")
        _, key = (await first.ask("SESSION")).split()
        first.reset()
        await arena.until_told("ann left")
        await again.ping(4, every=0.1)
        assert await again.ask(f"RESUME {key}") == "ERR no such session, or its time is over: LOGIN <name>"


@pytest.mark.live
@pytest.mark.parametrize("there", [True, False])
async def test_half_close(open_arena: Open, there: bool) -> None:
    async with open_arena(defences=ALL if there else without("half_close")) as arena, await arena.player() as player:
        await player.send(b"STREAM 1000 0.5\nPING\n")
        await player.read(10)
        player.half_close()
        rest = await player.read_to_end()
        whole = PATTERN[10:1000] + b"PONG\r\n"
        assert rest == whole if there else len(rest) < 500 and whole.startswith(rest)
        await arena.until_told("left: he has closed his side")


@pytest.mark.live
async def test_without_half_close_a_player_who_is_reset_is_still_noticed(open_arena: Open) -> None:
    async with open_arena(defences=without("half_close")) as arena, await arena.player("ann") as bystander:
        player = await arena.player("bob")
        await player.send(b"STREAM 1000 60\n")
        await player.read(1)
        player.reset()
        await arena.until_told("bob left: connection lost: Connection reset by peer")
        assert await bystander.ask("WHO") == "WHO ann"


@pytest.mark.live
@pytest.mark.parametrize("there", [True, False])
async def test_close_back(open_arena: Open, there: bool) -> None:
    async with open_arena(defences=ALL if there else without("close_back")) as arena, await arena.player() as player:

        def at_the_arena() -> list[str]:
            return [each.state for each in procnet.find(local_port=arena.port, remote_port=player.port)]

        await player.send(b"PING\n")
        player.half_close()
        assert await player.hear() == "PONG"
        if there:
            assert await player.read_to_end() == b""
            await until(lambda: at_the_arena() == [])
        else:
            await until(lambda: at_the_arena() == ["CLOSE_WAIT"])
            assert await hears_nothing(player)
            assert at_the_arena() == ["CLOSE_WAIT"]


@pytest.mark.live
@pytest.mark.parametrize("there", [True, False])
async def test_orderly_shutdown(open_arena: Open, there: bool) -> None:
    async with (
        open_arena(defences=ALL if there else without("orderly_shutdown")) as arena,
        await arena.player("ann") as ann,
        await arena.player() as bob,
    ):
        await bob.send(b"STREAM 1000 0.4\nPING\n")
        await bob.read(10)
        arena.closing.set()
        while not await is_refused(arena):  # the test's own deadline ends this
            pass
        if there:
            assert await ann.read_to_end() == b"BYE the arena closes\r\n"
            assert await bob.read_to_end() == PATTERN[10:1000] + b"BYE the arena closes\r\n"
            ann.close()
            bob.close()
            await arena.until_told("ann left: the arena closes")
        else:
            assert await ann.read_to_end() == b""
            assert len(await bob.read_to_end()) < 500
        await arena.closed.wait()


@pytest.mark.live
async def test_an_orderly_shutdown_waits_for_nobody_longer_than_the_farewell(open_arena: Open) -> None:
    async with (
        open_arena(Limits(farewell=0.3), SMALL) as arena,
        await deaf_player(arena, "STREAM 3000000") as deaf,
        await arena.player("ann"),  # who does not close
    ):
        await deaf.read(10)
        start = trio.current_time()
        arena.closing.set()
        await arena.closed.wait()
        assert 0.25 < trio.current_time() - start < 1.5
        with pytest.raises(ConnectionResetError):
            await deaf.read_to_end()
        await arena.until_told("deaf left: the arena closes")


@pytest.mark.live
async def test_the_naive_arena_is_an_arena_as_long_as_nothing_goes_wrong(open_arena: Open) -> None:
    async with open_arena(DEFAULT, defences=NAIVE) as arena, await arena.player("ann") as ann, await arena.player("bob") as bob:
        assert await ann.ask("SAY hello") == "SAY OK"
        assert await bob.hear() == "ann: hello"
        assert await bob.ask("QUIT") == "BYE"
        assert await bob.read_to_end() == b""
        assert await ann.ask("WHO") == "WHO ann"
