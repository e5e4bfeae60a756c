"""What its kernel cuts its bytes into: ``segment_size.py HOST PORT LEAST MOST``. Exits with 1 unless segments have so many bytes."""

import socket
import sys

COUNT = 100_000
"""Bytes of the answer: enough for both kernels to have found out what the path takes."""


def main(host: str, port: str, least: str, most: str) -> int:
    """Has a long answer sent, and tells the size of a segment."""
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(f"STREAM {COUNT}\r\n".encode())
        left = COUNT
        while left > 0:
            left -= len(sock.recv(65536)) or sys.exit(f"the server has closed the connection, {left} bytes too early")
        size = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    print("segments of", size, "bytes")
    return int(not int(least) <= size <= int(most))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
