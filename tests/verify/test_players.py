"""Probes on real sockets, the baseline, and what the players need of the machine."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path

import pytest
import trio

from faultproxy.arena.server import serve
from faultproxy.errors import CapabilityError, ScenarioError
from faultproxy.kernel import procnet
from tests.live.rig import PATIENCE, until
from tests.verify.playing import HEALTHY, PING, arena, closing, free, game, resetting, server, silent

pytestmark = pytest.mark.live

# ---------------------------------------------------------------- probes


async def test_a_probe_is_answered_and_measured() -> None:
    async with arena() as port, game(port, probes=[HEALTHY]) as g:
        assert await g.players.baseline() == ""
        await until(lambda: g["probe.healthy"].ok >= 5, "five answers")
        seen = g["probe.healthy"]
        assert (seen.failures, seen.open, seen.closed_by_server, seen.errors, seen.total) == (0, 1, 0, {}, seen.ok)
        assert all(each.took is not None and 0 < each.took < 1 for each in seen.asked)


async def test_everybody_is_enrolled_with_the_port_that_he_comes_from() -> None:
    came: list[int] = []

    async def handler(stream: trio.SocketStream) -> None:
        came.append(stream.socket.getpeername()[1])
        assert came[-1] in g.enrolled
        await silent(stream)

    crowds = [{"count": 3, "behaviour": "idle"}, {"name": "d", "count": 2, "behaviour": "idle"}]
    async with server(handler) as port, game(port, probes=[HEALTHY], crowds=crowds) as g:
        await until(lambda: len(came) == 6, "six connections")
        assert sorted(came) == sorted(g.enrolled)
        peers = [g.enrolled[port] for port in came]
        who = [(peer.role, peer.name, peer.number) for peer in peers]
        assert who == [("probe", "healthy", 1), *(("crowd", "c", n) for n in (1, 2, 3)), *(("crowd", "d", n) for n in (1, 2))]
        assert {peer.address for peer in peers} == {"127.0.0.1"}
        assert [peer.port for peer in peers] == came


async def test_a_probe_that_is_not_answered_fails_the_baseline() -> None:
    async with server(silent) as port, game(port, probes=[{"name": "p", **PING}]) as g:
        assert await g.players.baseline(1.5) == (
            'probe "p" has had no right answer within 1.5 s '
            r"(no right answer within 1 s: nothing came, 'PONG\r\n' was wanted)"
        )
        assert (g["probe.p"].ok, g["probe.p"].failures, g["probe.p"].open) == (0, 1, 1)


async def test_a_probe_that_has_not_had_its_time_yet_is_told_as_such() -> None:
    async with server(silent) as port, game(port, probes=[{"name": "p", **PING}]) as g:
        assert await g.players.baseline(0.1) == 'probe "p" has had no right answer within 0.1 s (the first is still due)'


async def test_a_probe_that_nobody_lets_in_tries_again_and_gets_in() -> None:
    port = free()
    async with game(port, probes=[{"name": "p", **PING}]) as g:
        assert await g.players.baseline(0.2) == 'probe "p" has had no right answer within 0.2 s (connect() failed with ECONNREFUSED)'
        before = g["probe.p"]
        assert before.failures == before.errors["ECONNREFUSED"] >= 2
        assert not g.players.recovered(0.0)
        assert g.players.missing(0.0) == ['probe "p": connect() failed with ECONNREFUSED']
        since = g.now()
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve, "127.0.0.1", port))
            await until(lambda: g.players.recovered(since), "the recovery")
            nursery.cancel_scope.cancel()
        assert not g.players.recovered(g.now())


async def test_a_probe_opens_its_connection_again_when_it_is_lost() -> None:
    async with server(closing) as port, game(port, probes=[{"name": "p", **PING}]) as g:
        await until(lambda: g["probe.p"].closed_by_server >= 3, "three connections that were closed")
        seen = g["probe.p"]
        assert seen.failures >= 3
        assert all(each.by_server and 0 <= each.after < 1 for each in seen.ended)


async def test_a_reset_is_an_error_by_its_name_and_the_servers_doing() -> None:
    async with server(resetting) as port, game(port, probes=[{"name": "p", **PING}]) as g:
        await until(lambda: g["probe.p"].errors.get("ECONNRESET", 0) >= 2, "two resets")
        seen = g["probe.p"]
        assert seen.closed_by_server == len(seen.ended) == seen.errors["ECONNRESET"]
        assert set(seen.errors) == {"ECONNRESET"}


# ---------------------------------------------------------------- the baseline without a probe


async def test_without_a_probe_a_connection_is_enough() -> None:
    async with server(silent) as port, game(port, come=False) as g:
        assert await g.players.baseline() == ""
        ((_, peer),) = g.enrolled.items()
        assert (peer.role, peer.name) == ("probe", "baseline")


async def test_without_a_probe_a_connection_must_come_to_be() -> None:
    port = free()
    async with game(port, come=False) as g:
        why = f"a connection to the proxy at 127.0.0.1:{port} did not come to be: connect() failed with ECONNREFUSED"
        assert await g.players.baseline() == why


async def test_without_a_probe_a_connection_must_last_a_moment() -> None:
    async def turned_away(stream: trio.SocketStream) -> None:
        pass

    async with server(turned_away) as port, game(port, come=False) as g:
        assert (await g.players.baseline()).endswith("did not come to be: it was closed at once (does the server run?)")


# ---------------------------------------------------------------- addresses, and the limits of the machine


async def test_ipv6_and_names() -> None:
    async with arena(host="::1") as port, game(f"[::1]:{port}", probes=[HEALTHY]) as g:
        assert await g.players.baseline() == ""
        assert {peer.address for peer in g.enrolled.values()} == {"::1"}
    async with arena() as port, game(f"localhost:{port}", probes=[HEALTHY]) as g:
        assert g.players.snapshot().keys() == {"probe.healthy"}


async def test_a_name_that_is_not_known_is_told() -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(ScenarioError, match="the host name is not known"), flatten_subgroups=True):
        async with game("no-such-host.invalid:7000"):
            pass


async def test_a_unix_socket_has_no_port_to_enroll(tmp_path: Path) -> None:
    path = str(tmp_path / "game.sock")
    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        await listener.bind(path)
        listener.listen(1)
        async with game(f"unix:{path}", crowds=[{"count": 5, "behaviour": "idle"}]) as g:
            taken = []
            with trio.fail_after(PATIENCE):
                for _ in range(5):  # the queue has room for two: who finds it full is not failed
                    taken.append((await listener.accept())[0])
            await until(lambda: g["crowd.c"].open == 5, "all are in")
            assert (g.enrolled, g["crowd.c"].errors) == ({}, {})
            for sock in taken:
                sock.close()


async def test_too_many_players_for_the_open_files_are_told_before() -> None:
    wanted = (
        r"100000 players need 300064 open files, 3 each and some to spare, and \d+ are allowed here: raise the limit \(ulimit -Hn 300064\)"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("faultproxy.verify.players.resource.getrlimit", lambda what: (4096, 4096))
        with pytest.RaisesGroup(pytest.RaisesExc(CapabilityError, match=wanted), flatten_subgroups=True):
            async with game(1, crowds=[{"count": 100_000, "behaviour": "idle"}]):
                pass


async def test_a_thousand_come_in_their_order_and_the_probe_does_not_mind() -> None:
    crowd = {"count": 1000, "hello": {"send": "LOGIN p${n}\r\n", "reply": "LOGIN OK\r\n"}, **PING, "every": "1s"}
    async with arena({"players": 2000}) as port, game(port, probes=[HEALTHY], crowds=[crowd]) as g:
        await until(lambda: g["crowd.c"].ok >= 1000, "a thousand answers")
        seen = g["crowd.c"]
        assert (seen.open, seen.failures, seen.errors) == (1000, 0, {})
        assert g["probe.healthy"].failures == 0
        assert [peer.number for peer in g.enrolled.values() if peer.role == "crowd"] == list(range(1, 1001))
    mine = set(g.enrolled)
    theirs = procnet.find(remote_port=port)
    assert not [each for each in theirs if each.local[1] in mine and each.inode]  # none is left
