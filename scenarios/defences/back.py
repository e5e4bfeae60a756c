"""A player who comes back from another address while his old connection stands: ``back.py HOST PORT``. Exits with 1 if he is a stranger."""

import socket
import sys

ELSEWHERE = "127.0.0.2"
"""Where he comes from the second time."""


def main(host: str, port: str) -> int:
    """Plays, moves and asks who he is now."""
    here = (host, int(port))
    with socket.create_connection(here, 10) as before, socket.create_connection(here, 10, (ELSEWHERE, 0)) as after:
        key = ask(before, "LOGIN ann", "SCORE 5", "SESSION")[-1].removeprefix("SESSION ")
        (name,) = ask(after, f"RESUME {key}")
        if name != "RESUMED ann":
            sys.exit(f"instead of his name: {name}")
        print(name)
        score, game = ask(after, "SCORE", "WHO")
    print(score, game, sep="\n")
    return int(score != "SCORE 5" or game.split().count("ann") != 1)


def ask(sock: socket.socket, *lines: str) -> list[str]:
    """Says all lines at once, and returns as many answers."""
    sock.sendall("".join(f"{line}\r\n" for line in lines).encode())
    with sock.makefile(encoding="utf-8", newline="\r\n") as answers:
        return [answers.readline().rstrip() for _ in lines]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
