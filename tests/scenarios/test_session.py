"""Sessions that outlive their connection (scenarios/session): who a player is, is not where he comes from."""

from __future__ import annotations

import pytest
import trio

from tests.live.rig import until
from tests.scenarios.clients import client
from tests.scenarios.stage import Player, Stage, played

pytestmark = pytest.mark.live

FROM = "127.0.0.2"
"""Where the player comes from when he comes back."""


async def cut_off(s: Stage) -> tuple[Player, str]:
    """A player with five points whose network is gone without a word, and the key of his session."""
    ann = await s.player("ann")
    assert await ann.ask("SCORE 5") == "SCORE 5"
    key = (await ann.ask("SESSION")).removeprefix("SESSION ")
    await ann.say("HB")
    await until(lambda: s.fired("out-of-range"), "a segment that is lost")
    return ann, key


async def elsewhere(s: Stage) -> Player:
    """Connects from another address."""
    sock = trio.socket.socket()
    await sock.bind((FROM, 0))
    await sock.connect(("127.0.0.1", s.port))
    s.players.append(player := Player(sock))
    return player


@played("session/another_address.toml", "inside")
async def test_back_inside_the_grace_time(s: Stage) -> None:
    ann, key = await cut_off(s)
    back = await elsewhere(s)
    assert await back.ask(f"RESUME {key}") == "RESUMED ann"
    assert {row.remote[0] for row in s.of_server() if row.state == "ESTABLISHED"} == {"127.0.0.3"}
    assert [await back.ask(line) for line in ("SCORE", "WHO")] == ["SCORE 5", "WHO ann"]
    await s.until_server_says("ann left: his session was resumed from another connection")
    assert (ann.state(), ann.nothing_to_read()) == ("ESTABLISHED", True)  # the RST has not reached him


@played("session/another_address.toml", "after")
async def test_back_after_the_grace_time(s: Stage) -> None:
    ann, key = await cut_off(s)
    await s.until_server_says("ann left: no heartbeat for 1 s")
    await trio.sleep(1.1)  # the grace time itself
    back = await elsewhere(s)
    assert await back.ask(f"RESUME {key}") == "ERR no such session, or its time is over: LOGIN <name>"
    assert await back.ask("LOGIN ann") == "LOGIN OK"
    assert await back.ask("SCORE") == "SCORE 0"
    assert (ann.state(), ann.nothing_to_read()) == ("ESTABLISHED", True)


@played("session/another_address.toml", "inside")
async def test_the_player_of_the_scenario(s: Stage) -> None:
    assert (await client(s, "session")).splitlines() == ["RESUMED ann", "SCORE 5", "WHO ann"]


@played("session/quick_return.toml")
async def test_gone_and_back_at_once(s: Stage) -> None:
    assert (await client(s, "session")).startswith("20 returns to port ")
    assert s.proxy.run.opened == 40
    for number in (1, 20):
        await s.until_server_says(f" patient{number} left")


@played("session/request_each.toml")
async def test_every_request_on_its_own_connection(s: Stage) -> None:
    assert await client(s, "session") == "20 requests of each, and nobody was taken for somebody else\n"
    (fifth,) = s.proxy.run.stats
    assert fifth.starts >= 8
    assert s.proxy.run.opened == 42 + fifth.starts
