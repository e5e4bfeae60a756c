"""Scenarios played by the daemon: started, followed, cancelled, and refused."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Any

import pytest
import trio

from faultproxy.cli.serve import play
from faultproxy.control.security import Limits
from tests.control.harness import Daemon, daemon, lines

pytestmark = pytest.mark.live


def scenario(upstream: str, **more: Any) -> dict[str, Any]:
    """The asker's answers come 50 ms late for a while, and it gets them all."""
    return {
        "title": "late",
        "duration": "2s",
        "proxy": {"listen": "127.0.0.1:0", "upstream": upstream},
        "probe": [{"name": "asker", "send": "ping", "reply": "ping", "every": "20ms"}],
        "fault": [{"kind": "latency", "delay": "50ms", "lasts": "1500ms", "connections": {"probe": "asker"}}],
        "expect": [{"what": "probe.asker.failures", "at_most": 0, "throughout": True, "since": "start"}],
    } | more


async def ended(here: Daemon, number: str) -> dict[str, Any]:
    """How it ended."""
    with trio.fail_after(30):
        while True:
            state: dict[str, Any] = (await here.api.get(f"/v1/runs/{number}")).json()
            if state["state"] != "running":
                return state
            await trio.sleep(0.05)


async def test_a_scenario_is_played_and_followed() -> None:
    async with daemon(play=play) as here:
        begun = await here.api.post("/v1/runs?seed=7", json=scenario(here.upstream))
        assert begun.status_code == 202, begun.text
        run = begun.json()
        assert begun.headers["location"] == f"/v1/runs/{run['id']}"
        assert (run["seed"], run["state"], run["outcome"]) == (7, "running", None)
        phases: list[str] = []
        async with await here.stream(f"/v1/runs/{run['id']}/events") as stream, aclosing(lines(stream)) as told:
            async for line in told:
                key, _, value = line.partition(": ")
                if key == "data" and "phase" in (said := json.loads(value)):
                    phases.append(said["phase"])
                elif key == "data":
                    break
        state = await ended(here, run["id"])
        assert (state["outcome"], state["reason"]) == ("passed", ""), state
        assert phases == state["phases"]
        assert phases[-1] == "end"
        assert state["result"]["faults"][0]["fired"] > 0
        assert [one["id"] for one in (await here.api.get("/v1/runs")).json()["runs"]] == [run["id"]]


async def test_one_is_cancelled_and_only_so_many_are_played() -> None:
    async with daemon(play=play, limits=Limits(runs=1)) as here:
        first = (await here.api.post("/v1/runs", json=scenario(here.upstream, duration="50s"))).json()
        refused = await here.api.post("/v1/runs", json=scenario(here.upstream))
        assert (refused.status_code, "being played" in refused.json()["detail"]) == (409, True)
        assert (await here.api.delete(f"/v1/runs/{first['id']}")).status_code == 202
        assert (await ended(here, first["id"]))["state"] == "cancelled"
        assert (await here.api.post("/v1/runs", json=scenario(here.upstream))).status_code == 202


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"server": {"command": ["id"]}}, "[server] is refused: it names a command"),
        ({"client": {"command": ["id"]}}, "[client] is refused: it names a command"),
        ({"sandbox": {}}, "[sandbox] is refused"),
        ({"include": ["/etc/passwd"]}, "no file is read"),
        ({"proxy": {"listen": "unix:/run/x", "upstream": "127.0.0.1:1"}}, "unix sockets"),
        ({"proxy": {"listen": "127.0.0.1:0"}}, "`upstream` is missing"),
        ({"crowd": [{"name": "c", "count": 9999, "behaviour": "never_read"}]}, "at most 500"),
        ({"timeout": "9999s"}, "at most"),
    ],
)
async def test_what_is_refused(more: dict[str, Any], why: str) -> None:
    async with daemon(play=play) as here:
        answer = await here.api.post("/v1/runs", json=scenario(here.upstream) | more)
        assert answer.status_code == 422
        assert why in answer.json()["detail"]
