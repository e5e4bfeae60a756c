"""Segments on their way (scenarios/flight): what the kernels of both ends make of losses, delays and changes."""

from __future__ import annotations

import socket
import sys

import pytest
import trio

from faultproxy.core.shape import PSH
from faultproxy.kernel import tcpinfo
from tests.live.rig import holds, timed, until
from tests.scenarios.dialling import info as tcp
from tests.scenarios.observed import Capture, Counts, server_tcp, servers
from tests.scenarios.stage import SCENARIOS, Player, Stage, played
from tests.scenarios.test_flight import stream

pytestmark = pytest.mark.live


# ----------------------------------------------------------------- losses


async def download(s: Stage, count: int) -> int:
    """A download that arrives whole and once; how many segments the server has sent again for it."""
    player = await s.player()
    await player.say(f"STREAM {count}")
    assert await player.recv(count) == stream(count)
    await until(lambda: servers(s)[0].send_queue == 0, "the last acknowledgement")
    assert player.nothing_to_read()
    return server_tcp(s).total_retrans


async def sums(s: Stage, who: str) -> None:
    """Who is not acknowledged resends, and is answered all the same."""
    player = await s.player("me")

    def info() -> tcpinfo.TcpInfo:
        return tcp(player) if who == "client" else server_tcp(s)

    await player.say("PING", "SUM 1 2", "SUM 3 4")
    assert [await player.hear() for _ in range(3)] == ["PONG", "3", "7"]
    await until(lambda: info().retransmits >= 2 and info().backoff >= 2, "two time-outs")
    assert info().unacked >= 1
    assert info().total_retrans >= 3
    assert await player.ask("SUM 5 6") == "11"
    s.heal("acks-lost")
    began = trio.current_time()
    await until(lambda: info().unacked == 0, "that all is acknowledged")
    assert trio.current_time() - began < 0.4, "the newest acknowledgement was to be sent again, not waited for"
    assert await player.ask("SUM 7 8") == "15"
    player.fin()
    assert await player.recv_all() == b""


@played("flight/acks_dropped.toml", "client")
async def test_acks_to_the_client_dropped(s: Stage) -> None:
    await sums(s, "client")


@played("flight/acks_dropped.toml", "server")
async def test_acks_to_the_server_dropped(s: Stage) -> None:
    await sums(s, "server")


@played("flight/data_dropped.toml")
async def test_data_dropped(s: Stage) -> None:
    counts = Counts()
    assert await download(s, 150_000) == 5
    assert counts["TcpExt.TCPTimeouts"] == 0


@played("flight/without_sack.toml", "with")
async def test_with_sack(s: Stage) -> None:
    assert await download(s, 200_000) == 8


@played("flight/without_sack.toml", "without")
async def test_without_sack(s: Stage) -> None:
    assert await download(s, 200_000) >= 12


@played("flight/given_up.toml")
async def test_given_up(s: Stage) -> None:
    counts = Counts()
    ends: dict[str, tuple[str, float]] = {}

    async def ask(player: Player, name: str, timeout: int) -> None:
        if timeout:
            player.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout)
        began = trio.current_time()
        await player.say("PING")
        ends[name] = await player.error(), trio.current_time() - began

    patience = {"kernel's": 0, "short": 700, "long": 2500}
    players = [await s.player(name) for name in ("a", "b", "c")]
    await until(lambda: all(row.active for row in s.proxy.snapshot().rows), "that nothing is heard any more")
    async with trio.open_nursery() as nursery:
        for player, (name, timeout) in zip(players, patience.items(), strict=True):
            nursery.start_soon(ask, player, name, timeout)
    assert {name: error for name, (error, _) in ends.items()} == dict.fromkeys(patience, "ETIMEDOUT")
    assert 0.7 < ends["short"][1] < ends["kernel's"][1] < ends["long"][1] < 5
    assert counts["TcpExt.TCPAbortOnTimeout"] == 3
    assert [player.state() for player in players] == ["CLOSED"] * 3
    # Nobody else has been told.
    assert counts["Tcp.OutRsts"] == 0
    assert [each.state for each in servers(s)] == ["ESTABLISHED"] * 3
    s.heal("unheard")
    await until(lambda: servers(s) == [], "that the proxy finds out, and tells the server")


