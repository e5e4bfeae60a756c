"""A player who quits and comes again: ``come_again.py HOST PORT LIMIT``. Exits with 1 if nobody answers him within LIMIT seconds then."""

import socket
import sys
import time


def main(host: str, port: str, limit: str) -> int:
    """Says goodbye, waits until the server has closed, connects once more, and tells how long that answer took."""
    with socket.create_connection((host, int(port)), timeout=5) as sock:
        sock.sendall(b"QUIT\r\n")
        while sock.recv(100):
            pass
    began = time.monotonic()
    with socket.create_connection((host, int(port)), timeout=float(limit)) as sock:
        sock.sendall(b"PING\r\n")
        try:
            answer = sock.recv(100)
        except TimeoutError:
            print("not answered within", limit, "s")
            return 1
    print(answer, f"after {time.monotonic() - began:.1f} s")
    return int(answer != b"PONG\r\n")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
