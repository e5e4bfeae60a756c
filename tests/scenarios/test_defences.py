"""The arena's defences (scenarios/defences): a scenario for each, which passes where all are there and fails where this one is missing."""

from __future__ import annotations

import pytest
import trio

from faultproxy.arena.defences import NAMES
from faultproxy.scenario import load
from faultproxy.verify.cast import Settings
from faultproxy.verify.outcome import Result
from faultproxy.verify.play import Play
from tests.scenarios.stage import SCENARIOS

pytestmark = pytest.mark.live

FILES = (
    "bounded_queue.toml",
    "close_back.toml",
    "eviction.toml",
    "half_close.toml",
    "heartbeat.toml",
    "isolation.toml",
    "line_bound.toml",
    "login_deadline.toml",
    "orderly_shutdown.toml",
    "player_bound.toml",
    "resume.toml",
)
SAYS = {
    "login_deadline": "crowd.strangers.closed_by_server is at least 100%",
    "heartbeat": "crowd.vanished.closed_by_server is at least 100%",
    "line_bound": "crowd.babblers.closed_by_server is at least 100%",
    "player_bound": "got crowd.guests.closed_by_server 0, crowd.guests.open 40",
    "bounded_queue": "server.process.rss is at most 64 MiB",
    "eviction": "ESTABLISHED",
    "isolation": 'probe "healthy": no right answer',
    "resume": "ERR no such session",
    "half_close": "client.bytes_received is at least 50000 B",
    "close_back": "CLOSE_WAIT",
    "orderly_shutdown": "then not a word",
}
"""What the reader is told where the defence is missing."""

AT_ONCE = 4
"""Plays beside each other: they wait most of the time."""


def test_each_has_its_scenario() -> None:
    assert sorted(path.name for path in (SCENARIOS / "defences").glob("*.toml")) == list(FILES)
    assert sorted(file.removesuffix(".toml") for file in FILES) == sorted(NAMES) == sorted(SAYS)


def test_the_page_tells_which() -> None:
    page = (SCENARIOS.parent / "docs" / "arena.md").read_text(encoding="utf-8").partition("## Which scenario finds it")[2]
    rows = [line.split(" | ")[0].strip("| `") for line in page.splitlines() if line.startswith("| `")]
    assert rows == list(NAMES)
    assert all(f"`defences/{name}.toml`" in page for name in NAMES)


async def test_all_are_there() -> None:
    found = await played(dict.fromkeys(NAMES))
    assert {name: (result.outcome, result.reason) for name, result in found.items()} == dict.fromkeys(NAMES, ("passed", ""))


@pytest.mark.parametrize("left_out", ["--without {}", "--naive"])
async def test_whatever_is_missing_is_found(left_out: str) -> None:
    found = await played({name: f"${{server}} {left_out.format(name)}" for name in NAMES})
    assert {name: result.outcome for name, result in found.items()} == dict.fromkeys(NAMES, "failed")
    assert [name for name, result in found.items() if SAYS[name] not in result.reason] == []


async def played(commands: dict[str, str | None]) -> dict[str, Result]:
    """The scenarios of these defences, each with another command for its server, or with its own."""
    turn = trio.CapacityLimiter(AT_ONCE)
    found: dict[str, Result] = {}

    async def play(name: str, command: str | None) -> None:
        (scenario,) = load(SCENARIOS / "defences" / f"{name}.toml")
        async with turn:
            found[name] = await Play(Settings(scenario, 1, "again", server=command)).run()

    async with trio.open_nursery() as nursery:
        for name, command in commands.items():
            nursery.start_soon(play, name, command)
    return found
