"""A scenario in a process of its own: what it gives back, and what it does not do."""

from __future__ import annotations

import json
import os
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from faultproxy.control.runs import Ending
from faultproxy.errors import FaultproxyError
from faultproxy.scenario import Scenario, load_text
from faultproxy.scenario.sandbox import Sandbox
from faultproxy.scenario.sections import Client, Server
from faultproxy.verify import apart, worker
from faultproxy.verify.outcome import Result, Track

pytestmark = pytest.mark.live


def scenario(upstream: object, more: str = "") -> Scenario:
    """Somebody stays connected for a moment."""
    text = f"""
        duration = "100ms"
        [proxy]
        listen = "127.0.0.1:0"
        upstream = "127.0.0.1:{upstream}"
        [[crowd]]
        name = "idlers"
        count = 1
        behaviour = "idle"
        {more}
    """
    return load_text(text, "here.toml", Path())[0]


async def played(task: apart.Task) -> tuple[Ending, list[str]]:
    phases: list[str] = []
    with trio.fail_after(30):
        return await apart.play(task, phases.append), phases


async def test_it_says_where_it_is_and_gives_all_that_there_is_to_tell() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        expected = '[[expect]]\nwhat = "crowd.idlers.open"\nis = 1\nthroughout = true\nsince = "start"'
        ending, phases = await played(apart.Task(scenario(port, expected), 7, "again and again"))
    result = json.loads(ending.result)
    assert (ending.outcome, result["outcome"], result["seed"], result["again"]) == (result["outcome"], ending.outcome, 7, "again and again")
    assert ending.reason == result["reason"]
    assert phases == list(result["phases"])


@pytest.mark.parametrize(
    "refused",
    [
        {"server": Server.model_construct(command=("touch", "it"))},
        {"client": Client.model_construct(command=("touch", "it"))},
        {"sandbox": Sandbox.model_construct()},
    ],
    ids=str,
)
async def test_it_runs_no_command_whoever_asks(refused: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = replace(scenario(9), **refused)  # type: ignore[arg-type]
    ending, phases = await played(apart.Task(asked, 1, ""))
    (key,) = refused
    assert (ending.outcome, phases) == ("error", [])
    assert f"[{key}] is refused" in ending.reason
    assert os.listdir(tmp_path) == []


async def test_what_lies_in_the_folder_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trio.py").write_text("raise SystemExit('not this one')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    ending, _ = await played(apart.Task(scenario(9, ""), 1, ""))
    assert "not this one" not in ending.reason


async def test_where_there_can_be_no_process_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(FaultproxyError, match="no process can be started for it: No such file"):
        await played(apart.Task(scenario(9), 1, ""))


async def test_what_it_said_last_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle, "dumps", lambda task: b"")
    with pytest.raises(apart.Died, match=r"(?s)ended with status 1, before its first phase; .*EOFError"):
        await played(apart.Task(scenario(9), 1, ""))


async def test_a_mistake_of_ours_is_no_traceback() -> None:
    broken = replace(scenario(9), proxies=(None,))  # type: ignore[arg-type]
    ending, _ = await played(apart.Task(broken, 1, ""))
    assert ending.outcome == "error"
    assert "a mistake of faultproxy itself" in ending.reason


def test_of_a_result_that_is_too_large_the_connections_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    result = Result("s", "\udc80 é", "passed", float("inf"), 1, "", tracks=[Track(str(n), "outsider", 0.0, None) for n in range(100)])
    assert len(json.loads(worker.text(result))["tracks"]) == 100
    assert json.loads(worker.text(result))["title"] == "\udc80 é"
    monkeypatch.setattr(worker, "LARGEST", 2000)
    found = json.loads(worker.text(result))
    assert found["tracks"] == []
    assert "its 100 connections are left out" in found["notes"][0]
    assert found["seconds"] is None, "JSON has no infinity"