@played("flight/resend_together.toml")
async def test_resend_together(s: Stage) -> None:
    players = [await s.player() for _ in range(50)]
    await until(lambda: all(row.active for row in s.proxy.snapshot().rows), "that the switch is out")
    counts = Counts()
    for n, player in enumerate(players):
        await player.say(f"SUM {n} 1")

    def resent() -> int:
        return sum(tcp(player).total_retrans for player in players)

    for least in (50, 100, 150):
        await until(lambda least=least: resent() >= least, f"{least} resends")  # type: ignore[misc]
    assert counts["Tcp.RetransSegs"] >= 150
    s.heal("switch-out")
    for n, player in enumerate(players):
        assert await player.hear() == str(n + 1)
    await until(lambda: not any(tcp(player).unacked for player in players), "that all is acknowledged")
    assert all(player.nothing_to_read() for player in players)


@played("flight/resends_counted.toml")
async def test_resends_counted(s: Stage) -> None:
    players = [await s.player(f"p{n}") for n in (1, 2, 3, 4)]
    for player in players:
        await player.say("PING")
    for player in players:
        assert await player.hear() == "PONG"
    expected = [1, 2, 3, 0]
    await until(lambda: not any(tcp(player).unacked for player in players), "that all is acknowledged")
    assert [tcp(player).total_retrans for player in players] == expected
    for player in players:
        assert await player.ask("PING") == "PONG"
    assert [tcp(player).total_retrans for player in players] == expected


# ------------------------------------------- late, out of order, and twice


async def chat(player: Player, asks: int) -> None:
    for _ in range(asks):
        await player.send(b"PING\r\n")
        assert await player.recv(6) == b"PONG\r\n"


@played("flight/round_trip_grows.toml")
async def test_round_trip_grows(s: Stage) -> None:
    player = await s.player("far")
    assert tcp(player).rtt < 30_000  # hardly any, but for what a busy machine adds
    await chat(player, 20)
    assert 36_000 < tcp(player).rtt < 200_000
    s.heal("long-line")
    await chat(player, 50)
    assert tcp(player).rtt < 30_000


@played("flight/reordered.toml")
async def test_reordered(s: Stage) -> None:
    await download(s, 600_000)
    info = server_tcp(s)
    assert info.reordering > 3
    assert info.reord_seen > 0


@played("flight/duplicated.toml")
async def test_duplicated(s: Stage) -> None:
    counts = Counts()
    assert await download(s, 200_000) == 0
    await until(lambda: server_tcp(s).dsack_dups == 20, "twenty DSACKs")
    assert counts["TcpExt.TCPDSACKRecv"] == 20
    assert counts["Tcp.RetransSegs"] == 0


# ---------------------------------------------------------------- changed


@played("flight/push.toml")
async def test_push(s: Stage) -> None:
    def seen(player: Player) -> list[bool]:
        """Whether PSH was set in the segments on their way to him."""
        here = s.port, player.port
        return [bool(packet.flags & PSH) for packet in capture.packets() if (packet.sport, packet.dport) == here and packet.size]

    with Capture() as capture:
        sent: list[list[bool]] = []
        for _ in range(3):
            player = await s.player()
            await player.say("STREAM 5000")
            assert await player.recv(5000) == stream(5000)
            sent.append(seen(player))
    cleared, everywhere, plain = sent
    assert min(len(cleared), len(everywhere)) >= 4  # the third player's are in a bundle still, which only the network card would cut
    assert not any(cleared)
    assert all(everywhere)
    assert plain[-1]


@played("flight/corrupted.toml", "noticed")
async def test_corrupted_and_noticed(s: Stage) -> None:
    counts = Counts()
    assert await download(s, 50_000) == 1
    assert counts["Tcp.InCsumErrors"] == 1


@played("flight/corrupted.toml", "unnoticed")
async def test_corrupted_and_unnoticed(s: Stage) -> None:
    counts = Counts()
    player = await s.player()
    await player.say("STREAM 50000")
    got, right = await player.recv(50_000), stream(50_000)
    wrong = [a ^ b for a, b in zip(got, right, strict=True) if a != b]
    assert [flipped.bit_count() for flipped in wrong] == [1]
    assert counts["Tcp.InCsumErrors"] == 0
    assert counts["Tcp.RetransSegs"] == 0
    await player.say("STREAM 50000")
    assert await player.recv(50_000) == right


# ---------------------------------------------------------------- options

OPTIONS = {"wscale": tcpinfo.WSCALE, "timestamps": tcpinfo.TIMESTAMPS, "sack": tcpinfo.SACK}
ALL = sum(OPTIONS.values())


