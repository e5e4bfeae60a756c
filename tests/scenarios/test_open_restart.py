"""A server that restarts (scenarios/open): whether it may have its port again, as its kernel decides."""

from __future__ import annotations

import os
import signal

import pytest

from faultproxy.kernel import procnet
from tests.live.rig import until
from tests.scenarios.clients import client
from tests.scenarios.stage import Stage, played

pytestmark = pytest.mark.live


async def restarted(s: Stage) -> None:
    """A player is in when the server is told to restart, and is sent home."""
    regular = await s.player("regular")
    assert s.server is not None
    assert s.server.pid is not None
    os.kill(s.server.pid, signal.SIGHUP)
    assert await regular.hear() == "BYE the arena closes"
    assert await regular.recv_all() == b""
    regular.sock.close()
    await until(lambda: "TIME_WAIT" in {row.state for row in s.of_server()}, "TIME_WAIT at the server's port")


@played("open/restart_in_time_wait.toml", "reuse")
async def test_a_restart_with_reuseaddr(s: Stage) -> None:
    await restarted(s)
    await s.until_server_says("listening again on")
    newcomer = await s.player("newcomer")
    assert await newcomer.ask("WHO") == "WHO newcomer"
    assert {"TIME_WAIT", "ESTABLISHED"} <= {row.state for row in s.of_server()}


@played("open/restart_in_time_wait.toml", "plain")
async def test_a_restart_without(s: Stage) -> None:
    await restarted(s)
    await s.until_server_says("(Address already in use)")
    await until(lambda: s.server is not None and s.server.exit is not None, "the server's end")
    assert procnet.find(local_port=s.server_port, state="LISTEN") == []
    assert {row.state for row in s.of_server()} == {"TIME_WAIT"}


@pytest.mark.parametrize("case", ["reuse", "plain"])
def test_the_player_of_the_scenario(case: str) -> None:
    @played("open/restart_in_time_wait.toml", case)
    async def ends_as_expected(s: Stage) -> None:
        assert (await client(s, "open")).startswith("the server is ")

    ends_as_expected()
