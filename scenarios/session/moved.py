"""A player whose network is gone: ``moved.py HOST PORT SECONDS same|stranger``.

He comes back so many seconds later, from another address, and exits with 0 if he then is what he was told to expect.
"""

from __future__ import annotations

import socket
import sys
import time

ELSEWHERE = "127.0.0.2"
"""Where he comes from the second time."""


def main(host: str, port: str, absent: str, outcome: str) -> int:
    """Plays, is cut off, and comes back."""
    here = (host, int(port))
    with socket.create_connection(here, 10) as before:
        key = ask(before, "LOGIN ann", "SCORE 5", "SESSION")[-1].removeprefix("SESSION ")
        before.sendall(b"HB\r\n")  # the last that is heard of him here
        time.sleep(float(absent))
        with socket.create_connection(here, 10, (ELSEWHERE, 0)) as after:
            answers = ask(after, f"RESUME {key}", "SCORE", "WHO")
    print(*answers, sep="\n")
    return int(outcome != who(answers))


def who(answers: list[str]) -> str:
    """What these answers make of him."""
    name, score, game = answers
    if name == "RESUMED ann":
        return "same" if score == "SCORE 5" and game.split().count("ann") == 1 else "half of him"
    return "stranger" if name.startswith("ERR no such session") else "nobody"


def ask(sock: socket.socket, *lines: str) -> list[str]:
    """Says all lines at once, and returns as many answers."""
    sock.sendall("".join(f"{line}\r\n" for line in lines).encode())
    with sock.makefile(encoding="utf-8", newline="\r\n") as answers:
        return [answers.readline().rstrip() for _ in lines]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
