"""A program that writes each message in two pieces: ``small_writes.py HOST PORT NODELAY``. Exits with 1 if it was slow to be answered."""

import socket
import sys
import time

LIMIT = 0.1
"""Seconds from which on an answer is slow."""


def main(host: str, port: str, nodelay: str) -> int:
    """Asks five times, and tells how long each answer took."""
    with socket.create_connection((host, int(port)), timeout=5) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(nodelay))
        took = [ask(sock) for _ in range(5)]
    print("answers after", *(f"{seconds * 1000:.0f}" for seconds in took), "ms")
    return int(sorted(took)[len(took) // 2] >= LIMIT)


def ask(sock: socket.socket) -> float:
    """Seconds from the first write to the answer."""
    began = time.monotonic()
    sock.sendall(b"PI")
    sock.sendall(b"NG\r\n")
    answer = b""
    while not answer.endswith(b"\n"):
        answer += sock.recv(100) or sys.exit("the server has closed the connection")
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
