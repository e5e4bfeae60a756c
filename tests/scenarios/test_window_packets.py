"""Flow control, segment by segment (scenarios/window): windows that lie, that are tiny, and whose opening nobody hears of."""

from __future__ import annotations

import pytest
import trio

from faultproxy.kernel import procnet, sockdiag
from faultproxy.kernel.netstat import counters
from tests.live.rig import End, holds, until
from tests.scenarios.ends import of, resent
from tests.scenarios.stage import Player, Stage, persists, played
from tests.scenarios.test_flight import stream

pytestmark = pytest.mark.live


def info(end: End) -> sockdiag.TcpInfo:
    """What the kernel knows of this end's connection."""
    return sockdiag.tcp_info(end.sock._sock)  # type: ignore[attr-defined]


async def held_back(s: Stage, player: Player, end: str, size: int) -> None:
    """That end persists with so many bytes, although the other has room; healed, all is let go before its next probe."""
    probes = counters()["TcpExt.TCPWinProbe"]

    def is_held() -> bool:
        row = of(end, s, player)
        assert row is not None
        assert row.info is not None
        return (row.timer, row.send_queue, row.info.unacked, row.info.snd_wnd) == ("window_probe", size, 0, 0)

    await until(is_held, f"a window probe timer at the {end}, {size} bytes held back, and a window of 0")
    await until(lambda: counters()["TcpExt.TCPWinProbe"] - probes >= 3, "three probes")
    assert is_held()
    assert resent(of(end, s, player)) == 0
    (receiver,) = [
        row
        for row in sockdiag.sockets()
        if (here := of(end, s, player)) is not None and (row.local, row.remote) == (here.remote, here.local)
    ]
    assert receiver.recv_queue == 0
    began = trio.current_time()
    s.heal("no-room")
    await until(lambda: (row := of(end, s, player)) is not None and row.send_queue == 0, "that nothing is held back")
    assert trio.current_time() - began < 0.25, "the true window was to be told, not asked for at the next probe"


@played("window/zero_window_announced.toml", "client")
async def test_zero_window_announced_to_the_client(s: Stage) -> None:
    player = await s.player()
    assert await player.ask("PING") == "PONG"  # its answer brings the news
    await player.say("SUM 40 2")
    await held_back(s, player, "client", len("SUM 40 2\r\n"))
    assert await player.hear() == "42"


@played("window/zero_window_announced.toml", "server")
async def test_zero_window_announced_to_the_server(s: Stage) -> None:
    player = await s.player()
    assert await player.ask("PING") == "PONG"  # the acknowledgement of the answer brings the news
    await player.say("PING")
    await held_back(s, player, "server", len("PONG\r\n"))
    assert await player.hear() == "PONG"


@played("window/silly_window.toml")
async def test_silly_window(s: Stage) -> None:
    player = await s.player()
    line = "SUM 1111 2222 3333 4444 5555 6666 7777 8888 9999 1010 1111 1212 1313 1414"
    await player.say(line)
    await until(lambda: info(player).data_segs_out >= 3, "three segments")
    seen = info(player)
    assert seen.snd_wnd <= 10
    assert seen.snd_wscale == 0
    assert seen.bytes_sent <= 10 * seen.data_segs_out
    assert player.kernel().send_queue > 0
    began = trio.current_time()
    s.heal("ten-bytes")
    assert await player.hear() == str(sum(int(word) for word in line.split()[1:]))
    assert trio.current_time() - began < 1.0
    assert info(player).snd_wnd > 1000


@played("window/window_scale_lost.toml")
async def test_window_scale_lost(s: Stage) -> None:
    player = await s.player()
    assert await player.ask("PING") == "PONG"
    await until(lambda: info(player).snd_wnd < 100, "a window of some dozen bytes")
    assert info(player).snd_wscale == 0
    before, began = info(player), trio.current_time()
    lines = b"PING once more\r\n" * 1000
    async with trio.open_nursery() as nursery:
        nursery.start_soon(player.send, lines)
        await trio.sleep(1.0)
        after = info(player)
        nursery.cancel_scope.cancel()
    elapsed = trio.current_time() - began
    assert 0 < after.bytes_acked - before.bytes_acked < 10_000 * elapsed
    assert (after.bytes_sent - before.bytes_sent) / (after.data_segs_out - before.data_segs_out) < 100
    fresh = await s.player()
    assert info(fresh).snd_wscale > 0
    began = trio.current_time()
    await fresh.send(lines)
    assert await fresh.recv(6000) == b"PONG\r\n" * 1000
    assert trio.current_time() - began < 1.0


@played("window/window_scale_lost.toml")
async def test_window_scale_lost_leaves_the_other_way_alone(s: Stage) -> None:
    player = await s.player()
    await player.say("STREAM 1000000")
    with trio.fail_after(3):
        assert await player.recv(1_000_000) == stream(1_000_000)


@played("window/window_update_lost.toml")
async def test_window_update_lost(s: Stage) -> None:
    player = await s.player()
    await player.say("STREAM 1000000")

    def row() -> procnet.Socket:
        (found,) = s.of_server()
        return found

    # 0.2, 0.4, 0.8 s: after the second probe there is time enough to look
    await until(lambda: persists(row()) and row().timer_seconds > 0.6, "a pause of more than half a second between two probes")
    held = row().send_queue
    s.heal("away")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(everything, player)
        await until(lambda: s.fired("update-lost"), "a window update that is lost")
        left = row().timer_seconds
        assert left > 0.2, "the machine is too slow to look between two probes"
        await holds(lambda: persists(row()) and row().send_queue == held, left - 0.15, "the persist state, with as much to send")
    await until(lambda: row().send_queue == 0, "an empty send queue at the server")


async def everything(player: Player) -> None:
    """The player reads on, as if he had never been away."""
    assert await player.recv(1_000_000) == stream(1_000_000)
