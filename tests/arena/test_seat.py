"""A seat in the arena, with real players: the protocol, the limits, and how a connection ends."""

from __future__ import annotations

import pytest
import trio

from faultproxy.arena.commands import PATTERN
from faultproxy.arena.limits import Limits
from faultproxy.arena.listening import Listening
from tests.arena.conftest import Open

pytestmark = pytest.mark.live


async def test_a_visit(open_arena: Open) -> None:
    async with open_arena() as arena, await arena.player("ann") as ann, await arena.player("bob") as bob:
        assert await ann.ask("SAY hello") == "SAY OK"
        assert await bob.hear() == "ann: hello"
        assert await bob.ask("WHO") == "WHO ann bob"
        assert await bob.ask("QUIT") == "BYE"
        assert await bob.read_to_end() == b""
        await arena.until_told("bob left: he quit")
        assert await ann.ask("WHO") == "WHO ann"


async def test_commands_that_come_together_are_answered_in_order(open_arena: Open) -> None:
    async with open_arena() as arena, await arena.player() as player:
        await player.send(b"LOGIN a\nPING\r\nSUM 1 2\nSTREAM 3\nHB\nQUIT\nPING\n")
        assert await player.read_to_end() == b"LOGIN OK\r\nPONG\r\n3\r\n000HB OK\r\nBYE\r\n"


async def test_a_client_that_half_closes_gets_all_its_answers(open_arena: Open) -> None:
    async with open_arena() as arena, await arena.player() as player:
        await player.send(b"SUM 1 2 3\nSTREAM 1000000\nSUM 4 5 6\nSUM 7")  # the last one is unfinished: not a command
        player.half_close()
        assert await player.read_to_end() == b"6\r\n" + PATTERN * 10 + b"15\r\n"
        await arena.until_told("left: he has closed his side")


async def test_a_stream_is_spread_over_its_time(open_arena: Open) -> None:
    async with open_arena() as arena, await arena.player() as player:
        asked = trio.current_time()
        await player.send(b"STREAM 1000 0.3\n")
        player.half_close()
        assert await player.read(100) == PATTERN[:100]
        assert trio.current_time() - asked < 0.2
        assert await player.read_to_end() == PATTERN[100:1000]
        assert trio.current_time() - asked >= 0.27  # the last of ten pieces goes out when nine tenths are over


async def test_who_does_not_log_in_is_closed_at_the_limit_however_he_drips(open_arena: Open) -> None:
    async with open_arena(Limits(login=0.4)) as arena, await arena.player() as idle, await arena.player() as dripping:
        start = trio.current_time()

        async def drip() -> None:
            await dripping.send(b"PING\n")
            for _ in range(100):
                await dripping.send(b"L")
                await trio.sleep(0.02)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drip)
            assert await idle.read_to_end() == b"ERR no login within 0.4 s\r\n"
            assert await dripping.read_to_end() == b"PONG\r\nERR no login within 0.4 s\r\n"
            assert 0.35 < trio.current_time() - start < 1.0
            nursery.cancel_scope.cancel()


async def test_who_is_silent_is_closed_at_the_heartbeat_limit_and_any_line_counts(open_arena: Open) -> None:
    async with open_arena(Limits(heartbeat=0.4)) as arena, await arena.player("ann") as ann:
        await ann.ping(5, every=0.15)
        last = trio.current_time()
        assert await ann.read_to_end() == b"ERR no heartbeat for 0.4 s\r\n"
        assert 0.35 < trio.current_time() - last < 1.0


async def test_a_line_without_end(open_arena: Open) -> None:
    async with open_arena() as arena, await arena.player("ann") as ann:
        await ann.send(b"SAY " + b"a" * 1020)
        assert await ann.read_to_end() == b"ERR a line may have 1024 bytes\r\n"


async def test_one_who_never_reads_is_put_out_and_the_others_do_not_notice(open_arena: Open) -> None:
    limits = Limits(queue=20_000)
    async with (
        open_arena(limits, Listening(send_buffer=4096)) as arena,
        await arena.player("deaf", recv_buffer=4096) as deaf,
        await arena.player("ann") as ann,
        await arena.player("bob") as bob,
    ):
        deadline = trio.current_time() + 10
        while not any("deaf left" in event for event in arena.events):
            assert await ann.ask(f"SAY {'x' * 900}") == "SAY OK"
            assert await bob.hear() == f"ann: {'x' * 900}"
            assert trio.current_time() < deadline
        assert await arena.until_told("deaf left: more than 20000 bytes wait for him")
        assert await ann.ask("WHO") == "WHO ann bob"
        with pytest.raises(ConnectionResetError):
            await deaf.read_to_end()


