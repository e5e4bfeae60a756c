"""The servers: one redis and one nginx for the whole folder, each on a free port of the loopback."""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.peers.programs import Address, daemon, program

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
{user}
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    {temporary}
    server {{
        listen 127.0.0.1:{port};
        root {folder}/www;
        client_max_body_size 0;
        location = /who {{ return 200 "$remote_addr\\n"; }}
        location /put/ {{ dav_methods PUT; }}
    }}
}}
"""
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
MIB = 1 << 20


@dataclass(frozen=True)
class File:
    """A file that nginx serves. Its bytes at any two places differ, so that nothing can be lost, doubled or swapped unseen."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class Nginx:
    """A running nginx."""

    port: int
    folder: Path

    @property
    def address(self) -> Address:
        """Where it listens."""
        return "127.0.0.1", self.port

    def file(self, name: str, size: int) -> File:
        """Makes a file of `size` bytes (a multiple of 1 KiB) and hashes it while it is written."""
        path, digest = self.folder / "www" / name, hashlib.sha256()
        step = min(size, MIB)
        block = random.Random(name).randbytes(step)
        with path.open("wb") as file:
            for number in range(size // step):
                turn = number * 1021 % step  # each block is the first, turned by another amount
                part = block[turn:] + block[:turn]
                digest.update(part)
                file.write(part)
        return File(path, size, digest.hexdigest())


@dataclass(frozen=True)
class Redis:
    """A running redis, and the client library to talk to it."""

    port: int
    library: Any
    clients: list[Any] = field(default_factory=list)

    @property
    def address(self) -> Address:
        """Where it listens."""
        return "127.0.0.1", self.port

    def client(self, address: Address | str | None = None, *, retries: int = 0, **options: Any) -> Any:
        """A `redis.Redis` at that address (a path: a unix socket), or straight at the server. Without retries each failure is seen."""
        where: dict[str, Any] = {"unix_socket_path": address}
        if not isinstance(address, str):
            where = dict(zip(("host", "port"), address or self.address, strict=True))
        retry = self.library.retry.Retry(self.library.backoff.ConstantBackoff(0.05), retries)
        options = {"socket_timeout": 10.0, "socket_connect_timeout": 10.0, "retry": retry, **options}
        made = self.library.Redis(**where, **options)
        self.clients.append(made)
        return made


@contextmanager
def nginx_server() -> Iterator[Nginx]:
    """An nginx of its own."""
    path = program("nginx", "nginx")
    # Not pytest's own folder, of which the last three are kept: there will be large files in it.
    with tempfile.TemporaryDirectory(prefix="faultproxy-") as name:
        folder = Path(name)
        (folder / "www" / "put").mkdir(parents=True)

        def command(port: int) -> list[str]:
            temporary = " ".join(f"{what}_temp_path {folder}/{what};" for what in TEMPORARY)
            # Started by root, its worker would be another user, to whom the folder is closed.
            user = "user root;" if os.geteuid() == 0 else ""
            (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, temporary=temporary, user=user))
            return [path, "-p", name, "-e", "stderr", "-c", f"{name}/nginx.conf"]

        with daemon(command, folder / "log") as port:
            yield Nginx(port, folder)


@contextmanager
def redis_server(folder: Path) -> Iterator[int]:
    """A redis of its own: its port."""
    path = program("redis-server", "redis-server")

    def command(port: int) -> list[str]:
        words = f"--port {port} --bind 127.0.0.1 --appendonly no --maxclients 10000 --daemonize no --tcp-backlog 511"
        return [path, *words.split(), "--save", "", "--dir", str(folder)]

    with daemon(command, folder / "log") as port:
        yield port


@pytest.fixture(scope="session")
def nginx() -> Iterator[Nginx]:
    with nginx_server() as server:
        yield server


@pytest.fixture(scope="session")
def page(nginx: Nginx) -> File:
    """A file of 4 MiB."""
    return nginx.file("page", 4 * MIB)


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with redis_server(tmp_path_factory.mktemp("redis")) as port:
        yield port


@pytest.fixture
def redis(redis_port: int) -> Iterator[Redis]:
    library = pytest.importorskip("redis", reason="the client library redis is not installed (pip install redis)")
    server = Redis(redis_port, library)
    yield server
    for client in server.clients:
        client.close()
    server.clients.clear()
    server.client().flushall()
    server.clients.pop().close()
