"""An echo server in threads, and a client with a plain socket, for tests of what runs without trio."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 10.0
"""Seconds until what should come is given up."""


@contextmanager
def echo() -> Iterator[str]:
    """The address of a server that sends back what it gets; at the end all its connections are closed and its threads have ended."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []
    socks: list[socket.socket] = []

    def serve(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            while data := sock.recv(65536):
                sock.sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                socks.append(sock)
                threads.append(threading.Thread(target=serve, args=(sock,)))
                threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        acceptor.join(PATIENCE)
        listener.close()
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(PATIENCE)


def connect(address: str) -> socket.socket:
    """A client's socket, which gives up after `PATIENCE`."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), PATIENCE)


def asks(sock: socket.socket, data: bytes) -> bytes:
    """Sends bytes and waits until as many have come back."""
    sock.sendall(data)
    got = b""
    while len(got) < len(data) and (part := sock.recv(len(data) - len(got))):
        got += part
    return got


def until(state: Callable[[], bool]) -> None:
    """Waits until it is so."""
    deadline = time.monotonic() + PATIENCE
    while not state():
        assert time.monotonic() < deadline
        time.sleep(0.005)
