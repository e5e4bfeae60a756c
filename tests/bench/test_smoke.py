"""The bench itself works: its cheapest case, and that it leaves nothing running."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.process import ROOT

pytestmark = pytest.mark.live

COMMAND = [sys.executable, "-m", "bench", "--quick", "--rivals", "direct"]


def test_the_cheapest_case_as_json() -> None:
    done = subprocess.run([*COMMAND, "--only", "rtt-64", "--json"], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True)
    found = json.loads(done.stdout)
    (case,) = found["cases"]
    (trip,) = case["values"]["direct"]["p50"]
    assert (found["rounds"], case["name"], case["units"], case["failed"]) == (1, "rtt-64", {"p50": "us", "p99": "us"}, {})
    assert 1 < trip < 100_000
    assert case["targets"] == [{"text": "p50: not measured (target <= 1.35 x socat)", "value": None, "met": None}]


def test_it_leaves_nothing_running_when_it_is_stopped() -> None:
    deadline = time.monotonic() + 10
    bench = subprocess.Popen([*COMMAND, "--only", "rtt-64", "--rounds", "99"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        children: list[int] = []
        while len(children) < 2:  # the server, and a client that may be just on its way
            assert time.monotonic() < deadline, "server and client never ran"
            children = _children(bench.pid)
        bench.send_signal(signal.SIGINT)
        assert bench.wait(timeout=15) == 128 + signal.SIGINT
        assert bench.stderr is not None
        assert bench.stderr.read() == b"\nstopped; nothing is left running\n"
        assert [child for child in children if Path(f"/proc/{child}").exists()] == []
    finally:
        bench.kill()
        bench.wait()
        assert bench.stderr is not None
        bench.stderr.close()


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
