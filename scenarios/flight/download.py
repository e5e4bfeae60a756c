"""A program that checks what it downloads: ``download.py HOST PORT COUNT [WRONG]``. Exits with 1 unless WRONG bits (0) are wrong."""

import socket
import sys
import time

STAY = 3.0
"""Seconds for which it keeps the connection when it has everything, so that what the kernels have counted can be read."""


def main(host: str, port: str, count: str, wrong: str = "0") -> int:
    """Asks for COUNT bytes, and tells how many bits are not as they should be."""
    right = b"".join(b"%08d\r\n" % (start % 100_000) for start in range(0, int(count), 10))[: int(count)]
    with socket.create_connection((host, int(port)), timeout=20) as sock:
        sock.sendall(f"STREAM {count}\r\n".encode())
        got = b""
        while len(got) < len(right):
            got += sock.recv(65536) or sys.exit(f"the server has closed the connection after {len(got)} bytes")
        time.sleep(STAY)
        sock.setblocking(False)
        if more := _waiting(sock):
            sys.exit(f"{more} bytes too many came")
    flipped = sum((one ^ other).bit_count() for one, other in zip(got, right, strict=True))
    print(len(got), "bytes,", flipped, "wrong bits")
    return int(flipped != int(wrong))


def _waiting(sock: socket.socket) -> int:
    # What has come beyond what was asked for; the end of the stream is not that.
    try:
        return len(sock.recv(65536))
    except BlockingIOError:
        return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
