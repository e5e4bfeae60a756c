"""Three ways to send to somebody who does not read: ``three_sends.py HOST PORT``. Exits with 0 if each is as send(2) has it."""

import errno
import socket
import struct
import sys
import threading
import time

LINE = b"PING 0".ljust(998, b"x") + b"\r\n"
LINES = 1000
"""What the blocking send() has to get rid of: more than all buffers on the way hold."""
LIMIT = 0.3
"""Seconds of the one with a time limit."""


def main(host: str, port: str) -> int:
    """Tells what each send() has said, and after how long."""
    plain, limited, blocking = (_connected(host, int(port)) for _ in range(3))
    plain.setblocking(False)
    limited.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, int(LIMIT * 1e6)))
    began = time.monotonic()
    sender = threading.Thread(target=blocking.sendall, args=(LINE * LINES,), daemon=True)
    sender.start()
    refused, gave_up = _until_it_fails(plain), _until_it_fails(limited)
    waits = sender.is_alive()
    answers = b""
    while len(answers) < 6 * LINES:
        answers += blocking.recv(65536) or sys.exit(f"the server has closed the connection after {len(answers)} bytes")
    sender.join(5)
    took = time.monotonic() - began
    blocked = "hangs" if sender.is_alive() else "returned"
    print(f"non-blocking: {refused}; with a time limit: {gave_up}; blocking: {blocked} after {took:.1f} s")
    return int(not (refused == gave_up == "EAGAIN" and waits and blocked == "returned" and answers == b"PONG\r\n" * LINES))


def _connected(host: str, port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    sock.connect((host, port))
    return sock


def _until_it_fails(sock: socket.socket) -> str:
    # The name of the error.
    try:
        while True:
            sock.send(LINE)
    except OSError as error:
        return errno.errorcode[error.errno or 0]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
