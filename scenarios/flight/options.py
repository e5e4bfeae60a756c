"""Which options its kernel has agreed upon: ``options.py HOST PORT WITHOUT``. Exits with 1 unless all are there but that one."""

import socket
import sys

COUNT = 99_999
"""Bytes of the answer: enough to find out how large segments are."""
OPTIONS = {"timestamps": 1, "sack": 2, "wscale": 4}
"""Bits of tcpi_options, which is the sixth byte of TCP_INFO (linux/tcp.h)."""
LEAST_MSS = 536
"""Bytes in a segment where nobody has said how many he takes (RFC 9293, 3.7.1)."""


def main(host: str, port: str, without: str) -> int:
    """Has a long answer sent, asks its kernel, and tells."""
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(f"STREAM {COUNT}\r\n".encode())
        left = COUNT
        while left > 0:
            left -= len(sock.recv(65536)) or sys.exit(f"the server has closed the connection, {left} bytes too early")
        bits = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 6)[5]
        there = {name for name, bit in OPTIONS.items() if bits & bit}
        if sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) > LEAST_MSS:
            there.add("mss")
    print("agreed upon:", *sorted(there))
    return int(there != {*OPTIONS, "mss"} - {without})


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
