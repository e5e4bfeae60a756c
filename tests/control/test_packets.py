"""Packet faults by the daemon: they join connections that are open, change and go, and no call waits for any of that."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from faultproxy.control.errors import Unfit
from faultproxy.control.fleet import Spec
from faultproxy.core.replay import replay
from faultproxy.faults.tables import fault, plans
from faultproxy.kernel import nftables, privileges
from faultproxy.kernel.sockdiag import tcp_info
from tests.control.harness import Daemon, ask, connect, daemon
from tests.control.processes import served
from tests.control.test_promptness import TRIES, WITHIN, client, took, until
from tests.kernel import sandboxed
from tests.kernel.unprivileged import unprivileged
from tests.live.rig import in_network
from tests.live.rig import until as comes
from tests.live.test_packet_kill import first_queue_is_free, tables

pytestmark = pytest.mark.live

DEAF = {"kind": "drop", "name": "deaf", "direction": "to_client", "segments": "ack", "rewind": True}
LATE = {"kind": "delay", "name": "late", "direction": "from_client", "segments": "data", "delay": "100ms"}


def resent(stream: trio.SocketStream) -> int:
    """How many segments the client's own kernel has sent again."""
    return tcp_info(stream.socket._sock).total_retrans  # type: ignore[attr-defined]


async def done(here: Daemon, method: str, path: str, body: object = None) -> httpx.Response:
    """A call that must succeed."""
    answer = await here.api.request(method, f"/v1/proxies/a{path}", json=body)
    assert answer.status_code < 300, answer.text
    return answer


@in_network()
async def test_a_fault_comes_changes_and_goes_on_a_connection_that_is_open() -> None:
    async with daemon() as here:
        stream = await connect(await here.made())
        assert await ask(stream, b"before") == b"before"
        await done(here, "POST", "/faults", DEAF)
        before = resent(stream)
        assert await ask(stream, b"not acknowledged") == b"not acknowledged"
        await comes(lambda: resent(stream) > before, "a resend")
        await done(here, "PATCH", "/faults/deaf", {"segments": "data", "rewind": False, "take": 1})
        assert await ask(stream, b"lost once") == b"lost once"
        await done(here, "POST", "/faults", LATE)
        began = trio.current_time()
        assert await ask(stream, b"late") == b"late"
        assert trio.current_time() - began >= 0.1
        await done(here, "DELETE", "/faults/deaf")
        await done(here, "PATCH", "/faults/late", {"delay": "1m"})
        await stream.send_all(b"held")
        held = here.fleet.posts["a"].stats[0]
        await comes(lambda: held.last.startswith("held") and "60000" in held.last, "that it is held")
        await done(here, "DELETE", "/faults/late")
        with trio.fail_after(10):
            assert await stream.receive_some() == b"held"
        await stream.send_eof()
        assert await stream.receive_some() == b""
        await comes(lambda: here.fleet.posts["a"].snapshot().open == 0, "its end")
        lines = (await done(here, "GET", "/journal")).text.splitlines()
        await done(here, "DELETE", "")
        assert tables() == []
    entries = [json.loads(line) for line in lines]
    events = [entry["event"] for entry in entries if entry.get("connection") == 0]
    assert events == [
        "open",
        "add",
        "change",
        "add",
        "remove",
        "change",
        "remove",
    ]
    result = replay([f"{line}\n" for line in lines], plans)
    assert result.difference is None, result.difference


@pytest.mark.skipif(os.geteuid() != 0 and not privileges.lacking(), reason="this user has the capabilities")
async def test_where_segments_may_not_be_touched_the_reason_is_told_and_nothing_has_changed() -> None:
    with unprivileged():
        async with daemon() as here:
            stream = await connect(await here.made())
            assert await ask(stream) == b"ping"
            answer = await here.api.post("/v1/proxies/a/faults", json=DEAF)
            assert answer.status_code == 409, answer.text
            assert "CAP_NET_ADMIN" in answer.json()["title"] + answer.json().get("detail", "")
            assert (await here.api.get("/v1/proxies/a/faults")).json()["faults"] == []
            assert await ask(stream) == b"ping"
            # What a socket filter does needs no such right, where filters are allowed at all.
            await here.api.post("/v1/proxies/a/faults", json={"kind": "latency", "name": "deaf", "delay": "1ms"})
            assert await ask(stream) == b"ping"
            await stream.aclose()


async def test_a_unix_socket_has_no_segments(tmp_path: Path) -> None:
    async with daemon() as here:
        post = await here.fleet.create(Spec("a", "127.0.0.1:0", f"unix:{tmp_path}/server"))
        with pytest.raises(Unfit, match="a unix socket has none"):
            post.add(fault(DEAF))
        assert post.faults == {}


def body_of_kill() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, served() as here:
        at = here.made("a", f"127.0.0.1:{server.getsockname()[1]}", [])
        host, _, port = at.rpartition(":")
        with socket.create_connection((host, int(port))) as sock:
            accepted, _ = server.accept()
            with accepted:
                sock.sendall(b"x")
                assert accepted.recv(1) == b"x"
                assert here.call("POST", "/v1/proxies/a/faults", LATE | {"delay": "1m"}).status_code == 201
                sock.sendall(b"held")
                deadline = time.monotonic() + 10
                while tcp_info(sock).total_retrans == 0:
                    assert time.monotonic() < deadline, "it was not held"
                    time.sleep(0.01)
                assert any(name.startswith(nftables.PREFIX) for name in tables())
                here.process.send_signal(signal.SIGKILL)
                here.process.wait(10)
                while tables() or not first_queue_is_free():
                    assert time.monotonic() < deadline, tables()
                    time.sleep(0.01)


def body_of_many() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    many = 2000 if hard == resource.RLIM_INFINITY else min(2000, (hard - 500) // 2)
    with served() as here, ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096))
        at = here.made("crowd", f"127.0.0.1:{silent.getsockname()[1]}", [])
        for number in range(many):
            client(stack, at)
            if number % 100 == 0:
                until(here, "crowd", number // 2)
        until(here, "crowd", many)
        faults = "/v1/proxies/crowd/faults"
        late = {**LATE, "direction": "to_client"}
        best: dict[str, float] = {}
        # On a machine that does other things as well, the quickest of some tries counts; and what concerns each connection gets more time.
        for _ in range(TRIES):
            for method, path, body in (("POST", faults, late), ("DELETE", f"{faults}/late", None)):
                began = time.monotonic()
                assert here.call(method, path, body).status_code < 300
                best[method] = min(best.get(method, 60.0), time.monotonic() - began)
        slow = {method: seconds for method, seconds in best.items() if seconds >= 3 * WITHIN}
        assert here.call("POST", faults, late).status_code == 201
        calls: list[tuple[str, str, Any]] = [
            ("PATCH", f"{faults}/late", {"delay": "2s"}),
            ("POST", f"{faults}/late/heal", None),
            ("POST", f"{faults}/late/start", None),
            ("GET", "/metrics", None),
        ]
        slow |= {path: seconds for method, path, body in calls if (seconds := took(here, method, path, body)) >= WITHIN}
        assert slow == {}


@pytest.mark.packets
def test_killed_in_mid_fault_it_leaves_no_rule() -> None:
    sandboxed.sandboxed(body_of_kill, within=60, enter=partial(sandboxed.enter, 1500))


@pytest.mark.packets
def test_two_thousand_connections_hold_up_no_call() -> None:
    sandboxed.sandboxed(body_of_many, within=120, enter=partial(sandboxed.enter, 1500))
