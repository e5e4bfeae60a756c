"""However the command ends, the peers' kernels know it, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from faultproxy.kernel import procnet
from tests.peers.command import proxied
from tests.peers.conftest import File, Nginx, Redis
from tests.peers.programs import Address, established, program, until

pytestmark = pytest.mark.peers

PROMPT = 1.0
"""Seconds in which a signal must have ended it."""


@contextmanager
def download(address: Address) -> Iterator[socket.socket]:
    """A client that has asked for the page and, for now, reads none of it: every buffer on the way is full."""
    with socket.create_connection(address, timeout=10) as sock:
        sock.sendall(b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n")
        until(
            lambda: any(found.recv_queue for found in procnet.find(local_port=sock.getsockname()[1], remote_port=address[1])),
            "the beginning of the answer",
        )
        yield sock


def ending(sock: socket.socket) -> str:
    """How the stream ends for a client that now reads on: `EOF` or `RST`."""
    try:
        while sock.recv(1 << 16):
            pass
    except ConnectionResetError:
        return "RST"
    return "EOF"


def refuses(address: Address) -> bool:
    try:
        socket.create_connection(address, timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_both_legs_end_with_it(nginx: Nginx, redis: Redis, page: File, number: signal.Signals) -> None:
    with ExitStack() as stack:
        web = stack.enter_context(proxied(nginx.address))
        cache = stack.enter_context(proxied(redis.address, "--fault", "latency delay=10ms"))
        downloading = stack.enter_context(download(web.address))
        idle = stack.enter_context(socket.create_connection(cache.address, timeout=10))
        idle.sendall(b"PING\r\n")
        assert idle.recv(100) == b"+PONG\r\n"
        assert len(established(nginx.port)) == len(established(redis.port)) == 1

        for proxy in (web, cache):
            began = time.monotonic()
            proxy.process.send_signal(number)
            proxy.process.wait(10)
            assert time.monotonic() - began < PROMPT
            assert refuses(proxy.address)
        assert ending(idle) == "EOF"
        assert ending(downloading) in ("EOF", "RST")
        until(lambda: not established(nginx.port) and not established(redis.port), "the end of both servers' connections")
        if number == signal.SIGKILL:
            web.kill()
            cache.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_port_can_be_had_again_at_once(redis: Redis, number: signal.Signals) -> None:
    with proxied(redis.address) as before:
        host, port = before.address
        client = redis.client(before.address)
        assert client.set("k", "v")
        before.process.send_signal(number)
        before.process.wait(10)
        if number == signal.SIGKILL:
            before.kill()
    with proxied(redis.address, "--listen", f"{host}:{port}") as after:
        assert after.address == (host, port)
        assert client.get("k") == b"v"  # the pool sees that its connection has ended, and opens another
        assert after.stop().opened == 1


def test_the_file_of_a_killed_run_is_taken_over_and_that_of_a_living_one_is_not(redis: Redis, tmp_path: Path) -> None:
    path = str(tmp_path / "redis.sock")
    with proxied(redis.address, "--listen", f"unix:{path}") as first:
        assert redis.client(path).set("k", "v")
        first.kill()
    assert os.path.exists(path)
    with proxied(redis.address, "--listen", f"unix:{path}") as second:
        assert redis.client(path).get("k") == b"v"
        command = [sys.executable, "-m", "faultproxy", "run", "--listen", f"unix:{path}", "--upstream", f"127.0.0.1:{redis.port}"]
        third = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=20)
        assert third.returncode == 2
        assert third.stderr == f"faultproxy: cannot listen on unix:{path}: another program listens on it\n"
        assert redis.client(path).get("k") == b"v"
        second.stop()
    assert not os.path.exists(path)


def test_ctrl_c_sums_up_what_was(redis: Redis) -> None:
    words = [sys.executable, "-m", "faultproxy", "run", "--upstream", f"127.0.0.1:{redis.port}", "--seed", "7"]
    words += ["--fault", "latency delay=5ms", "--fault", 'reset on_match={c2s="never said"}']
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        try:
            listening = next(line for line in process.stdout if line.startswith("listening on "))
            host, _, port = listening.removeprefix("listening on ").partition(",")[0].rpartition(":")
            client = redis.client((host, int(port)))
            assert client.set("k", "v")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=10)
        finally:
            process.kill()
    assert (process.returncode, err) == (0, "")
    assert " s, 1 connection, " in out
    assert "never fired: reset" in out
    assert out.splitlines()[-1].startswith("to repeat it: faultproxy run --upstream ")
    assert "Traceback" not in out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_it_started_ends_with_it(redis: Redis, tmp_path: Path, number: signal.Signals) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        f'[proxy]\nlisten = "127.0.0.1:0"\n[server]\ncommand = ["{program("redis-server", "redis-server")}", '
        '"--port", "${server_port}", "--save", ""]\nready = {connect = true}\n'
    )
    with proxied(None, file) as proxy:
        client = redis.client(proxy.address)
        server = client.info("server")["tcp_port"]
        assert client.set("k", "v")
        if number == signal.SIGKILL:
            proxy.kill()
        else:
            proxy.stop(number)
    until(lambda: refuses(("127.0.0.1", server)), "the end of the server")
    assert not established(server)
