"""Crowds on real sockets, each behaviour against a server that shows it."""

from __future__ import annotations

import socket
from functools import partial

import pytest
import trio

from faultproxy.arena.server import serve
from faultproxy.kernel import procnet
from tests.live.rig import until
from tests.verify.playing import HEALTHY, PING, arena, closing, free, game, server

pytestmark = pytest.mark.live


async def test_a_crowd_asks_by_name() -> None:
    crowd = {"count": 5, "hello": {"send": "LOGIN p${n}\r\n", "reply": "LOGIN OK\r\n"}, "send": "WHO\r\n", "reply": {"regex": "p5"}}
    async with arena() as port, game(port, crowds=[crowd | {"every": "20ms"}]) as g:
        await until(lambda: g["crowd.c"].ok >= 20, "twenty answers")
        assert (g["crowd.c"].total, g["crowd.c"].open) == (5, 5)


async def test_the_crowd_comes_when_it_is_called() -> None:
    async with arena() as port, game(port, probes=[HEALTHY], crowds=[{"behaviour": "idle"}], come=False) as g:
        assert await g.players.baseline() == ""
        assert g["crowd.c"].open == 0
        g.players.start_crowds()
        await until(lambda: g["crowd.c"].open == 1, "the crowd")


async def test_who_is_idle_is_closed_by_the_server_and_stays_away() -> None:
    async with arena({"login": 0.2}) as port, game(port, crowds=[{"count": 4, "behaviour": "idle"}]) as g:
        await until(lambda: g["crowd.c"].closed_by_server == 4, "all are closed")
        seen = g["crowd.c"]
        assert (seen.open, seen.failures, len(g.enrolled)) == (0, 0, 4)
        assert all(each.by_server and 0.15 < each.after < 2 for each in seen.ended)


async def test_idle_players_who_cannot_get_in_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faultproxy.verify.players.member.AGAIN", 0.05)
    port = free()
    async with game(port, crowds=[{"behaviour": "idle"}]) as g:
        await until(lambda: g["crowd.c"].errors.get("ECONNREFUSED", 0) >= 2, "two refusals")
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve, "127.0.0.1", port))
            await until(lambda: g["crowd.c"].open == 1, "he is in")
            nursery.cancel_scope.cancel()


async def test_drip_is_a_slow_loris() -> None:
    got = bytearray()

    async def handler(stream: trio.SocketStream) -> None:
        async for data in stream:
            got.extend(data)

    async with server(handler) as port, game(port, crowds=[{"behaviour": "drip", "send": "LOGIN", "every": "30ms"}]) as g:
        await until(lambda: len(got) >= 6, "six bytes")
        assert got[:6] == b"LOGINL"
        assert g.now() > 0.14


async def test_who_never_reads_fills_the_buffers_and_is_seen_to_be_reset() -> None:
    stuck = trio.Event()

    async def handler(stream: trio.SocketStream) -> None:
        assert await stream.receive_some(100) == b"MAP\r\n"
        with trio.move_on_after(0.3):
            while True:
                await stream.send_all(b"x" * 65536)
        stuck.set()
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    async with server(handler) as port, game(port, crowds=[{"behaviour": "never_read", "send": "MAP\r\n"}]) as g:
        await stuck.wait()
        await until(lambda: g["crowd.c"].closed_by_server == 1, "the RST")
        assert (g["crowd.c"].errors, g["crowd.c"].open) == ({"ECONNRESET": 1}, 0)


async def test_who_vanishes_answers_nothing_and_keeps_his_socket() -> None:
    async with server(closing) as port, game(port, crowds=[{"behaviour": "vanish", "send": "BYE\r\n"}]) as g:
        await until(lambda: g["crowd.c"].closed_by_server == 1, "the FIN of the server")
        (mine,) = g.enrolled
        await until(lambda: bool(procnet.find(local_port=mine, state="CLOSE_WAIT")), "CLOSE_WAIT: he does not close")


async def test_a_flood_ends_where_nobody_reads() -> None:
    async def deaf(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with server(deaf) as port, game(port, crowds=[{"behaviour": "flood", "send": "PING flood\r\n"}]) as g:
        await until(lambda: bool(procnet.find(remote_port=port, state="ESTABLISHED")), "the connection")
        await until(lambda: procnet.find(remote_port=port, state="ESTABLISHED")[0].timer == "window_probe", "a closed window")
        assert (g["crowd.c"].open, g["crowd.c"].failures) == (1, 0)


async def test_a_flood_is_read_where_somebody_reads() -> None:
    count = 0

    async def handler(stream: trio.SocketStream) -> None:
        nonlocal count
        async for data in stream:
            count += len(data)
            await stream.send_all(b"a\r\n" * 1000)

    async with server(handler) as port, game(port, crowds=[{"behaviour": "flood", "send": "PING\r\n"}]) as g:
        await until(lambda: count > 10_000_000, "ten megabytes")
        assert g["crowd.c"].open == 1


async def test_half_close_gets_the_whole_answer_behind_its_fin() -> None:
    got: list[bytes] = []

    async def handler(stream: trio.SocketStream) -> None:
        got.append(b"".join([data async for data in stream]))
        await stream.send_all(b"SUM 3\r\n")

    crowd = {"behaviour": "half_close", "send": "1 2\r\n", "reply": "SUM 3\r\n"}
    async with server(handler) as port, game(port, crowds=[crowd]) as g:
        await until(lambda: len(g["crowd.c"].ended) == 1, "the end")
        seen = g["crowd.c"]
        assert (got, seen.ok, seen.failures, seen.closed_by_server, seen.errors) == ([b"1 2\r\n"], 1, 0, 0, {})


async def test_churn_opens_a_connection_for_each_question_and_closes_first() -> None:
    async with arena() as port, game(port, crowds=[{"behaviour": "churn", "count": 2, **PING}]) as g:
        await until(lambda: g["crowd.c"].ok >= 10, "ten answers")
        seen = g["crowd.c"]
        assert (seen.failures, seen.closed_by_server) == (0, 0)
        assert len(g.enrolled) >= 10


async def test_churn_lets_a_server_that_says_goodbye_close_first() -> None:
    async with arena() as port, game(port, crowds=[{"behaviour": "churn", "send": "QUIT\r\n", "every": "200ms"}]) as g:
        await until(lambda: g["crowd.c"].closed_by_server >= 2, "two goodbyes")
        assert (g["crowd.c"].ok, g["crowd.c"].failures) == (g["crowd.c"].closed_by_server, 0)
