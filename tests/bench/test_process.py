"""What is started is waited for, and ended with all its children."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from bench import process
from bench.process import BenchError

pytestmark = pytest.mark.live


def test_a_server_is_entered_when_it_listens_and_gone_afterwards(tmp_path: Path) -> None:
    port = process.free_port()
    with process.server(process.python("bench.load.echo", port), port, tmp_path / "log") as pid:
        assert process.resident(pid) > 1_000_000
        assert process.cpu_time(pid) >= 0
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(BenchError, match="cannot be looked at any more"):
        process.resident(pid)


def test_a_server_that_fails_is_told_by_its_own_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such device')"]
    with pytest.raises(BenchError, match="ended with 1 before it listened: no such device"), process.server(command, 1, tmp_path / "log"):
        pass


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="cannot start no-such-program: No such file"):
        process.output(["/no/no-such-program"], 1, tmp_path / "log")


def test_who_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    child = tmp_path / "child"
    with pytest.raises(BenchError, match="sh took longer than 1 s"):
        process.output(["/bin/sh", "-c", f"sleep 60 & echo $! > {child}; wait"], 1, tmp_path / "log")
    pid, deadline = int(child.read_text(encoding="ascii")), time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="ascii"):
        assert time.monotonic() < deadline, "the child lives on"
        time.sleep(0.01)


def test_a_holder_says_a_line_and_is_held(tmp_path: Path) -> None:
    with process.holder(["/bin/sh", "-c", "echo ready; read line"], 5, tmp_path / "log") as line:
        assert line == "ready\n"
