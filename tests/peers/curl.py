"""curl, asked once: what it got, how it ended and what it measured."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import dataclass

from tests.peers.programs import program

REFUSED, PARTIAL, TIMED_OUT, EMPTY, BROKEN = 7, 18, 28, 52, 56
"""Exit codes, from curl(1): could not connect; only a part was transferred; timeout; the server sent nothing; failure in receiving."""

PATIENCE = "30"
"""Seconds for a whole answer where a test says nothing else."""


@dataclass(frozen=True)
class Answer:
    """Times are seconds since curl began (0 for what never came), `speed` bytes a second, sizes bytes. Of the body little is kept."""

    code: int
    status: int
    headers: int
    size: int
    sha256: str
    beginning: bytes
    connected: float
    first_byte: float
    total: float
    speed: float
    error: str


class Asking:
    """curl while it runs."""

    def __init__(self, url: str, *options: str) -> None:
        patience = [] if "--max-time" in options else ["--max-time", PATIENCE]
        # -q: no ~/.curlrc; --noproxy: no proxy but ours, whatever the environment says.
        words = [program("curl", "curl"), "-q", "--noproxy", "*", "--silent", "--show-error", "--write-out", "%{stderr}\n%{json}"]
        self._process = subprocess.Popen(
            [*words, *patience, *options, url], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def answer(self) -> Answer:
        """Reads the body to its end."""
        digest, size, beginning = hashlib.sha256(), 0, b""
        with self._process as process:
            try:
                assert process.stdout is not None
                assert process.stderr is not None
                while part := process.stdout.read1(1 << 20):  # type: ignore[attr-defined]
                    digest.update(part)
                    size += len(part)
                    beginning = (beginning + part)[:100]
                said = process.stderr.read().decode()
            except BaseException:
                process.kill()
                raise
        error, _, measured = said.rpartition("\n")
        table = json.loads(measured)
        return Answer(
            code=process.returncode,
            status=table["http_code"],
            headers=table["size_header"],
            size=size,
            sha256=digest.hexdigest(),
            beginning=beginning,
            connected=table["time_connect"],
            first_byte=table["time_starttransfer"],
            total=table["time_total"],
            speed=table["speed_download"],
            error=error.strip(),
        )

    def kill(self) -> None:
        """Ends it, answer or not."""
        with self._process as process:
            process.kill()


def curl(url: str, *options: str) -> Answer:
    """Asks, and waits for the end. Exit code 0 or not: the caller judges."""
    return Asking(url, *options).answer()
