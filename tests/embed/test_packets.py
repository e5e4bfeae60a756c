"""A packet fault that joins a connection which a program has open already."""

from __future__ import annotations

import socket
import time

import pytest

import faultproxy
from faultproxy.kernel.sockdiag import tcp_info
from tests.kernel.sandboxed import in_sandbox

pytestmark = pytest.mark.live


@in_sandbox
def test_it_joins_a_connection_that_is_open_and_leaves_it_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, faultproxy.start_proxy(f"127.0.0.1:{server.getsockname()[1]}") as proxy:
        host, _, port = proxy.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as client, server.accept()[0] as accepted:
            client.sendall(b"before")
            assert accepted.recv(10) == b"before"
            with proxy.fault("drop", direction="from_client", segments="data"):
                client.sendall(b"lost")
                deadline = time.monotonic() + 10
                while tcp_info(client).total_retrans < 2:
                    assert time.monotonic() < deadline, "nothing was sent again"
                    time.sleep(0.01)
            assert accepted.recv(10) == b"lost"
