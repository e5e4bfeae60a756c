"""A player who is gone and back at once, from one and the same port: ``at_once.py HOST PORT``. Exits with 1 if he hears what is not his."""

from __future__ import annotations

import socket
import struct
import sys

TIMES = 20
HARD = struct.pack("ii", 1, 0)
"""SO_LINGER: a close is a RST, so that no TIME_WAIT keeps the port."""


def main(host: str, port: str) -> int:
    """Comes as one who does not wait for his answers, and then as one who reads them, by turns."""
    with socket.socket() as chooser:
        chooser.bind(("0.0.0.0", 0))
        own = chooser.getsockname()[1]
    for number in range(1, TIMES + 1):
        with connect(host, int(port), own) as sock:
            sock.sendall(b"LOGIN hasty%d\r\nSCORE 1000\r\nSTREAM 100000\r\n" % number)
            if number % 2:
                sock.recv(1)  # its answers have set out
        with connect(host, int(port), own) as sock:
            sock.sendall(b"LOGIN patient%d\r\nSCORE %d\r\nSUM\r\n" % (number, number))
            wanted = b"LOGIN OK\r\nSCORE %d\r\n0\r\n" % number
            got = b""
            while len(got) < len(wanted) and (more := sock.recv(len(wanted))):
                got += more
            if got != wanted:
                print(f"return {number}: {got!r}, and {wanted!r} was due")
                return 1
    print(f"{TIMES} returns to port {own}, each to a session of its own")
    return 0


def connect(host: str, port: int, own: int) -> socket.socket:
    """A new connection from the port `own`."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HARD)
    sock.settimeout(10)
    sock.bind(("", own))
    sock.connect((host, port))
    return sock


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
