"""Who is measured, and how each is started.

Every rival runs as its own documentation has it, with the settings written here and no tuning that a user would not do; nobody logs
connections. A rival that is not installed is left out, and it is said.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from bench import process
from bench.load.common import HOST
from bench.process import BenchError, find, program
from faultproxy.core.limits import READ_SIZE
from faultproxy.kernel import privileges

Direction = Literal["c2s", "s2c"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What a case asks of those who can: a latency (seconds) or a bandwidth (bytes a second on each connection)."""

    directions: tuple[Direction, ...]
    delay: float = 0.0
    jitter: float = 0.0
    rate: float = 0.0

    def for_faultproxy(self) -> str:
        """In the words of its command line."""
        direction = "both" if len(self.directions) == 2 else self.directions[0]
        if self.rate:
            return f"bandwidth rate={self.rate / 1e3:.0f}kB/s direction={direction}"
        jitter = f" jitter={self.jitter * 1e3:g}ms" if self.jitter else ""
        return f"latency delay={self.delay * 1e3:g}ms{jitter} direction={direction}"

    def for_toxiproxy(self) -> Iterator[dict[str, object]]:
        """As toxics, one for each direction; its units are milliseconds and kB/s."""
        for direction in self.directions:
            attributes = (
                {"rate": round(self.rate / 1e3)} if self.rate else {"latency": round(self.delay * 1e3), "jitter": round(self.jitter * 1e3)}
            )
            yield {
                "name": direction,
                "type": "bandwidth" if self.rate else "latency",
                "stream": "upstream" if direction == "c2s" else "downstream",
                "attributes": attributes,
            }


@dataclass(frozen=True, slots=True)
class Running:
    """A rival at work: the port to connect to, and its process, if there is one."""

    port: int
    pid: int | None


class Rival(Protocol):
    """One way from a client to the upstream."""

    @property
    def name(self) -> str: ...

    def missing(self, fault: Fault | None) -> str | None:
        """Why it cannot take part, or None if it can."""

    def run(self, upstream: int, fault: Fault | None, folder: Path) -> AbstractContextManager[Running]:
        """Run it before `upstream` until the block is left. Its files go into `folder`. Raises BenchError."""


@dataclass(frozen=True, slots=True)
class Direct:
    """Nobody between: what the machine and the load itself cost."""

    name: str = "direct"

    def missing(self, fault: Fault | None) -> str | None:
        return None  # with a fault it shows the error of the measurement

    @contextmanager
    def run(self, upstream: int, fault: Fault | None, folder: Path) -> Iterator[Running]:
        yield Running(upstream, None)


@dataclass(frozen=True, slots=True)
class Socat:
    """A process for each connection. Its buffer, 8 KiB by default, is raised to the size of ours."""

    name: str = "socat"

    def missing(self, fault: Fault | None) -> str | None:
        return _missing("socat") or ("it has no faults" if fault else None)

    @contextmanager
    def run(self, upstream: int, fault: Fault | None, folder: Path) -> Iterator[Running]:
        port = process.free_port()
        listen = f"TCP4-LISTEN:{port},bind={HOST},fork,reuseaddr,backlog=4096,nodelay"
        command = [program("socat"), "-b", str(READ_SIZE), listen, f"TCP4:{HOST}:{upstream},nodelay"]
        with process.server(command, port, folder / "socat.log") as pid:
            yield Running(port, pid)


_HAPROXY = """
global
    maxconn 8000
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen bench
    bind {host}:{port}
    server upstream {host}:{upstream}
"""


@dataclass(frozen=True, slots=True)
class Haproxy:
    """A proxy in C, at its defaults: as many threads as there are cores."""

    name: str = "haproxy"

    def missing(self, fault: Fault | None) -> str | None:
        return _missing("haproxy") or ("it has no faults" if fault else None)

    @contextmanager
    def run(self, upstream: int, fault: Fault | None, folder: Path) -> Iterator[Running]:
        port = process.free_port()
        config = folder / "haproxy.cfg"
        config.write_text(_HAPROXY.format(host=HOST, port=port, upstream=upstream), encoding="ascii")
        with process.server([program("haproxy"), "-db", "-f", str(config)], port, folder / "haproxy.log") as pid:
            yield Running(port, pid)


