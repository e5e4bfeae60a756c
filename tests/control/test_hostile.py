"""Callers who mean no good, or know no better: whatever they send, others are answered and bytes are carried."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Mapping
from typing import Any

import pytest
import trio

from faultproxy.cli.serve import play
from faultproxy.control.security import Limits
from faultproxy.control.v1 import reading
from tests.control.harness import Daemon, daemon

pytestmark = pytest.mark.live


async def raw(here: Daemon, data: bytes) -> bytes:
    """What is answered, to its end."""
    stream = await trio.open_tcp_stream("127.0.0.1", here.port)
    got = b""
    async with stream:
        await stream.send_all(data)
        with trio.fail_after(10):
            async for part in stream:
                got += part
    return got


async def test_nobody_is_taken_on_to_http_2() -> None:
    async with daemon() as here:
        upgrade = b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        got = await raw(here, b"GET /version HTTP/1.1\r\nHost: localhost\r\n" + upgrade)
        assert got.startswith(b"HTTP/1.1 200")
        got = await raw(here, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"))
        assert not got.startswith(b"\0")  # a frame of HTTP/2 would


async def test_who_has_left_keeps_no_place() -> None:
    async with daemon(limits=Limits(connections=2)) as here:
        with trio.fail_after(10):  # two places, each kept for IDLE seconds, would take minutes
            for _ in range(40):
                stream = await trio.open_tcp_stream("127.0.0.1", here.port)
                async with stream:
                    await stream.send_all(b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    await stream.receive_some()


@pytest.mark.parametrize("path", ["/v1/journal", "/v1/openapi.json"])
async def test_who_leaves_in_the_midst_of_an_answer_keeps_no_place(path: str) -> None:
    async with daemon(limits=Limits(connections=8, requests=3)) as here:
        for number in range(12):
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)  # a long answer is still being written
                sock.connect(("127.0.0.1", here.port))
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                await trio.lowlevel.wait_readable(sock)
                if number % 2:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with trio.fail_after(10):
            while (await here.api.get("/v1/version")).status_code != 200:
                await trio.sleep(0.02)


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("//x%0d%0aSet-Cookie:%20a=b", "/x%0D%0ASet-Cookie:%20a=b"),
        ("//%e2%82%ac", "/%E2%82%AC"),
        ("//%5cexample.com", "/%5Cexample.com"),
        ("//proxies?a=b", "/proxies?a=b"),
    ],
)
async def test_a_redirect_leads_nowhere_else(path: str, where: str) -> None:
    async with daemon() as here:
        got = await raw(here, b"GET " + path.encode() + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        status, *head = got.partition(b"\r\n\r\n")[0].decode().split("\r\n")
        assert status.startswith("HTTP/1.1 301")
        assert f"location: {where}" in head
        assert not any(line.startswith("Set-Cookie") for line in head)


async def test_a_number_beyond_all_numbers_is_refused() -> None:
    async with daemon() as here:
        answer = await here.api.post("/proxies", content=b'{"name": "a", "upstream": "b:1", "more": 1e99999999999999999999}')
        assert answer.status_code == 400
        assert "beyond all numbers" in answer.json()["error"]


async def test_what_takes_long_to_read_is_refused_before_it_is_read() -> None:
    async with daemon(play=play) as here:
        toml = {"content-type": "application/toml"}
        answer = await here.api.post("/v1/runs", content="".join(f"[t{number}]\n" for number in range(10_000)), headers=toml)
        assert answer.status_code == 422
        assert "at most 200 keys" in answer.json()["detail"]
        answer = await here.api.post("/v1/runs", content="#\n" * 200_000, headers=toml)
        assert answer.status_code == 413
        await here.made("a")
        table: dict[str, Any] = {"kind": "latency", "delay": "1s"} | {f"key{number}": 1 for number in range(10_000)}
        answer = await here.api.post("/v1/proxies/a/faults", content=json.dumps(table))
        assert answer.status_code == 422
        assert "10002 keys" in answer.json()["detail"]


async def test_a_scenario_is_read_beside_what_is_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    read = reading.scenario

    def noted(sent: str | Mapping[str, Any]) -> Any:
        threads.append(threading.current_thread())
        return read(sent)

    monkeypatch.setattr(reading, "scenario", noted)
    async with daemon() as here:
        await here.made("a")
        scenario = {"proxy": {"listen": "127.0.0.1:0"}, "fault": [{"kind": "latency", "delay": "1s"}]}
        answer = await here.api.post("/v1/proxies/a/faults", json=scenario)
        assert answer.status_code == 201, answer.text
    assert threads
    assert threading.main_thread() not in threads
