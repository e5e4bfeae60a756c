"""A run has a process of its own, which ends with it, with the daemon however that ends, and alone without harm to anybody."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.control.processes import Served, served

pytestmark = pytest.mark.live
PATIENCE = 20.0
"""Seconds until something must be so."""
WORKER = b"faultproxy.verify.worker"


@dataclass(frozen=True)
class Playing:
    """A daemon with one run whose faults act, and the listener behind it."""

    daemon: Served
    mark: bytes
    run: str
    upstream: socket.socket

    def processes(self) -> dict[int, bytes]:
        """All that live of the daemon, itself included, with their commands."""
        found: dict[int, bytes] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark in (folder / "environ").read_bytes():  # of a zombie it is empty
                    found[int(folder.name)] = (folder / "cmdline").read_bytes()
            except OSError:
                continue
        return found

    def worker(self) -> int:
        """The process that plays."""
        (pid,) = [pid for pid, command in self.processes().items() if WORKER in command]
        return pid

    def state(self) -> dict[str, Any]:
        """Of the run."""
        found: dict[str, Any] = self.daemon.call("GET", f"/v1/runs/{self.run}").json()
        return found


def until(what: Callable[[], object]) -> None:
    """Waits for it."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


@contextmanager
def playing() -> Iterator[Playing]:
    """A run that would last for a minute."""
    mark = uuid4().hex
    with served(FAULTPROXY_TEST_MARK=mark) as daemon, socket.create_server(("127.0.0.1", 0)) as upstream:
        sent = {
            "duration": "50s",
            "proxy": {"listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{upstream.getsockname()[1]}"},
            "crowd": [{"name": "idlers", "count": 1, "behaviour": "idle"}],
            "fault": [{"kind": "latency", "delay": "1ms"}],
        }
        begun = daemon.call("POST", "/v1/runs", sent)
        assert begun.status_code == 202, begun.text
        here = Playing(daemon, mark.encode(), begun.json()["id"], upstream)
        until(lambda: "faults" in here.state()["phases"])
        yield here


def test_cancelling_ends_its_process_and_closes_its_connections() -> None:
    with playing() as here:
        worker = here.worker()
        assert worker != here.daemon.process.pid
        here.upstream.settimeout(PATIENCE)
        connection, _ = here.upstream.accept()
        with connection:
            connection.settimeout(PATIENCE)
            assert here.daemon.call("DELETE", f"/v1/runs/{here.run}").status_code == 202
            assert connection.recv(1) == b"", "closed, and not cut off"
        until(lambda: here.state()["state"] == "cancelled")
        assert here.state()["outcome"] is None
        until(lambda: list(here.processes()) == [here.daemon.process.pid])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_daemons_end_leaves_nobody_behind(number: signal.Signals) -> None:
    with playing() as here:
        here.worker()
        here.daemon.process.send_signal(number)
        assert here.daemon.process.wait(PATIENCE) == (0 if number is signal.SIGTERM else -number)
        until(lambda: not here.processes())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_one_that_dies_is_told_so_and_harms_nobody(number: signal.Signals) -> None:
    with playing() as here:
        os.kill(here.worker(), number)
        until(lambda: here.state()["state"] == "ended")
        state = here.state()
        assert state["outcome"] == "error"
        assert f"was ended by {number.name}, in the phase 'faults'" in state["reason"]
        assert state["result"] == {"outcome": "error", "reason": state["reason"]}
        assert here.daemon.made("a", "127.0.0.1:9", [])
        until(lambda: list(here.processes()) == [here.daemon.process.pid])
