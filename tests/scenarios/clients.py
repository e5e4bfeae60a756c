"""The program of a scenario's [client], played beside the test."""

from __future__ import annotations

import os
import subprocess
import sys

import trio

from faultproxy.scenario import substitute
from tests.live.rig import PATIENCE
from tests.scenarios.stage import SCENARIOS, Stage


async def client(s: Stage, topic: str) -> str:
    """Runs it in the folder of its `topic` and returns what it has written. AssertionError if it does not exit with 0."""
    assert s.scenario.client is not None
    program, *arguments = substitute(s.scenario.client.command, {"proxy_host": "127.0.0.1", "proxy_port": s.port})
    assert program == "python3"
    env = os.environ | ({"FAULTPROXY_SERVER_PID": str(s.server.pid)} if s.server is not None else {})
    with trio.fail_after(2 * PATIENCE):
        done = await trio.run_process(
            [sys.executable, *arguments], cwd=SCENARIOS / topic, env=env, capture_stdout=True, stderr=subprocess.STDOUT, check=False
        )
    written = done.stdout.decode()
    assert done.returncode == 0, written
    return written
