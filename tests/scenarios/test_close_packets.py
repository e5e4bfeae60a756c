"""Closing, segment by segment (scenarios/close): each state held at either end, read from the kernel of that end, and let go."""

from __future__ import annotations

import socket

import pytest
import trio

from faultproxy.kernel import procnet, sockdiag, sysctl
from faultproxy.kernel.netstat import counters
from faultproxy.kernel.sockdiag import Diag
from tests.live.rig import holds, until
from tests.scenarios.ends import backoff, of, of_client, of_server, resent, state, states
from tests.scenarios.stage import Player, Stage, played
from tests.scenarios.test_flight import stream

pytestmark = pytest.mark.live


async def until_states(s: Stage, player: Player, client: str, server: str) -> None:
    try:
        await until(lambda: states(s, player) == (client, server))
    except AssertionError:
        raise AssertionError(f"{client} at the client and {server} at the server did not come: {states(s, player)}") from None


async def hear_out(player: Player) -> None:
    """The client's program goes on reading, to the end; none of these sockets is to close with bytes unread, which is a RST."""
    assert await player.recv_all() == b""


# ------------------------------------------------------------------ step by step, with nobody between the ends


async def one_step_lost(s: Stage, fault: str, client: str, server: str, repeats: str) -> None:
    player = await s.player()
    assert await player.ask("PING") == "PONG"
    player.fin()
    await until_states(s, player, client, server)
    await until(lambda: resent(of(repeats, s, player)) >= 2, f"two resends of the {repeats}")
    assert states(s, player) == (client, server)
    s.heal(fault)
    await hear_out(player)
    await until_states(s, player, "TIME_WAIT", "CLOSED")


@played("close/fin_lost.toml", "first")
async def test_first_fin_lost(s: Stage) -> None:
    await one_step_lost(s, "fin-lost", "FIN_WAIT_1", "ESTABLISHED", "client")


@played("close/fin_lost.toml", "second")
async def test_second_fin_lost(s: Stage) -> None:
    await one_step_lost(s, "fin-lost", "FIN_WAIT_2", "LAST_ACK", "server")


@played("close/fin_ack_lost.toml", "first")
async def test_first_ack_lost(s: Stage) -> None:
    await one_step_lost(s, "ack-lost", "FIN_WAIT_1", "LAST_ACK", "server")


@played("close/fin_ack_lost.toml", "last")
async def test_last_ack_lost(s: Stage) -> None:
    await one_step_lost(s, "ack-lost", "TIME_WAIT", "LAST_ACK", "server")


async def one_step_late(s: Stage, client: str, server: str) -> None:
    player = await s.player()
    assert await player.ask("PING") == "PONG"
    began = trio.current_time()
    player.fin()
    await until_states(s, player, client, server)
    await until(lambda: state(of_server(s)) == "CLOSED", "that the server is done")
    assert trio.current_time() - began >= 0.49
    await hear_out(player)
    await until(lambda: state(of_client(s, player)) == "TIME_WAIT", "TIME_WAIT at the client")


@played("close/closing_late.toml", "fin1")
async def test_first_fin_late(s: Stage) -> None:
    await one_step_late(s, "FIN_WAIT_1", "ESTABLISHED")


@played("close/closing_late.toml", "ack1")
async def test_first_ack_late(s: Stage) -> None:
    await one_step_late(s, "FIN_WAIT_1", "LAST_ACK")


@played("close/closing_late.toml", "fin2")
async def test_second_fin_late(s: Stage) -> None:
    await one_step_late(s, "FIN_WAIT_2", "LAST_ACK")


@played("close/closing_late.toml", "ack2")
async def test_last_ack_late(s: Stage) -> None:
    await one_step_late(s, "TIME_WAIT", "LAST_ACK")


@played("close/closing.toml")
async def test_closing(s: Stage) -> None:
    player = await s.player()
    await player.say("QUIT")
    player.fin()
    await until_states(s, player, "CLOSING", "CLOSING")
    await until(lambda: min(resent(of_client(s, player)), resent(of_server(s))) >= 2, "resends of both ends")
    assert states(s, player) == ("CLOSING", "CLOSING")
    s.heal("unacknowledged")
    await until_states(s, player, "TIME_WAIT", "TIME_WAIT")
    assert await player.recv_all() == b"BYE\r\n"


# ------------------------------------------------------------------ through the proxy


