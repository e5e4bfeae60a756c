"""A player in the middle of an answer when the server closes: ``leave.py HOST PORT``. Exits with 1 if he is not sent home as he should be.

The server's process is FAULTPROXY_SERVER_PID, and SIGHUP lets it restart.
"""

import os
import signal
import socket
import sys

COUNT = 50_000
"""Bytes of the answer, which takes half a second."""
GOODBYE = b"BYE the arena closes\r\n"


def main(host: str, port: str) -> int:
    """Asks, lets the server restart, and reads to the end."""
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(b"STREAM %d 0.5\r\n" % COUNT)
        got = sock.recv(1000)
        os.kill(int(os.environ["FAULTPROXY_SERVER_PID"]), signal.SIGHUP)
        while more := sock.recv(65536):
            got += more
    answer, goodbye = got[:COUNT], got[COUNT:]
    print(f"{len(answer)} of {COUNT} bytes, then", goodbye.decode().strip() or "not a word")
    return int(len(answer) < COUNT or goodbye != GOODBYE)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
