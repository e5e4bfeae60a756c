"""Without faults nothing may change, however much passes and however many come."""

from __future__ import annotations

import random
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from faultproxy.kernel import procnet
from tests.peers.command import proxied
from tests.peers.conftest import MIB, File, Nginx, Redis
from tests.peers.curl import curl
from tests.peers.programs import Address, daemon, program, until

pytestmark = pytest.mark.peers

CROWD = 2000
UNHEARD = {"ESTABLISHED", "FIN_WAIT_1", "CLOSING"}
"""States in which a FIN is not sent or not acknowledged."""


@pytest.fixture
def many_files() -> Iterator[None]:
    """Lets this process open a socket for each of the crowd, and the commands that it starts two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * CROWD + 200:
        pytest.skip(f"the hard limit of open files is {hard}: too few for {CROWD} proxied connections (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def gigabyte(nginx: Nginx) -> Iterator[File]:
    made = nginx.file("gigabyte", 1024 * MIB)
    yield made
    made.path.unlink()


def test_a_download_of_one_gibibyte_is_the_same_to_the_byte(nginx: Nginx, gigabyte: File) -> None:
    with proxied(nginx.address) as proxy:
        got = curl(f"{proxy.url}/gigabyte")
        assert (got.code, got.status, got.size, got.sha256) == (0, 200, gigabyte.size, gigabyte.sha256)
        summary = proxy.stop()
    assert (summary.opened, summary.failed) == (1, 0)
    assert gigabyte.size < summary.s2c < gigabyte.size + 1024  # and the headers


def test_an_upload_is_the_same_to_the_byte(nginx: Nginx, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(64 * MIB)
    (tmp_path / "data").write_bytes(data)
    stored = nginx.folder / "www" / "put" / "data"
    with proxied(nginx.address) as proxy:
        got = curl(f"{proxy.url}/put/data", "--upload-file", str(tmp_path / "data"))
        assert (got.code, got.status) == (0, 201)
    try:
        assert stored.read_bytes() == data
    finally:
        stored.unlink()


def test_large_values_go_into_redis_and_come_back(redis: Redis) -> None:
    with proxied(redis.address) as proxy:
        client, straight = redis.client(proxy.address), redis.client()
        for size in (1, 1000, 65_537, 4 * MIB + 1, 64 * MIB):
            value = random.Random(size).randbytes(size)
            assert client.set("large", value)
            assert straight.get("large") == value  # as redis has it
            assert client.get("large") == value


def test_two_thousand_are_connected_at_once(redis: Redis, many_files: None) -> None:
    with proxied(redis.address) as proxy:
        clients = [redis.client(proxy.address, single_connection_client=True, driver_info=None) for _ in range(CROWD)]
        with ThreadPoolExecutor(16) as pool:
            assert all(pool.map(lambda number: clients[number].set(f"key {number}", f"value {number}"), range(CROWD)))
            assert len(procnet.find(remote_port=proxy.address[1], state="ESTABLISHED")) >= CROWD
            assert redis.client().info("clients")["connected_clients"] > CROWD
            answers = list(pool.map(lambda number: clients[number].get(f"key {number}"), range(CROWD)))
        assert answers == [f"value {number}".encode() for number in range(CROWD)]
        for client in clients:
            client.close()
        summary = proxy.stop()
    assert (summary.opened, summary.failed) == (CROWD, 0)


def test_redis_benchmark_has_no_complaint(redis: Redis) -> None:
    benchmark = program("redis-benchmark", "redis-tools")
    with proxied(redis.address) as proxy:
        host, port = proxy.address
        words = [benchmark, "-h", host, "-p", str(port), "-c", "64", "-n", "20000", "-d", "512", "-t", "ping,set,get", "--csv"]
        ran = subprocess.run(words, capture_output=True, encoding="utf-8", check=False, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
    heading, *rows = ran.stdout.splitlines()
    assert heading.startswith('"test","rps"')
    tests = [row.split(",")[0].strip('"').partition(" (")[0] for row in rows]
    assert tests == ["PING_INLINE", "PING_MBULK", "SET", "GET"]
    assert all(float(row.split(",")[1].strip('"')) > 0 for row in rows)


def test_a_client_that_has_said_its_last_still_gets_its_answer(nginx: Nginx) -> None:
    # So small that nginx can write it in one go: it gives up a longer answer when it sees the client's FIN, with or without a proxy.
    small = nginx.file("small", 64 << 10)
    with proxied(nginx.address) as proxy:
        through, straight = ask_and_shut(proxy.address, "small"), ask_and_shut(nginx.address, "small")
    assert through.partition(b"\r\n\r\n")[2] == small.path.read_bytes()
    assert without_date(through) == without_date(straight)


def test_however_long_the_answer_is(page: File, tmp_path: Path) -> None:
    # Python's own file server goes on whatever the client has ended.
    def command(port: int) -> list[str]:
        return [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(page.path.parent)]

    with daemon(command, tmp_path / "log") as port, proxied(("127.0.0.1", port)) as proxy:
        assert ask_and_shut(proxy.address, page.path.name).partition(b"\r\n\r\n")[2] == page.path.read_bytes()


def ask_and_shut(address: Address, name: str) -> bytes:
    """Asks as HTTP/1.0, sends its FIN at once, and reads to the end."""
    with socket.create_connection(address, timeout=10) as sock:
        sock.sendall(f"GET /{name} HTTP/1.0\r\n\r\n".encode())
        sock.shutdown(socket.SHUT_WR)
        port = sock.getsockname()[1]
        # Nothing is read before the FIN has been acknowledged, so it has overtaken the answer.
        until(lambda: not set(procnet.states(procnet.find(local_port=port, remote_port=address[1]))) & UNHEARD, "the ACK to the FIN")
        answer = bytearray()
        while part := sock.recv(65536):
            answer += part
    return bytes(answer)


def without_date(answer: bytes) -> list[bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return [*(line for line in head.split(b"\r\n") if not line.startswith(b"Date:")), body]
