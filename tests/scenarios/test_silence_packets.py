"""Silence, segment by segment (scenarios/silence): peers that are gone, as the kernel of who is left sees it, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from faultproxy.kernel import sockdiag
from faultproxy.kernel.sockdiag import Diag
from tests.live.rig import until
from tests.scenarios.ends import backoff, of_client, resent, state
from tests.scenarios.stage import SCENARIOS, Stage, played

pytestmark = pytest.mark.live


async def until_active(s: Stage, fault: str) -> None:
    await until(lambda: any(fault in row.active for row in s.proxy.snapshot().rows), f"the fault {fault}")


def unheard(row: Diag | None) -> bool:
    """Whether that end is connected, has sent something three times over, and waits for an acknowledgement."""
    return state(row) == "ESTABLISHED" and row is not None and row.send_queue > 0 and resent(row) >= 3 and backoff(row) >= 2


def heard(row: Diag | None) -> bool:
    """Whether that end is connected and owes nothing."""
    return state(row) == "ESTABLISHED" and row is not None and row.send_queue == 0


def of_server(s: Stage, port: int) -> Diag | None:
    """The server's end of the connection that comes from that port; 0: of the only one."""
    rows = [row for row in sockdiag.sockets(local_port=s.server_port, remote_port=port or None) if row.state != "LISTEN"]
    assert len(rows) <= 1, f"one connection was meant, and these are there: {rows}"
    return rows[0] if rows else None


@played("silence/vanished.toml", "client")
async def test_vanished_for_the_client(s: Stage) -> None:
    player = await s.player("left-alone")
    await until_active(s, "gone")
    await player.say("HB")
    await until(lambda: unheard(of_client(s, player)), "three resends of the client")
    assert player.nothing_to_read()
    s.heal("gone")
    assert await player.hear() == "HB OK"
    await until(lambda: heard(of_client(s, player)), "that nothing is owed")


@played("silence/vanished.toml", "server")
async def test_vanished_for_the_server(s: Stage) -> None:
    player = await s.player("vanished")
    known = of_server(s, 0)
    assert known is not None

    def row() -> Diag | None:
        return of_server(s, known.remote[1])

    await until_active(s, "gone")
    other = await s.player("other")
    assert await other.ask("SAY hello") == "SAY OK"
    await until(lambda: unheard(row()), "three resends of the server")
    assert player.nothing_to_read()
    s.heal("gone")
    assert await player.hear() == "other: hello"
    await until(lambda: heard(row()), "that nothing is owed")


@asynccontextmanager
async def trusting(s: Stage, outcome: str) -> AsyncIterator[None]:
    """The player of the scenario's [client], whose program must end as it is told to expect."""
    script = SCENARIOS / "silence" / "keepalive.py"
    command = [sys.executable, str(script), "127.0.0.1", str(s.port), outcome]
    async with trio.open_nursery() as nursery:
        process = await nursery.start(partial(trio.run_process, command, stdout=subprocess.PIPE, check=False))
        yield
        with trio.fail_after(10):
            assert await process.wait() == 0


def trusting_socket(s: Stage) -> Diag | None:
    rows = sockdiag.sockets(remote_port=s.port)
    return rows[0] if rows else None


def unanswered(s: Stage) -> int:
    """How many keep-alive probes of his have no answer."""
    row = trusting_socket(s)
    return row.retransmits if row is not None and row.timer == "keepalive" else 0


@played("silence/keepalive_unanswered.toml", "lost")
async def test_keepalive_unanswered(s: Stage) -> None:
    async with trusting(s, "lost"):
        await until(lambda: unanswered(s) >= 1, "a probe that is not answered")
        began = trio.current_time()
        await until(lambda: unanswered(s) >= 2, "two probes that are not answered")
        assert state(trusting_socket(s)) == "ESTABLISHED"
        await until(lambda: trusting_socket(s) is None, "that his kernel has given up")
        assert 2.0 < trio.current_time() - began < 4.5
    assert sockdiag.sockets(local_port=s.port, states=["ESTABLISHED"]), "nobody has told the other end"


@played("silence/keepalive_unanswered.toml", "back")
async def test_keepalive_answered_again(s: Stage) -> None:
    async with trusting(s, "kept"):
        await until(lambda: unanswered(s) >= 2, "two probes that are not answered")
        s.heal("silence")
        await until(lambda: unanswered(s) == 0 and state(trusting_socket(s)) == "ESTABLISHED", "an answer")


@played("silence/nat_forgets.toml")
async def test_nat_forgets(s: Stage) -> None:
    player = await s.player("idle")
    port = player.port
    await until_active(s, "forgotten")
    assert (state(of_client(s, player)), state(of_server(s, port))) == ("ESTABLISHED", "ESTABLISHED")
    assert player.nothing_to_read()
    await player.say("SAY is anybody there")
    assert await player.error() == "ECONNRESET"
    with pytest.raises(BrokenPipeError):
        await player.say("HB")
    assert state(of_client(s, player)) == "CLOSED"
    other = await s.player("other")
    assert await other.ask("SAY hello") == "SAY OK"
    await until(lambda: unheard(of_server(s, port)), "three resends of the server")
    s.heal("forgotten")
    await s.until_server_says("Connection reset by peer")
    await until(lambda: of_server(s, port) is None, "that the server is done with him")
    assert await other.ask("HB") == "HB OK"
