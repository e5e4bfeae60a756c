"""The eleven states of TCP on either side (scenarios/machine): each held for two seconds, read from both tables, and let go."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from faultproxy.kernel import procnet, sockdiag
from faultproxy.kernel.netstat import counters
from faultproxy.kernel.procnet import State
from tests.live.rig import holds, until
from tests.scenarios.dialling import Dialling, info
from tests.scenarios.stage import Player, Stage, played
from tests.scenarios.test_flight import stream

pytestmark = pytest.mark.live

READINGS, EVERY = 20, 0.1
"""How often a state that is held is read, and seconds between two readings."""

Ports = tuple[int, int | None]
"""Of a socket: its own, and the other end's (None: whoever it is)."""


def in_both_cases(file: str) -> Callable[[Callable[[Stage, str], Awaitable[None]]], Callable[[str], None]]:
    """Decorates the body of a test that plays the cases `client` and `server` of a scenario, and is told which it is."""

    def decorate(body: Callable[[Stage, str], Awaitable[None]]) -> Callable[[str], None]:
        @pytest.mark.parametrize("side", ["client", "server"])
        def test(side: str) -> None:
            async def play(s: Stage) -> None:
                await body(s, side)

            played(file, side)(play)()

        test.__name__, test.__module__ = body.__name__, body.__module__
        return test

    return decorate


def read(ports: Ports) -> tuple[list[State], list[State]]:
    """The states of the sockets with these ports, in /proc/net/tcp and in sock_diag."""
    local, remote = ports
    return (
        [row.state for row in procnet.find(local_port=local, remote_port=remote)],
        [row.state for row in sockdiag.sockets(local_port=local, remote_port=remote)],
    )


async def until_in(state: State, ports: Ports) -> None:
    """Waits until both tables have exactly this one socket in this state."""
    await until(lambda: read(ports) == ([state], [state]), f"{state} in both tables")


async def until_gone(ports: Ports) -> None:
    """Waits until neither table has such a socket."""
    await until(lambda: read(ports) == ([], []), "that the socket is gone")


async def held(state: State, ports: Ports) -> None:
    """It comes, and then every one of many readings agrees."""
    await until_in(state, ports)
    began = trio.current_time()
    for number in range(READINGS):
        assert read(ports) == ([state], [state])
        await trio.sleep_until(began + (number + 1) * EVERY)


def resent(ports: Ports) -> int:
    """Time-outs in a row of the only socket with these ports."""
    (row,) = sockdiag.sockets(local_port=ports[0], remote_port=ports[1])
    return row.retransmits


async def until_resent(ports: Ports, times: int) -> None:
    """Waits until so many time-outs in a row have passed. How soon is the kernel's to say: a busy machine has shown it slow round trips."""
    await until(lambda: resent(ports) >= times, f"time-out number {times}")


def ports_of(side: str, s: Stage, player: Player) -> Ports:
    """Those of the client's or the server's own end of the only connection."""
    if side == "client":
        return player.port, s.port
    (row,) = s.of_server()
    return s.server_port, row.remote[1]


async def said_goodbye(s: Stage, player: Player, first: str) -> Ports:
    """One side closes `first`, by its own will, and the other then too. Returns the ports of the one that was first."""
    ports = (await asked(s, player))[first]
    if first == "server":
        assert await player.ask("QUIT") == "BYE"
        assert await player.recv_all() == b""
    player.fin()
    return ports


async def asked(s: Stage, player: Player) -> dict[str, Ports]:
    """The ports of both ends, once the connection is up all the way."""
    assert await player.ask("PING") == "PONG"
    return {side: ports_of(side, s, player) for side in ("client", "server")}


# ------------------------------------------------------------------ opening


@in_both_cases("machine/state_listen.toml")
async def test_listen(s: Stage, side: str) -> None:
    caller = await s.player()
    listening = s.server_port, None
    await held("LISTEN", listening)
    s.heal("syn-lost")
    assert await caller.ask("PING") == "PONG"
    assert sorted(read(listening)[0]) == ["ESTABLISHED", "LISTEN"]


@in_both_cases("machine/state_syn_sent.toml")
async def test_syn_sent(s: Stage, side: str) -> None:
    caller = Dialling(s.port)
    ports = caller.port, s.port
    await held("SYN_SENT", ports)
    await until(lambda: caller.info.retransmits >= 1, "the SYN sent again")
    s.heal("syn-lost")
    await until_in("ESTABLISHED", ports)
    player = await caller.done(s)
    assert await player.ask("PING") == "PONG"


