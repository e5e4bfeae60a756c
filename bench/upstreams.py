"""What stands behind everybody who is measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import process
from bench.cases import Upstream
from bench.load.common import HOST

_NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr crit;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {host}:{port} backlog=4096;
        location / {{ return 200 "ok"; }}
    }}
}}
"""


@contextmanager
def upstream(kind: Upstream, folder: Path, core: int | None = None) -> Iterator[int]:
    """Run it, on one core if that is given, until the block is left; gives its port. Raises BenchError."""
    port, log = process.free_port(), folder / f"{kind}.log"
    with process.server(_command(kind, port, folder), port, log, core):
        yield port


def _command(kind: Upstream, port: int, folder: Path) -> list[str]:
    if kind == "nginx":
        config = folder / "nginx.conf"
        config.write_text(_NGINX.format(folder=folder, host=HOST, port=port), encoding="utf-8")
        return [process.program("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(config)]
    return process.python("bench.load.echo" if kind == "echo" else "bench.load.bulk_server", port)
