"""However a connection ends, nothing of it stays behind: no link, no core, no byte, no timer, no descriptor."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.live.rig import End, Rig, rig, until

pytestmark = pytest.mark.live

Ending = Callable[[Rig, End, End], Awaitable[None]]


def left_behind(r: Rig) -> dict[str, Any]:
    """What the proxy still knows of connections; all empty when there are none."""
    conductor = r.proxy._conductor
    assert conductor is not None
    board, dialler = conductor.board, conductor._dialler
    return {
        "links": len(conductor.links),
        "by core": len(conductor._by_core),
        "dials": len(conductor._dials),
        "under way": len(dialler._under_way),
        "connections": len(r.proxy.run.connections),
        "held": board.budget.held,
        "table": len(board.table),
        "handlers": len(board.handlers) - 1,  # the listener
        "timers": len([timer for _, _, timer in board._timers if timer.call not in (None, dialler._sweep)]),
        "watched": watched(board.readiness) - 1,
        "turns": len(conductor._turns._turns),
    }


def watched(readiness: Any) -> int:
    """Descriptors that the kernel watches for us (proc(5), fdinfo of an epoll), or that tasks do."""
    if hasattr(readiness, "_epoll"):
        return Path(f"/proc/self/fdinfo/{readiness._fd}").read_text(encoding="ascii").count("tfd:")
    return len({fd for fd, _ in readiness._scopes})


def descriptors() -> int:
    """Open descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))


async def both_fins(r: Rig, client: End, server: End) -> None:
    client.fin()
    server.fin()


async def client_fin_only_then_rst(r: Rig, client: End, server: End) -> None:
    client.fin()
    await trio.sleep(0.02)
    client.reset()
    server.reset()


async def client_rst(r: Rig, client: End, server: End) -> None:
    client.reset()


async def server_rst(r: Rig, client: End, server: End) -> None:
    server.reset()


async def both_rst(r: Rig, client: End, server: End) -> None:
    client.reset()
    server.reset()


async def both_close(r: Rig, client: End, server: End) -> None:
    client.sock.close()
    server.sock.close()


async def flood(end: End) -> None:
    with trio.move_on_after(0.2), contextlib.suppress(OSError):  # a fault may be faster
        await end.send(b"x" * (32 << 20))


async def rst_of_a_blocked_sender(r: Rig, client: End, server: End) -> None:
    await flood(client)
    client.reset()


async def rst_of_one_who_did_not_read(r: Rig, client: End, server: End) -> None:
    await flood(client)
    server.reset()


async def crossed_floods_then_rst(r: Rig, client: End, server: End) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(flood, client)
        nursery.start_soon(flood, server)
    server.reset()
    client.reset()


ENDINGS: list[Ending] = [
    both_fins,
    client_fin_only_then_rst,
    client_rst,
    server_rst,
    both_rst,
    both_close,
    rst_of_a_blocked_sender,
    rst_of_one_who_did_not_read,
    crossed_floods_then_rst,
]

FAULTS: dict[str, list[str]] = {
    "none": [],
    "latency": ['kind = "latency"\ndelay = "30ms"'],
    "bandwidth": ['kind = "bandwidth"\nrate = "200MB/s"\nper = "proxy"'],
    "long": ['kind = "hold_fin"\nafter = "1h"\nlasts = "1h"', 'kind = "latency"\ndelay = "1ms"\nlasts = "1h"'],
    "stall": ['kind = "stall_reads"\ndirection = "c2s"\nlasts = "300ms"'],
    "blackhole": ['kind = "blackhole"\ndirection = "c2s"\nlasts = "300ms"'],
    "close": ['kind = "close"\ndirection = "s2c"\nafter = "100ms"'],
    "reset": ['kind = "reset"\ndirection = "c2s"\nafter = "100ms"'],
    "half_close": ['kind = "half_close"\ndirection = "s2c"\nafter = "100ms"'],
    "linger": ['kind = "linger"\ndirection = "c2s"\ntimeout = "1s"'],
    "linger0": ['kind = "linger"\ndirection = "c2s"\ntimeout = "0s"'],
    "watching": ['kind = "flip"\ntake = 1\non_match = "never"', 'kind = "refuse"\non_match = "never either"'],
    "inject": ['kind = "inject"\npayload = "!!"\nafter_bytes = "1B"', 'kind = "slice"\nsize = "4KiB"\ninterval = "1ms"\nlasts = "300ms"'],
}


@pytest.mark.parametrize("epoll", [True, False], ids=["epoll", "tasks"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_nothing_stays_behind_after_any_ending(fault: str, epoll: bool) -> None:
    async with rig(*FAULTS[fault], epoll=epoll) as r:
        for ending in ENDINGS:
            before = descriptors()
            client, server = await r.connect()
            with trio.move_on_after(0.05):
                await client.send(b"hello")
                await server.recv(5)
            with contextlib.suppress(OSError):
                await ending(r, client, server)
            # A leg that a fault has left open, read and unanswered, ends with its peer.
            for end in (client, server):
                if ending in (both_fins, client_fin_only_then_rst) and end.sock.fileno() >= 0:
                    with trio.move_on_after(0.02):
                        await end.error()
                end.sock.close()
            name = ending.__name__
            await until(lambda: not any(left_behind(r).values()), f"nothing left behind after {name}")
            await until(lambda before=before: descriptors() <= before, f"as many descriptors as before {name}")  # type: ignore[misc]


@pytest.mark.parametrize("epoll", [True, False], ids=["epoll", "tasks"])
@pytest.mark.parametrize("faults", [[], ['kind = "latency"\ndelay = "10ms"'], ['kind = "connect_delay"\ndelay = "100ms"']])
async def test_nothing_stays_behind_of_clients_who_leave_while_the_upstream_does_not_answer(faults: list[str], epoll: bool) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        address = silent.getsockname()
        fillers = [socket.socket() for _ in range(2)]
        for filler in fillers:  # its queue holds one; with that full, further SYNs are dropped
            filler.setblocking(False)
            filler.connect_ex(address)
        before = descriptors()
        async with rig(*faults, upstream=f"127.0.0.1:{address[1]}", dial_timeout=0.3, epoll=epoll) as r:
            for leaves in ("rst", "fin", "waits"):
                clients = [await r.dial() for _ in range(5)]
                await until(lambda: r.proxy.snapshot().open == 5, "five dials")
                for client in clients:
                    if leaves == "rst":
                        client.reset()
                    elif leaves == "fin":
                        client.sock.close()
                await until(lambda: not any(left_behind(r).values()), "nothing left behind")
        await until(lambda: descriptors() <= before, "as many descriptors as before")
        for filler in fillers:
            filler.close()


async def test_of_a_connection_that_has_ended_no_timer_keeps_anything() -> None:
    async with rig('kind = "latency"\ndelay = "1ms"\nlasts = "1h"') as r:
        for _ in range(300):
            client, server = await r.connect()
            client.reset()
            assert await server.error() == "ECONNRESET"
        await until(lambda: not any(left_behind(r).values()), "the end of all")
        conductor = r.proxy._conductor
        assert conductor is not None
        assert len(conductor.board._timers) <= 250