async def held_and_let_go(s: Stage, player: Player, end: str, held: str, then: tuple[str, ...]) -> None:
    """That end sits in `held`, resending; healed, it is in one of `then` before its next time-out."""

    def row() -> Diag | None:
        return of(end, s, player)

    await until(lambda: state(row()) == held and resent(row()) >= 3 and backoff(row()) >= 2, f"{held} at the {end}, three resends")
    (fault,) = (name for name in ("unacknowledged", "last-ack-lost") if name in [plan.name for plan in s.scenario.plans()])
    began = trio.current_time()
    s.heal(fault)
    await until(lambda: state(row()) in then, f"{' or '.join(then)} at the {end}")
    assert trio.current_time() - began < 0.25, "the acknowledgement was to be sent at once, not at the next resend"


@played("close/fin_wait_1.toml", "client")
async def test_fin_wait_1_at_the_client(s: Stage) -> None:
    player = await s.player()
    await player.say("STREAM 20000 3")
    first = await player.recv(1000)
    player.fin()
    await until(lambda: state(of_client(s, player)) == "FIN_WAIT_1", "FIN_WAIT_1 at the client")
    rest = await player.recv(5000)
    assert first + rest == stream(6000)
    await held_and_let_go(s, player, "client", "FIN_WAIT_1", ("FIN_WAIT_2",))
    assert first + rest + await player.recv_all() == stream(20_000)
    await until_states(s, player, "TIME_WAIT", "CLOSED")


@played("close/fin_wait_1.toml", "server")
async def test_fin_wait_1_at_the_server(s: Stage) -> None:
    player = await s.player()
    assert await player.ask("QUIT") == "BYE"
    assert await player.recv_all() == b""
    await held_and_let_go(s, player, "server", "FIN_WAIT_1", ("FIN_WAIT_2",))
    player.fin()
    await until(lambda: state(of_server(s)) in ("TIME_WAIT", "CLOSED"), "the end at the server")


@played("close/fin_wait_1_orphan.toml")
async def test_fin_wait_1_orphan(s: Stage) -> None:
    player = await s.player()
    await player.say("PING")
    await until(lambda: s.fired("nothing-comes"), "the fault")
    port, sent = player.port, counters()["Tcp.OutRsts"]
    began = trio.current_time()
    player.sock.close()

    def row() -> Diag | None:
        rows = sockdiag.sockets(local_port=port, remote_port=s.port)
        return rows[0] if rows else None

    await until(lambda: (left := row()) is not None and (left.state, left.inode) == ("FIN_WAIT_1", 0), "FIN_WAIT_1 without an owner")
    await until(lambda: row() is None, "that it is dropped")
    assert 1.2 < trio.current_time() - began < 5
    assert counters()["Tcp.OutRsts"] == sent
    s.heal("nothing-comes")
    after = await s.player()
    assert await after.ask("HELLO") != ""


@played("close/closing_one_side.toml", "client")
async def test_closing_at_the_client(s: Stage) -> None:
    player = await s.player()
    await player.say("PING")
    player.fin()
    await held_and_let_go(s, player, "client", "CLOSING", ("TIME_WAIT",))
    assert await player.recv_all() == b"PONG\r\n"


@played("close/closing_one_side.toml", "server")
async def test_closing_at_the_server(s: Stage) -> None:
    player = await s.player()
    await player.say("QUIT")
    assert await player.recv_all() == b"BYE\r\n"
    player.fin()
    await held_and_let_go(s, player, "server", "CLOSING", ("TIME_WAIT",))


@played("close/last_ack.toml", "client")
async def test_last_ack_at_the_client(s: Stage) -> None:
    player = await s.player()
    await player.say("QUIT")
    assert await player.recv_all() == b"BYE\r\n"
    player.fin()
    await held_and_let_go(s, player, "client", "LAST_ACK", ("CLOSED",))


@played("close/last_ack.toml", "server")
async def test_last_ack_at_the_server(s: Stage) -> None:
    player = await s.player()
    await player.say("PING")
    player.fin()
    assert await player.recv_all() == b"PONG\r\n"
    await held_and_let_go(s, player, "server", "LAST_ACK", ("CLOSED",))


# ------------------------------------------------------------------ the machine's own limit


@played("close/no_port_left.toml")
async def test_no_port_left(s: Stage) -> None:
    steady = await s.player("steady")

    async def come_and_go(times: int) -> None:
        for _ in range(times):
            player = await s.player()
            player.fin()
            await hear_out(player)

    with pytest.raises(OSError, match="Cannot assign requested address"):
        await come_and_go(25)

    def waiting() -> int:
        return procnet.states(procnet.find(remote_port=s.port))["TIME_WAIT"]

    # Of the twenty, one has the steady player, and one perhaps the server.
    await until(lambda: waiting() >= 18, "all other ports in TIME_WAIT")
    used_up = waiting()
    with pytest.raises(OSError, match="Cannot assign requested address"):
        await s.player()
    assert await steady.ask("PING") == "PONG"
    sysctl.write("net.ipv4.ip_local_port_range", "40000 40029")
    assert await (await s.player()).ask("PING") == "PONG"
    await holds(lambda: waiting() == used_up, 0.2, "TIME_WAIT, which stays as it was")


