"""A server that sends back what it gets: ``python -m bench.load.echo PORT``."""

from __future__ import annotations

import contextlib
import select
import socket
import sys

from bench.load.common import READABLE, accept_all, listen


def main() -> None:
    """Serve until ended."""
    listener = listen(int(sys.argv[1]))
    epoll = select.epoll()
    epoll.register(listener, READABLE)
    open_: dict[int, socket.socket] = {}
    waiting: dict[int, bytes] = {}  # what a connection did not take; it is not read meanwhile
    buffer = bytearray(256 * 1024)
    view = memoryview(buffer)
    while True:
        for descriptor, _ in epoll.poll():
            if descriptor == listener.fileno():
                for accepted in accept_all(listener):
                    open_[accepted.fileno()] = accepted
                    epoll.register(accepted, READABLE)
                continue
            connection = open_[descriptor]
            try:
                pending: bytes | memoryview = waiting.pop(descriptor, b"") or view[: connection.recv_into(buffer)]
                if not pending:
                    raise ConnectionResetError
                sent = 0
                with contextlib.suppress(BlockingIOError):
                    sent = connection.send(pending)
            except OSError:
                del open_[descriptor]
                waiting.pop(descriptor, None)
                connection.close()
                continue
            if sent < len(pending):
                waiting[descriptor] = bytes(pending[sent:])
                epoll.modify(descriptor, select.EPOLLOUT)
            elif isinstance(pending, bytes):
                epoll.modify(descriptor, READABLE)


if __name__ == "__main__":
    main()
