"""Two players, each request of whom has its own connection: ``each.py HOST PORT``. Exits with 1 if one is taken for the other."""

from __future__ import annotations

import socket
import sys

TIMES = 20
TRIES = 5


def main(host: str, port: str) -> int:
    """Both log in once and then come by turns, with nothing but their keys."""
    here = (host, int(port))
    keys = {name: request(here, f"LOGIN {name}", "SESSION")[-1].removeprefix("SESSION ") for name in ("ann", "bob")}
    for number in range(1, TIMES + 1):
        for points, (name, key) in enumerate(keys.items(), 1):
            answers = request(here, f"RESUME {key}", f"SCORE {points}")
            if answers != [f"RESUMED {name}", f"SCORE {points * number}"]:
                print(f"request {number} of {name}: {answers}")
                return 1
    print(f"{TIMES} requests of each, and nobody was taken for somebody else")
    return 0


def request(here: tuple[str, int], *lines: str) -> list[str]:
    """Says all lines on a new connection, and returns as many answers. One that is reset before any has come is tried again."""
    for _ in range(TRIES):
        try:
            with socket.create_connection(here, 10) as sock:
                sock.sendall("".join(f"{line}\r\n" for line in lines).encode())
                with sock.makefile(encoding="utf-8", newline="\r\n") as answers:
                    return [answers.readline().rstrip() for _ in lines]
        except (ConnectionResetError, BrokenPipeError):
            continue
    sys.exit(f"reset {TRIES} times running")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