@in_both_cases("machine/state_syn_recv.toml")
async def test_syn_recv(s: Stage, side: str) -> None:
    if side == "client":
        await _syn_recv_at_client(s)
    else:
        await _syn_recv_at_server(s)


async def _syn_recv_at_client(s: Stage) -> None:
    caller = Dialling(s.port)
    ports = caller.port, s.port
    await held("SYN_RECV", ports)
    assert caller.info.state == "SYN_RECV"
    await until_resent(ports, 1)
    s.heal("lost")
    await until_gone(ports)
    assert caller.failed() == "ECONNRESET"


async def _syn_recv_at_server(s: Stage) -> None:
    player = await s.player()
    await until(lambda: len(s.of_server()) == 1, "the server's end")
    ports = ports_of("server", s, player)
    await held("SYN_RECV", ports)
    assert s.of_server()[0].inode == 0, "no program knows of it"
    await until_resent(ports, 1)
    s.heal("lost")
    await until_in("ESTABLISHED", ports)
    assert await player.ask("PING") == "PONG"


@in_both_cases("machine/state_established.toml")
async def test_established(s: Stage, side: str) -> None:
    player = await s.player()
    ports = (await asked(s, player))[side]
    await player.say("STREAM 2000 2")
    await until(lambda: "vanished" in s.proxy.snapshot().rows[0].active, "the fault")
    await player.say("PING")
    await held("ESTABLISHED", ports)
    (row,) = sockdiag.sockets(local_port=ports[0], remote_port=ports[1])
    assert row.info is not None
    assert row.info.unacked >= 1
    await until_resent(ports, 2)
    s.heal("vanished")
    assert await player.recv(2000) == stream(2000)
    assert await player.hear() == "PONG"


# ------------------------------------------------------------------ closing


@in_both_cases("machine/state_fin_wait_1.toml")
async def test_fin_wait_1(s: Stage, side: str) -> None:
    player = await s.player()
    ports = (await asked(s, player))[side]
    if side == "client":
        player.fin()
    else:
        assert await player.ask("QUIT") == "BYE"
    await held("FIN_WAIT_1", ports)
    await until_resent(ports, 2)
    s.heal("fin-lost")
    assert await player.recv_all() == b""
    if side == "server":
        player.fin()
    await until_in("TIME_WAIT", ports)


@in_both_cases("machine/state_fin_wait_2.toml")
async def test_fin_wait_2(s: Stage, side: str) -> None:
    ports = await said_goodbye(s, await s.player(), side)
    await held("FIN_WAIT_2", ports)
    s.heal("goodbye-stuck")
    await until_in("TIME_WAIT", ports)


@played("machine/state_fin_wait_2.toml", "orphan")
async def test_fin_wait_2_without_a_program(s: Stage) -> None:
    player = await s.player()
    ports = (await asked(s, player))["client"]
    began = trio.current_time()
    player.sock.close()
    await until_in("FIN_WAIT_2", ports)
    assert [row.inode for row in procnet.find(local_port=ports[0], remote_port=ports[1])] == [0]
    await until_gone(ports)
    assert 0.9 < trio.current_time() - began < 3
    await until(lambda: s.fired("goodbye-stuck"), "the server's goodbye")
    resets = counters()["Tcp.OutRsts"]
    s.heal("goodbye-stuck")
    await until(lambda: counters()["Tcp.OutRsts"] > resets, "the RST that answers the goodbye")
    assert read(ports) == ([], [])


@in_both_cases("machine/state_close_wait.toml")
async def test_close_wait(s: Stage, side: str) -> None:
    player = await s.player()
    ports = (await asked(s, player))[side]
    await player.say("STREAM 5000 5")
    await held("CLOSE_WAIT", ports)
    assert {row.timer for row in procnet.find(local_port=ports[0], remote_port=ports[1])} <= {"none", "retransmit"}
    if side == "client":
        assert await player.recv_all() == b""
        player.fin()
    else:
        assert await player.recv_all() == stream(5000)
    await until_gone(ports)


@in_both_cases("machine/state_closing.toml")
async def test_closing(s: Stage, side: str) -> None:
    ports = await said_goodbye(s, await s.player(), side)
    await held("CLOSING", ports)
    await until_resent(ports, 2)
    s.heal("unacknowledged")
    await until_in("TIME_WAIT", ports)