@dataclass(frozen=True, slots=True)
class Toxiproxy:
    """The best known proxy for faults, in Go; driven through its API."""

    name: str = "toxiproxy"

    def missing(self, fault: Fault | None) -> str | None:
        return _missing("toxiproxy-server")

    @contextmanager
    def run(self, upstream: int, fault: Fault | None, folder: Path) -> Iterator[Running]:
        port, api = process.free_port(), process.free_port()
        with process.server(self._daemon(api), api, folder / f"{self.name}.log") as pid:
            self._post(api, "/proxies", {"name": "bench", "listen": f"{HOST}:{port}", "upstream": f"{HOST}:{upstream}", "enabled": True})
            for toxic in fault.for_toxiproxy() if fault else ():
                self._post(api, "/proxies/bench/toxics", toxic)
            yield Running(port, pid)

    def _daemon(self, api: int) -> list[str]:
        return [program("toxiproxy-server"), "-host", HOST, "-port", str(api)]

    def _post(self, api: int, path: str, body: dict[str, object]) -> None:
        connection = http.client.HTTPConnection(HOST, api, timeout=5)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            if answer.status >= 300:
                raise BenchError(f"{self.name} answered {answer.status} to POST {path}: {answer.read().decode(errors='replace').strip()}")
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class Serve(Toxiproxy):
    """This project as a daemon, driven as Toxiproxy is: the same requests, another program."""

    name: str = "serve"

    def missing(self, fault: Fault | None) -> str | None:
        return None

    def _daemon(self, api: int) -> list[str]:
        return [sys.executable, "-m", "faultproxy", "serve", "--host", HOST, "--port", str(api)]


DEFAULT_COMMAND = f"{shlex.quote(sys.executable)} -m faultproxy run --listen {{listen}} --upstream {{upstream}} {{fault}}"
"""How faultproxy is started. `{fault}` becomes ``--fault '…'``, or nothing; a command without it takes no part in cases with a fault."""


@dataclass(frozen=True, slots=True)
class Faultproxy:
    """This project, as a user starts it; or another build of it, by another command."""

    command: str = DEFAULT_COMMAND
    name: str = "faultproxy"
    segments: tuple[str, ...] = ()
    """Faults of the packet plane, in the words of the command line."""

    def missing(self, fault: Fault | None) -> str | None:
        if self.segments and (lacking := no_packets()) is not None:
            return lacking
        if self.command == DEFAULT_COMMAND and importlib.util.find_spec("faultproxy.__main__") is None:
            return "`python -m faultproxy` cannot be run in this interpreter"
        if (fault is not None or self.segments) and "{fault}" not in self.command:
            return "its command has no {fault}"
        return None

    @contextmanager
    def run(self, upstream: int, fault: Fault | None, folder: Path) -> Iterator[Running]:
        port = process.free_port()
        faults = [*([fault.for_faultproxy()] if fault else []), *self.segments]
        values = {
            "listen": f"{HOST}:{port}",
            "upstream": f"{HOST}:{upstream}",
            "listen_port": str(port),
            "upstream_port": str(upstream),
            "fault": " ".join(f"--fault {shlex.quote(words)}" for words in faults),
        }
        command = self.command
        for key, value in values.items():
            command = command.replace(f"{{{key}}}", value)
        with process.server(shlex.split(command), port, folder / "faultproxy.log") as pid:
            yield Running(port, pid)


def everybody(command: str = DEFAULT_COMMAND) -> list[Rival]:
    """In the order in which they take their turns."""
    return [Direct(), Socat(), Haproxy(), Toxiproxy(), Serve(), Faultproxy(command)]


def no_packets() -> str | None:
    """Why packets cannot be touched here, or None if they can; bench/README.md tells the way out."""
    return privileges.lacking().partition(". There are")[0] or None


def _missing(name: str) -> str | None:
    return None if find(name) else f"{name} is not installed"
