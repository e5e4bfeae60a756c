"""`faultproxy serve` as a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Served:
    """The process, what it said before it was ready, and a client."""

    process: subprocess.Popen[str]
    said: list[str]
    url: str
    client: httpx.Client

    def call(self, method: str, path: str, body: object = None) -> httpx.Response:
        """An answer."""
        return self.client.request(method, path, json=body) if body is not None else self.client.request(method, path)

    def made(self, name: str, upstream: str, faults: list[dict[str, Any]]) -> str:
        """Makes a proxy, and returns where it listens."""
        answer = self.call("POST", "/v1/proxies", {"name": name, "upstream": upstream, "faults": faults})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["listen"])


@contextmanager
def served(*arguments: object, **environment: str) -> Iterator[Served]:
    """One on a free port, ready. It is ended at the end if the test has not done so."""
    command = [sys.executable, "-m", "faultproxy", "serve", "--port", "0", *map(str, arguments)]
    own = {key: value for key, value in os.environ.items() if not key.startswith("FAULTPROXY_")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=own | environment) as process:
        assert process.stdout is not None
        said: list[str] = []
        try:
            for line in process.stdout:
                said.append(line.rstrip("\n"))
                if said[-1] == "ready":
                    break
            assert said[-1:] == ["ready"], said
            found = re.search(r"http://\S+?(?=,|$)", said[1])
            assert found is not None, said
            with httpx.Client(base_url=found[0], timeout=30, trust_env=False) as client:
                yield Served(process, said, found[0], client)
        finally:
            if process.poll() is None:
                process.kill()
