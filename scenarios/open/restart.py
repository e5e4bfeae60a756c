"""A player who lets the server restart: ``restart.py HOST PORT up|down``. Exits with 0 if it then is what he was told to expect.

The server's process is FAULTPROXY_SERVER_PID, and SIGHUP lets it restart.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

PATIENCE = {"up": 5.0, "down": 2.0}
"""Seconds in which it must be up again, or must not."""


def main(host: str, port: str, outcome: str) -> int:
    """Is sent home, and tries to come back."""
    here = (host, int(port))
    with socket.create_connection(here, timeout=10) as sock:
        sock.sendall(b"LOGIN regular\r\n")
        sock.recv(100)
        os.kill(int(os.environ["FAULTPROXY_SERVER_PID"]), signal.SIGHUP)
        while sock.recv(100):
            pass
    until = time.monotonic() + PATIENCE[outcome]
    found = "down"
    while found == "down" and time.monotonic() < until:
        time.sleep(0.1)
        found = knock(here)
    print(f"the server is {found}")
    return int(found != outcome)


def knock(here: tuple[str, int]) -> str:
    """Whether somebody answers behind the proxy: up or down."""
    try:
        with socket.create_connection(here, timeout=2) as sock:
            sock.sendall(b"PING\r\n")
            return "up" if sock.recv(100) == b"PONG\r\n" else "down"
    except OSError:
        return "down"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
