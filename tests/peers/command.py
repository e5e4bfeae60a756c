"""The proxy under test: the command, in a process of its own, watched through what it prints for machines."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.peers.programs import PATIENCE, Address, until

SCENARIOS = Path(__file__).parent / "scenarios"
SEED = "7"


@dataclass(frozen=True)
class Summary:
    """The last line of ``--json``, of a run with one proxy."""

    table: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        """`opened`, `failed`, `c2s`, `s2c`, `never_fired`."""
        (proxy,) = self.table["proxies"]
        return proxy[name]

    def fault(self, name: str) -> dict[str, Any]:
        """What that fault has done: `starts`, `fired`, `heals`, `last`."""
        (found,) = [fault for fault in self.faults if fault["name"] == name]
        return dict(found)


@dataclass
class Command:
    """The command while it runs. `events` grows as it prints."""

    process: subprocess.Popen[str]
    events: list[dict[str, Any]] = field(default_factory=list)
    errors: str = ""
    killed: bool = False
    _threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        for target in (self._listen, self._overhear):
            self._threads.append(threading.Thread(target=target, daemon=True))
            self._threads[-1].start()

    @property
    def place(self) -> str:
        """Where it listens, in its own words: ``127.0.0.1:41234`` or ``unix:/path``."""
        told = [event["address"] for event in self.events if event.get("event") == "listening"]
        return str(told[0]) if told else ""

    @property
    def address(self) -> Address:
        """Where it listens."""
        host, _, port = self.place.rpartition(":")
        return host, int(port)

    @property
    def url(self) -> str:
        """The same for curl, without a path."""
        return f"http://{self.place}"

    def did(self, fault: str, act: str = "fired") -> bool:
        """Whether that fault has `started`, `fired` or `healed` so far."""
        done = [action for event in self.events for action in event.get("actions", ())]
        return any(action.get("fault") == fault and action["do"] == act for action in done)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> Summary:
        """Ends it as a user would; it must end in peace, with its last words."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> Summary:
        """Its last words, once it has ended in peace."""
        assert self.process.wait(PATIENCE) == 0, self.errors
        self._hear_out()
        assert self.errors == ""
        assert self.events[-1].get("event") == "summary", self.events[-1]
        return Summary(self.events[-1])

    def kill(self) -> None:
        """Ends it without a chance to do anything more."""
        self.killed = True
        self.process.kill()
        self.process.wait()
        self._hear_out()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def _overhear(self) -> None:
        assert self.process.stderr is not None
        self.errors = self.process.stderr.read()

    def _hear_out(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()


@contextmanager
def proxied(upstream: Address | None, *arguments: object, scenario: str | None = None, fires: bool = True) -> Iterator[Command]:
    """The proxy before `upstream`, with one of our scenario files or with inline faults; ended, if it still runs, at the end.

    However it is ended short of `kill`, its exit code is 0, it has printed a summary and no error, and, if `fires`, no fault of it has
    never fired.
    """
    words = [sys.executable, "-m", "faultproxy", "run", "--json", "--seed", SEED]
    words += [] if scenario is None else [str(SCENARIOS / f"{scenario}.toml")]
    words += [] if upstream is None else ["--upstream", f"{upstream[0]}:{upstream[1]}"]
    words += [str(argument) for argument in arguments]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    running = Command(process)
    try:
        until(lambda: running.place or process.poll() is not None, lambda: f"{words}: {running.errors}")
        assert process.poll() is None, running.errors
        yield running
        if not running.killed:
            summary = running.stop() if process.poll() is None else running.ended()
            assert summary.table["seed"] == int(SEED)
            assert not fires or summary.never_fired == []
    finally:
        if process.poll() is None:
            running.kill()