# ------------------------------------------------------------------ what is lost, forged, guessed, and late


async def goodbye_lost(s: Stage, player: Player) -> None:
    await until_states(s, player, "FIN_WAIT_1", "ESTABLISHED")
    await until(lambda: resent(of_client(s, player)) >= 2, "two resends")
    first = await player.recv(10_000)
    assert first == stream(10_000)
    assert states(s, player) == ("FIN_WAIT_1", "ESTABLISHED")
    s.heal("taken-off")
    s.heal("lost")
    assert first + await player.recv_all() == stream(20_000)
    await until_states(s, player, "TIME_WAIT", "CLOSED")


@played("close/goodbye_lost.toml")
async def test_goodbye_lost(s: Stage) -> None:
    player = await s.player()
    await player.say("STREAM 20000 2")
    assert await player.sock.recv(1, socket.MSG_PEEK)
    player.fin()
    await goodbye_lost(s, player)
    assert not s.fired("taken-off")


@played("close/goodbye_lost.toml")
async def test_goodbye_lost_that_rides_on_bytes(s: Stage) -> None:
    player = await s.player()
    player.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    player.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    await player.say("STREAM 20000 2")
    player.fin()
    await goodbye_lost(s, player)
    assert s.fired("taken-off")


async def rst_forged(s: Stage, victim: str, other: str) -> Player:
    player = await s.player()
    await player.say("STREAM 1000 9")
    if victim == "server":
        await s.until_server_says("Connection reset by peer")
        await player.say("PING")  # into the void
    else:
        assert await player.error() == "ECONNRESET"
    await until(lambda: resent(of(other, s, player)) >= 2, f"resends of the {other}")
    assert state(of(victim, s, player)) == "CLOSED"
    assert state(of(other, s, player)) == "ESTABLISHED"
    s.heal("truth-kept-back")
    await until(lambda: state(of(other, s, player)) == "CLOSED", f"that the {other} learns of it")
    return player


@played("close/rst_forged.toml", "client")
async def test_rst_forged_for_the_client(s: Stage) -> None:
    await rst_forged(s, "client", "server")
    await s.until_server_says("Connection reset by peer")


@played("close/rst_forged.toml", "server")
async def test_rst_forged_for_the_server(s: Stage) -> None:
    player = await rst_forged(s, "server", "client")
    assert await player.error() == "ECONNRESET"


async def rst_survived(s: Stage, skipped: int) -> None:
    before = counters()
    player = await s.player("target")

    def counted(name: str) -> int:
        return counters()[f"TcpExt.{name}"] - before[f"TcpExt.{name}"]

    await until(lambda: counted("TCPChallengeACK") + counted("TCPACKSkippedChallenge") == 1 + skipped, "the answers to all of them")
    assert (counted("TCPChallengeACK"), counted("TCPACKSkippedChallenge")) == (1, skipped)
    assert states(s, player) == ("ESTABLISHED", "ESTABLISHED")
    await player.say("STREAM 100000")
    assert await player.recv(100_000) == stream(100_000)


@played("close/rst_blind.toml", "client")
async def test_rst_blind_at_the_client(s: Stage) -> None:
    await rst_survived(s, 0)


@played("close/rst_blind.toml", "server")
async def test_rst_blind_at_the_server(s: Stage) -> None:
    await rst_survived(s, 0)


@played("close/rst_volley.toml")
async def test_rst_blind_in_a_volley(s: Stage) -> None:
    await rst_survived(s, 19)


@played("close/late_duplicate.toml")
async def test_late_duplicate(s: Stage) -> None:
    old = await s.player()
    assert await old.ask("SUM 40 2") == "42"
    await until(lambda: of_server(s) is None, "the end of the first connection")
    new = await s.player()
    assert await new.ask("SUM 1 2") == "3"
    row = of_server(s)
    assert row is not None
    assert row.remote[1] == 50_000

    def thrown_away() -> int:
        now = counters()
        return now["TcpExt.PAWSEstab"] + now["TcpExt.TCPDSACKOldSent"]

    await until(lambda: thrown_away() >= 1, "that the server's kernel throws the old segment away")
    assert await new.ask("SUM 2 3") == "5"
    row = of_server(s)
    assert row is not None
    assert row.info is not None
    assert row.info.bytes_received == len("SUM 1 2\r\nSUM 2 3\r\n")
