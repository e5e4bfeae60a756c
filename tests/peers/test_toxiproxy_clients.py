"""Two client libraries of Toxiproxy, unchanged, drive our daemon through the life of a proxy and of every toxic."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.programs import PATIENCE, daemon, node_packages, program

pytestmark = pytest.mark.peers

HERE = Path(__file__).parent / "toxiproxy"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a running daemon."""
    log = tmp_path_factory.mktemp("serve") / "log"
    with daemon(lambda port: [sys.executable, "-m", "faultproxy", "serve", "--port", str(port), "--seed", "1"], log) as port:
        yield port


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    """The address of a server that sends back what it gets and ends when its client does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            threading.Thread(target=_echo, args=(listener.accept()[0],), daemon=True).start()


def _echo(sock: socket.socket) -> None:
    with sock, contextlib.suppress(OSError):
        while data := sock.recv(65536):
            sock.sendall(data)


def exchange(listen: str, *, wait: float = PATIENCE, fin: bool = False) -> tuple[bytes, str, float]:
    """Sends a word through the proxy: what comes back, how it ends (`open` if not in `wait` seconds), and the seconds until then."""
    host, _, port = listen.rpartition(":")
    began, got, end = time.monotonic(), b"", "EOF"
    try:
        with socket.create_connection((host, int(port)), timeout=wait) as sock:
            sock.sendall(b"a word")
            if fin:
                sock.shutdown(socket.SHUT_WR)
            while fin or got != b"a word":
                data = sock.recv(100)
                if not data:
                    break
                got += data
            else:
                end = "open"
    except TimeoutError:
        end = "open"
    except ConnectionResetError:
        end = "ECONNRESET"
    except ConnectionRefusedError:
        end = "ECONNREFUSED"
    return got, end, time.monotonic() - began


def judge(type_: str, got: bytes, end: str, seconds: float) -> None:
    """What a toxic of `TOXICS` must have done to an exchange."""
    whole, delay = b"a word", 0.29  # of 300 ms: clocks of two processes, read at two moments
    expected = {
        "latency": (whole, "open"),
        "bandwidth": (b"", "open"),
        "slow_close": (whole, "EOF"),
        "timeout": (b"", "EOF"),
        "reset_peer": (b"", "ECONNRESET"),
        "slicer": (whole, "open"),
        "limit_data": (whole[:3], "EOF"),
        "noop": (whole, "open"),
    }
    assert (got, end) == expected[type_]
    if type_ in ("latency", "bandwidth", "slow_close", "timeout", "reset_peer"):
        assert seconds >= delay


TOXICS: list[tuple[str, dict[str, int], dict[str, Any]]] = [
    ("latency", {"latency": 300}, {}),
    ("bandwidth", {"rate": 0}, {"wait": 0.3}),
    ("slow_close", {"delay": 300}, {"fin": True}),
    ("timeout", {"timeout": 300}, {}),
    ("reset_peer", {"timeout": 300}, {}),
    ("slicer", {"average_size": 2, "size_variation": 1, "delay": 10_000}, {}),
    ("limit_data", {"bytes": 3}, {}),
    ("noop", {}, {}),
]


def test_the_client_for_python(api: int, echo: str) -> None:
    library = pytest.importorskip("toxiproxy", reason="the client library is not installed (pip install toxiproxy-python)")
    server = library.Toxiproxy()
    server.update_api_consumer("127.0.0.1", api)
    assert server.running()
    assert json.loads(server.version()) == {"version": "2.12.0"}

    proxy = server.create(name="python", upstream=echo)
    assert exchange(proxy.listen)[:2] == (b"a word", "open")
    assert server.get_proxy("python").listen == proxy.listen
    with pytest.raises(library.api.ProxyExists, match="already exists"):
        server.create(name="python", upstream=echo)

    for type_, attributes, how in TOXICS:
        proxy.add_toxic(type=type_, name="mine", attributes=attributes)
        assert proxy.get_toxic("mine").type == type_
        assert attributes.items() <= proxy.get_toxic("mine").attributes.items()
        judge(type_, *exchange(proxy.listen, **how))
        assert proxy.destroy_toxic("mine")
        assert proxy.toxics() == {}
        assert exchange(proxy.listen)[:2] == (b"a word", "open")

    with proxy.down():
        assert exchange(proxy.listen)[1] == "ECONNREFUSED"
    assert exchange(proxy.listen)[:2] == (b"a word", "open")
    proxy.add_toxic(type="timeout")
    proxy.disable()
    assert server.reset()
    assert exchange(proxy.listen)[:2] == (b"a word", "open")
    (other,) = server.populate([{"name": "other", "upstream": echo, "listen": "localhost:0"}])
    assert exchange(other.listen)[:2] == (b"a word", "open")
    server.destroy_all()
    assert server.proxies() == {}
    assert exchange(proxy.listen)[1] == "ECONNREFUSED"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with our script and the client library for Node, of the version that is pinned."""
    return node_packages(HERE, tmp_path_factory.mktemp("node"))


def test_the_client_for_node(api: int, echo: str, node: Path) -> None:
    command = [program("node", "nodejs"), "life.js", f"http://127.0.0.1:{api}", echo]
    done = subprocess.run(command, cwd=node, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = dict(json.loads(line) for line in done.stdout.splitlines())
    assert said["version"] == "2.12.0"
    assert said["created"] == "a word"
    assert said["the same"] == [True, True]
    assert said["again"] == "Request failed with status code 409"
    for type_, attributes, _ in TOXICS[:-1]:  # its types know no noop
        result = said[type_]
        judge(type_, result["bytes"].encode(), result["end"], result["ms"] / 1000)
        assert said[f"{type_} of nobody"] == [0, "a word"]
        kept = said[f"{type_} is kept"]
        assert (kept["name"], kept["type"], kept["stream"], kept["toxicity"]) == (f"my_{type_}", type_, "downstream", 0)
        assert attributes.items() <= kept["attributes"].items()
        assert said[f"{type_} is gone"] == "Request failed with status code 404"
    assert said["disabled"] == [False, "ECONNREFUSED"]
    assert said["reset"] == "a word"
    assert said["populated"] == [["p", "q"], "a word"]
    assert said["removed"] == "Request failed with status code 404"
    assert said["refused"] == "ECONNREFUSED"
