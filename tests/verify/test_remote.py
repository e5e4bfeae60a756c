"""The API that a run gives its client: faults are started and healed, connections looked at, and nothing that is judged is changed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.verify.test_play import ARENA, play

pytestmark = pytest.mark.live

CLIENT = """
import json, os, socket, urllib.error, urllib.request

def call(method, path, body=None, token=os.environ["FAULTPROXY_TOKEN"]):
    data = json.dumps(body).encode() if body is not None else None
    asked = urllib.request.Request(os.environ["FAULTPROXY_API"] + path, data, method=method)
    asked.add_header("Authorization", "Bearer " + token)
    asked.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())

def ask(player):
    player.sendall(b"PING\\r\\n")
    return player.recv(100)

with socket.create_connection((os.environ["FAULTPROXY_HOST"], int(os.environ["FAULTPROXY_PORT"]))) as player:
    assert ask(player) == b"PONG\\r\\n"
    status, told = call("GET", "/v1/proxies/proxy/connections")
    print("connections", status, [each["c2s"] for each in told["connections"] if each["peer"].endswith(f":{player.getsockname()[1]}")])
    print("start", call("POST", "/v1/proxies/proxy/faults/cut/start")[0])
    try:
        player.recv(1)
    except ConnectionResetError:
        print("reset")
print("heal", call("POST", "/v1/proxies/proxy/faults/cut/heal")[0])
for method, path, body in [
    ("POST", "/v1/proxies/proxy/faults", {"kind": "latency", "delay": "1s"}),
    ("PATCH", "/v1/proxies/proxy", {"enabled": False}),
    ("POST", "/v1/proxies", {"name": "other", "upstream": "127.0.0.1:1"}),
    ("DELETE", "/v1/proxies/proxy", None),
]:
    print(method, call(method, path, body)[0])
print("without", call("GET", "/v1/proxies", token="guessed")[0])
"""


async def test_a_client_starts_and_heals_and_changes_nothing(tmp_path: Path) -> None:
    script = tmp_path / "client.py"
    script.write_text(CLIENT, encoding="utf-8")
    result = await play(
        f"""{ARENA}
[client]
command = ["{sys.executable}", "{script}"]
timeout = "15s"
[[fault]]
name = "cut"
kind = "reset"
direction = "s2c"
manual = true
"""
    )
    assert (result.outcome, result.reason) == ("passed", ""), result.outputs
    assert [line.removeprefix("  | ") for line in result.outputs["client"].splitlines()] == [
        "connections 200 [6]",
        "start 200",
        "reset",
        "heal 200",
        "POST 409",
        "PATCH 409",
        "POST 409",
        "DELETE 409",
        "without 401",
    ]