async def agreed(s: Stage) -> None:
    """Both real ends go without the option of the case, and with all others."""
    option = s.scenario.id.partition("[")[2].removesuffix("]")
    player = await s.player()
    await player.say("STREAM 99999")
    assert await player.recv(99_999) == stream(99_999)
    for info in (tcp(player), server_tcp(s)):
        assert info.options & ALL == ALL & ~OPTIONS.get(option, 0)
        assert (info.snd_mss <= 536) == (option == "mss")
    past = await s.player(direct=True)
    assert tcp(past).options & ALL == ALL
    assert tcp(past).snd_mss > 1400


@played("flight/option_stripped.toml", "wscale")
async def test_window_scale_stripped(s: Stage) -> None:
    await agreed(s)


@played("flight/option_stripped.toml", "timestamps")
async def test_timestamps_stripped(s: Stage) -> None:
    await agreed(s)


@played("flight/option_stripped.toml", "sack")
async def test_sack_stripped(s: Stage) -> None:
    await agreed(s)


@played("flight/option_stripped.toml", "mss")
async def test_mss_stripped(s: Stage) -> None:
    await agreed(s)


@played("flight/window_scale_half_stripped.toml")
async def test_window_scale_half_stripped(s: Stage) -> None:
    player = await s.player()
    assert await player.ask("PING") == "PONG"
    window = tcp(player).snd_wnd
    assert window < 1024  # in truth it is so many times as large as the scale says
    assert await timed(lambda: download_by(player, 500_000)) < 1
    before = tcp(player).data_segs_out
    asked = b"SUM 1 1\r\n" * 40
    await player.send(asked)
    assert await player.recv(3 * 40) == b"2\r\n" * 40
    assert tcp(player).data_segs_out - before >= len(asked) / window
    assert tcp(player).snd_wnd < 1024


async def download_by(player: Player, count: int) -> None:
    await player.say(f"STREAM {count}")
    assert await player.recv(count) == stream(count)


# ------------------------------------------------------------- timestamps


@played("flight/old_timestamps.toml")
async def test_old_timestamps(s: Stage) -> None:
    player = await s.player("me")
    await until(lambda: bool(s.proxy.snapshot().rows[0].active), "the wrong clock")
    counts = Counts()
    await player.say("PING")
    await until(lambda: counts["TcpExt.PAWSEstab"] >= 2, "segments that are discarded")
    assert player.nothing_to_read()
    assert tcp(player).unacked == 1
    assert tcp(player).bytes_received == len("LOGIN OK\r\n")
    s.heal("wrong-clock")
    assert await player.hear() == "PONG"
    await until(lambda: tcp(player).unacked == 0, "that all is acknowledged")


async def quit_and_come_again(s: Stage) -> Player:
    """The server closes the first player's connection, and the second comes from the same port."""
    first = await s.player()
    assert await first.ask("QUIT") == "BYE"
    assert await first.recv_all() == b""
    first.sock.close()
    await until(lambda: s.server_state() == "TIME_WAIT", "TIME_WAIT at the server")
    second = await s.player()
    await second.say("PING")
    return second


@played("flight/old_timestamps_behind_nat.toml", "patient")
async def test_old_timestamp_and_a_patient_server(s: Stage) -> None:
    counts = Counts()
    second = await quit_and_come_again(s)
    assert await second.hear() == "PONG"
    assert counts["TcpExt.PAWSTimewait"] >= 1
    assert s.server_state() == "ESTABLISHED"
    assert servers(s)[0].remote[1] == 40000


@played("flight/old_timestamps_behind_nat.toml", "strict")
async def test_old_timestamp_and_a_strict_server(s: Stage) -> None:
    counts = Counts()
    second = await quit_and_come_again(s)
    await until(lambda: counts["TcpExt.PAWSTimewait"] >= 2, "SYNs that are discarded")
    await holds(lambda: s.server_state() == "TIME_WAIT", 0.3, "TIME_WAIT")
    assert second.nothing_to_read()
    s.heal("echo")
    s.heal("clock-behind")
    assert await second.hear() == "PONG"


# ------------------------------------------------------- Nagle's algorithm


async def small_writes(s: Stage, nodelay: int) -> int:
    """The exit status of the program under test."""
    program = SCENARIOS / "flight" / "small_writes.py"
    done = await trio.run_process([sys.executable, str(program), "127.0.0.1", str(s.port), str(nodelay)], check=False)
    return done.returncode


@played("flight/nagle.toml", "nagle")
async def test_nagle(s: Stage) -> None:
    assert await small_writes(s, 0) == 1
    s.heal("late-acks")


@played("flight/nagle.toml", "nodelay")
async def test_no_delay(s: Stage) -> None:
    assert await small_writes(s, 1) == 0