@in_both_cases("machine/state_last_ack.toml")
async def test_last_ack(s: Stage, side: str) -> None:
    player = await s.player()
    ports = (await asked(s, player))[side]
    if side == "client":
        assert await player.ask("QUIT") == "BYE"
        assert await player.recv_all() == b""
        await until_in("CLOSE_WAIT", ports)
    player.fin()
    await held("LAST_ACK", ports)
    await until_resent(ports, 2)
    await until(lambda: due(ports) > 0.5, "time until the next FIN: none may come now")
    sent_again = counters()["Tcp.RetransSegs"]
    s.heal("last-ack-lost")
    await until_gone(ports)
    assert counters()["Tcp.RetransSegs"] == sent_again, "the ACK that was kept back was to be sent, not the next FIN waited for"


@in_both_cases("machine/state_time_wait.toml")
async def test_time_wait(s: Stage, side: str) -> None:
    ports = await said_goodbye(s, await s.player(), side)
    await held("TIME_WAIT", ports)
    before = left(ports)
    assert 50 < before <= 58.5
    ends = trio.current_time() + before
    resets = counters()["Tcp.OutRsts"]
    s.heal("late-copy")
    await until(lambda: counters()["Tcp.OutRsts"] > resets, "the RST of the other end, who has forgotten")
    await holds(lambda: trio.current_time() + left(ports) > ends + 1, 0.3, "TIME_WAIT, begun anew")


@played("machine/state_time_wait.toml", "assassinated")
async def test_time_wait_assassinated(s: Stage) -> None:
    ports = await said_goodbye(s, await s.player(), "client")
    await until_in("TIME_WAIT", ports)
    await until(lambda: s.fired("late-copy"), "the copy")
    s.heal("late-copy")
    await until_gone(ports)


def due(ports: Ports) -> float:
    """Seconds until the only socket with these ports sends again."""
    (row,) = procnet.find(local_port=ports[0], remote_port=ports[1])
    return row.timer_seconds if row.timer == "retransmit" else 0.0


def left(ports: Ports) -> float:
    """Seconds for which the only socket with these ports will still be in TIME_WAIT."""
    (row,) = procnet.find(local_port=ports[0], remote_port=ports[1])
    assert (row.timer, row.inode) == ("time_wait", 0)
    return row.timer_seconds


# ------------------------------------------------------------------- closed


@in_both_cases("machine/state_closed.toml")
async def test_closed(s: Stage, side: str) -> None:
    if side == "client":
        await _closed_at_client(s)
    else:
        await _closed_at_server(s)


async def _closed_at_client(s: Stage) -> None:
    player = await s.player()
    ports = player.port, s.port
    await player.say("PING")
    await until(lambda: info(player).state == "CLOSED", "the RST")
    for _ in range(READINGS):
        assert (info(player).state, *read(ports)) == ("CLOSED", [], [])
        await trio.sleep(EVERY)
    assert await player.error() == "ECONNRESET"


async def _closed_at_server(s: Stage) -> None:
    player = await s.player()
    assert await player.ask("SUM 1") == "1"
    ports = ports_of("server", s, player)
    (row,) = s.of_server()
    assert s.server is not None
    pid = s.server.pid
    assert pid is not None
    descriptor = _descriptor(pid, row.inode)
    with stopped(pid), borrowed(pid, int(descriptor.name)) as sock:
        await player.say("PING")
        await until_gone(ports)
        for _ in range(READINGS):
            assert (sockdiag.tcp_info(sock).state, *read(ports)) == ("CLOSED", [], [])
            assert os.readlink(descriptor) == f"socket:[{row.inode}]"
            await trio.sleep(EVERY)
    await s.until_server_says("Connection reset by peer")
    await until(lambda: _link(descriptor) != f"socket:[{row.inode}]", "that the program closes")


def _descriptor(pid: int, inode: int) -> Path:
    """The entry in /proc by which the process holds the socket of that inode."""
    (found,) = [entry for entry in Path(f"/proc/{pid}/fd").iterdir() if _link(entry) == f"socket:[{inode}]"]
    return found


def _link(entry: Path) -> str:
    try:
        return os.readlink(entry)
    except FileNotFoundError:
        return ""


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The program hangs."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def borrowed(pid: int, descriptor: int) -> Iterator[socket.socket]:
    """A second descriptor, of ours, of a socket that another process holds: pidfd_getfd(2), number 438 on every machine."""
    handle = os.pidfd_open(pid)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        mine = libc.syscall(438, handle, descriptor, 0)
        if mine < 0:
            code = ctypes.get_errno()
            pytest.skip(f"sockets of other processes cannot be asked here: {os.strerror(code)}")
    finally:
        os.close(handle)
    with socket.socket(fileno=mine) as sock:
        yield sock
