"""Scenarios played by the daemon: started, followed, cancelled, and refused."""

from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import trio

from faultproxy.cli.serve import play
from faultproxy.control import runs
from faultproxy.control.runs import Ending
from faultproxy.control.security import Limits
from faultproxy.control.v1.runs import _whole
from faultproxy.scenario import load_tables
from tests.control.harness import Daemon, daemon, lines

pytestmark = pytest.mark.live
ASKER: dict[str, Any] = {"name": "asker", "send": "ping", "reply": "ping", "every": "20ms"}


def scenario(upstream: str, **more: Any) -> dict[str, Any]:
    """The asker's answers come 50 ms late for a while, and it gets them all."""
    return {
        "title": "late",
        "duration": "2s",
        "proxy": {"listen": "127.0.0.1:0", "upstream": upstream},
        "probe": [ASKER],
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


async def test_of_results_that_are_too_much_the_oldest_go_and_are_told_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "KEPT", 1000)
    sizes = iter([500, 400, 300, 2000])

    async def made(*_: object) -> Ending:
        return Ending("passed", "", b'{"a": "%s"}' % (b"x" * next(sizes)))

    async with daemon(play=made) as here:
        ids = [(await here.api.post("/v1/runs", json=scenario(here.upstream))).json()["id"] for _ in range(3)]
        states = [await ended(here, number) for number in ids]
        assert [state["result"] is None for state in states] == [True, False, False]
        assert [bool(state["gone"]) for state in states] == [True, False, False]
        assert "room for the results of later runs" in states[0]["gone"]
        assert states[0]["outcome"] == "passed"
        ids.append((await here.api.post("/v1/runs", json=scenario(here.upstream))).json()["id"])
        newest = await ended(here, ids[-1])
        assert newest["result"] == {"a": "x" * 2000}, "the newest is kept, whatever its size"
        assert all([(await ended(here, number))["gone"] for number in ids[:-1]])


async def test_a_result_of_megabytes_comes_whole() -> None:
    text = "é" * 3 * 2**20

    async def made(*_: object) -> Ending:
        return Ending("passed", "", json.dumps({"text": text}, ensure_ascii=False).encode())

    async with daemon(play=made) as here:
        run = (await here.api.post("/v1/runs", json=scenario(here.upstream))).json()
        assert (await ended(here, run["id"]))["result"] == {"text": text}
        listed = (await here.api.get("/v1/runs")).json()["runs"]
        assert [one["result"] for one in listed] == [None]
        said = (await here.api.get(f"/v1/runs/{run['id']}/events")).text
        (data,) = [line.removeprefix("data: ") for line in said.splitlines() if line.startswith("data: ")]
        assert json.loads(data)["result"] == {"text": text}


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
        (
            {"probe": [ASKER | {"reply": {"regex": "(?=a)b"}}]},
            "probe asker: reply: the regular expression '(?=a)b' is refused",
        ),
        ({"probe": [ASKER | {"reply": {"regex": "${x}"}}], "vars": {"x": r"(a)\1"}}, "a back-reference"),
        ({"probe": [ASKER | {"reply": {"regex": "b${x}"}}], "vars": {"x": "a" * 256}}, "of 257 bytes is refused"),
        ({"probe": [ASKER | {"reply": {"regex": "${x}"}}], "vars": {"x": "${y}${y}", "y": "a"}}, "made of others"),
        ({"case": [{"name": "one"}, {"name": "two"}]}, "it has 2 cases"),
    ],
)
async def test_what_is_refused(more: dict[str, Any], why: str) -> None:
    async with daemon(play=play) as here:
        answer = await here.api.post("/v1/runs", json=scenario(here.upstream) | more)
        assert answer.status_code == 422
        assert why in answer.json()["detail"]


async def test_half_a_character_is_refused_and_spoils_no_answer() -> None:
    async with daemon(play=play) as here:
        sent = json.dumps(scenario(here.upstream, title="\ud800"))
        answer = await here.api.post("/v1/runs", content=sent, headers={"content-type": "application/json"})
        assert (answer.status_code, "surrogates not allowed" in answer.json()["detail"]) == (422, True)
        assert (await here.api.get("/v1/runs")).json() == {"runs": []}
        paired = json.dumps(scenario(here.upstream, title="\U0001f310"))
        assert (await here.api.post("/v1/runs", content=paired)).json()["scenario"] == "\U0001f310"


async def test_a_result_that_many_ask_for_is_in_memory_once() -> None:
    run = runs.Run("one", load_tables({"proxy": {"listen": "127.0.0.1:0"}}, "here", Path())[0], 1, "ended")
    run.ending = Ending("passed", "", b'{"a": 1}')
    assert any(part is run.ending.result for part in _whole(run))
    assert json.loads(b"".join(_whole(run)))["result"] == {"a": 1}
