"""A player who trusts SO_KEEPALIVE: ``python3 keepalive.py HOST PORT lost|kept``.

Logs in, is silent for four and a half seconds, and exits with 0 if his connection then is what he was told to expect: given up by his
kernel (ETIMEDOUT), or still working.
"""

from __future__ import annotations

import socket
import sys
import time

SILENT = 4.5
"""Seconds: longer than the four that his kernel takes to give up, shorter than the five after which the arena puts him out."""


def play(host: str, port: int) -> str:
    """How it ended: lost, kept, or the words that came instead of an answer."""
    with socket.create_connection((host, port), timeout=10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.sendall(b"LOGIN trusting\r\n")
        sock.recv(100)
        began = time.monotonic()
        sock.settimeout(SILENT)
        try:
            return repr(sock.recv(100))  # nothing is to come
        except TimeoutError as error:
            if error.errno:  # ETIMEDOUT, of the kernel's own; the time-out of settimeout has no number
                print(f"{error.strerror} after {time.monotonic() - began:.1f} s")
                return "lost"
        sock.sendall(b"HB\r\n")
        return "kept" if sock.recv(100) == b"HB OK\r\n" else "no answer"


if __name__ == "__main__":
    outcome = play(sys.argv[1], int(sys.argv[2]))
    print(outcome)
    sys.exit(outcome != sys.argv[3])
