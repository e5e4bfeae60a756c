"""No call waits for a peer: not for one that does not read, not for an upstream that swallows SYNs, not for two thousand connections."""

from __future__ import annotations

import resource
import socket
import time
from contextlib import ExitStack
from typing import Any

import pytest

from tests.control.processes import Served, served

pytestmark = pytest.mark.live

MANY = 2000
WITHIN = 0.25
"""Seconds that a call may take."""
TRIES = 5
"""On a busy machine the daemon may not run for as long: the quickest of so many counts."""


def took(here: Served, method: str, path: str, body: object = None) -> float:
    """Seconds for an answer, at best."""
    best = 60.0
    for _ in range(TRIES):
        began = time.monotonic()
        answer = here.call(method, path, body)
        best = min(best, time.monotonic() - began)
        assert answer.status_code < 300, answer.text
        if best < WITHIN:
            break
    return best


def until(here: Served, name: str, count: int) -> None:
    """Waits until so many connections of a proxy are open."""
    deadline = time.monotonic() + 60
    while (state := here.call("GET", f"/v1/proxies/{name}").json())["open"] < count:
        assert time.monotonic() < deadline, state
        time.sleep(0.05)


@pytest.fixture
def many() -> int:
    """So many as the limit of open files allows: each has a socket here, one of the upstream's here, and two in the daemon."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return MANY if hard == resource.RLIM_INFINITY else min(MANY, (hard - 500) // 2)


def client(stack: ExitStack, address: str) -> socket.socket:
    """One that connects, and does no more."""
    sock = stack.enter_context(socket.socket())
    sock.setblocking(False)
    host, _, port = address.rpartition(":")
    sock.connect_ex((host, int(port)))
    return sock


def fill(here: Served, sock: socket.socket) -> None:
    """Writes until nothing moves any more: the upstream does not read."""
    deadline, before = time.monotonic() + 60, -1
    while time.monotonic() < deadline:
        try:
            while True:
                sock.send(bytes(65536))
        except BlockingIOError:
            now = here.call("GET", "/v1/proxies/deaf").json()["c2s"]
            if now == before and now > 0:
                return
            before = now
            time.sleep(0.2)
    raise AssertionError("it never filled up")


def test_every_call_answers_at_once(many: int) -> None:
    late = {"kind": "latency", "name": "late", "delay": "1s"}
    with served() as here, ExitStack() as stack:
        # Connections that nobody takes, so that nobody reads; and a queue that is full: the kernel drops every further SYN.
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096))
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        silent_at, full_at = (f"127.0.0.1:{each.getsockname()[1]}" for each in (silent, full))
        for _ in range(3):
            client(stack, full_at)
        at = {name: here.made(name, upstream, [late]) for name, upstream in (("crowd", silent_at), ("deaf", silent_at), ("hole", full_at))}
        for number in range(many):
            client(stack, at["crowd"])
            if number % 100 == 0:
                until(here, "crowd", number // 2)
        for _ in range(30):
            client(stack, at["hole"])
        fill(here, client(stack, at["deaf"]))
        until(here, "crowd", many)
        until(here, "hole", 30)
        calls: list[tuple[str, str, Any]] = [
            ("GET", "/v1/proxies", None),
            ("GET", "/proxies", None),
            ("GET", "/metrics", None),
            ("GET", "/v1/proxies/crowd/connections", None),
            ("GET", "/v1/proxies/deaf/connections/1", None),
            ("GET", "/v1/proxies/hole/connections", None),
            ("PATCH", "/v1/proxies/crowd/faults/late", {"delay": "2s"}),
            ("POST", "/v1/proxies/crowd/faults/late/heal", None),
            ("POST", "/v1/proxies/crowd/faults/late/start", None),
            ("PATCH", "/v1/proxies/hole", {"enabled": False}),
            ("PATCH", "/v1/proxies/deaf", {"enabled": False}),
        ]
        slow = {f"{method} {path}": seconds for method, path, body in calls if (seconds := took(here, method, path, body)) >= WITHIN}
        # What cannot be tried twice gets more time, for the machine's sake.
        once: list[tuple[str, str, Any]] = [
            ("POST", "/v1/proxies/crowd/faults", late | {"name": "more"}),
            ("DELETE", "/v1/proxies/crowd/faults/more", None),
            ("DELETE", "/v1/proxies/crowd", None),
        ]
        for method, path, body in once:
            began = time.monotonic()
            assert here.call(method, path, body).status_code < 300
            if (seconds := time.monotonic() - began) >= 4 * WITHIN:
                slow[f"{method} {path}"] = seconds
        assert slow == {}
