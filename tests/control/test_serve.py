"""`faultproxy serve` as a process: what it says, what it begins with, and that it ends with nothing left."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.control.processes import served

pytestmark = pytest.mark.live

SCENARIO = """
[[proxy]]
name = "a"
listen = "127.0.0.1:0"
upstream = "127.0.0.1:9"
[[proxy]]
name = "b"
listen = "127.0.0.1:0"
upstream = "127.0.0.1:9"
[[fault]]
kind = "latency"
delay = "10ms"
[[fault]]
name = "only-a"
kind = "latency"
delay = "10ms"
proxy = "a"
[[expect]]
what = "client.tcp_state"
is = "ESTABLISHED"
within = "1s"
since = "start"
"""


def refused(*arguments: object) -> str:
    """What it says when it does not start, for which its user must act."""
    done = subprocess.run(
        [sys.executable, "-m", "faultproxy", "serve", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_the_seed_first_and_ends_at_once(number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as upstream, served("--seed", 7) as here:
        assert here.said == ["seed 7", f"control API on {here.url}", "ready"]
        proxied = here.made("a", f"127.0.0.1:{upstream.getsockname()[1]}", [])
        host, _, port = proxied.rpartition(":")
        api_port = int(here.url.rpartition(":")[2])
        with socket.create_connection((host, int(port))) as client, socket.create_connection(("127.0.0.1", api_port)) as deaf:
            # One who follows the journal and never reads must not keep it from ending.
            deaf.sendall(b"GET /v1/journal HTTP/1.1\r\nHost: localhost\r\n\r\n")
            server, _ = upstream.accept()
            with server:
                began = time.monotonic()
                here.process.send_signal(number)
                assert here.process.wait(30) == 0
                assert time.monotonic() - began < 10
                for leg in (client, server):
                    leg.settimeout(10)
                    assert leg.recv(1) == b"", "a FIN"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)))


def test_a_scenario_to_begin_with(tmp_path: Path) -> None:
    file = tmp_path / "scenario.toml"
    file.write_text(SCENARIO, encoding="utf-8")
    with served("--config", file, "--seed", 7) as here:
        found = here.call("GET", "/v1/proxies").json()
        assert found["seed"] == 7
        assert {proxy["name"]: [fault["name"] for fault in proxy["faults"]] for proxy in found["proxies"]} == {
            "a": ["latency", "only-a"],
            "b": ["latency"],
        }
        assert any(line.startswith("left out by `serve`: [[expect]]") for line in here.said)


def test_toxiproxys_json_to_begin_with(tmp_path: Path) -> None:
    file = tmp_path / "toxiproxy.json"
    entries = [{"name": "a", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9", "enabled": True}]
    file.write_text(json.dumps(entries), encoding="utf-8")
    with served("--config", file) as here:
        assert list(here.call("GET", "/proxies").json()) == ["a"]
        assert here.call("GET", "/version").json()["version"]


def test_what_it_does_not_start_with(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}: somebody listens there already" in refused("--port", port)
    assert "it needs a token: set FAULTPROXY_TOKEN" in refused("--host", "0.0.0.0", "--port", 0)
    assert "no such file" in refused("--config", tmp_path / "nix.toml")
    broken = tmp_path / "broken.json"
    broken.write_text("[{", encoding="utf-8")
    assert "not valid JSON" in refused("--config", broken)


def test_a_token_by_the_environment() -> None:
    with served(FAULTPROXY_TOKEN="secret") as here:
        assert here.said[1].endswith(", with a token")
        assert here.call("GET", "/v1/version").status_code == 401
        here.client.headers["authorization"] = "Bearer secret"
        assert here.call("GET", "/v1/version").status_code == 200