async def test_his_own_answers_wait_for_one_who_does_not_read_until_he_is_stalled(open_arena: Open) -> None:
    limits = Limits(queue=20_000, heartbeat=0.2, stalled=0.5)
    async with open_arena(limits, Listening(send_buffer=4096)) as arena, await arena.player("deaf", recv_buffer=4096) as deaf:
        await deaf.send(b"STREAM 10000000\n")
        assert await deaf.read(1000) == PATTERN[:1000]
        assert await arena.until_told("deaf left: he has taken nothing for 0.5 s")
        with pytest.raises(ConnectionResetError):
            await deaf.read_to_end()


async def test_a_reset_is_a_lost_connection(open_arena: Open) -> None:
    async with open_arena() as arena:
        (await arena.player("ann")).reset()
        assert await arena.until_told("ann left: connection lost: Connection reset by peer")


async def test_a_lost_session_is_resumed_from_another_connection(open_arena: Open) -> None:
    async with open_arena() as arena:
        first = await arena.player("ann")
        _, key = (await first.ask("SESSION")).split()
        assert await first.ask("SCORE 7") == "SCORE 7"
        async with await arena.player() as second:
            assert await second.ask(f"RESUME {key}") == "RESUMED ann"
            with pytest.raises(ConnectionResetError):
                await first.read_to_end()
            await arena.until_told("ann left: his session was resumed")
            assert await second.ask("WHO") == "WHO ann"
            assert await second.ask("SCORE 1") == "SCORE 8"
        first.close()


async def test_an_answer_may_take_longer_than_the_login_and_a_fin_behind_it_is_no_broken_rule(open_arena: Open) -> None:
    async with open_arena(Limits(login=0.2)) as arena, await arena.player() as leaver, await arena.player() as stranger:
        for player in (leaver, stranger):
            await player.send(b"STREAM 1000 0.4\n")
        leaver.half_close()
        assert await leaver.read_to_end() == PATTERN[:1000]
        assert await stranger.read_to_end() == PATTERN[:1000] + b"ERR no login within 0.2 s\r\n"


async def test_a_login_that_follows_a_long_answer_is_late(open_arena: Open) -> None:
    async with open_arena(Limits(login=0.2)) as arena, await arena.player() as stranger:
        await stranger.send(b"STREAM 1000 0.4\nLOGIN ann\n")
        assert await stranger.read_to_end() == PATTERN[:1000] + b"ERR no login within 0.2 s\r\n"


async def test_who_breaks_a_rule_and_reads_nothing_is_not_waited_for(open_arena: Open) -> None:
    limits = Limits(heartbeat=0.3, farewell=0.2)
    async with (
        open_arena(limits, Listening(send_buffer=4096)) as arena,
        await arena.player("deaf", recv_buffer=4096) as deaf,
        await arena.player("ann") as ann,
    ):
        silent = trio.current_time()
        for _ in range(100):
            await ann.ask(f"SAY {'x' * 900}")
        assert await arena.until_told("deaf left: no heartbeat for 0.3 s")
        assert trio.current_time() - silent < 2.0
        with pytest.raises(ConnectionResetError):
            await deaf.read_to_end()


async def test_who_breaks_a_rule_late_in_what_he_is_owed_still_gets_all_of_it(open_arena: Open) -> None:
    async with (
        open_arena(Limits(heartbeat=0.5), Listening(send_buffer=4096)) as arena,
        await arena.player("slow", recv_buffer=4096) as slow,
        await arena.player("ann") as ann,
    ):
        for _ in range(100):
            await ann.ask(f"SAY {'x' * 900}")
        await ann.ping(4, every=0.15)  # by now he has broken it
        heard = await slow.read_to_end()
        assert heard == f"ann: {'x' * 900}\r\n".encode() * 100 + b"ERR no heartbeat for 0.5 s\r\n"
