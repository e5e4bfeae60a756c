"""Connections that do nothing: ``python -m bench.load.idle PORT COUNT``.

Each is proved by one byte both ways. Then `{"open": COUNT}` is printed, and they stay open until standard input ends.
"""

from __future__ import annotations

import sys

from bench.load.common import connect_many, report


def main() -> None:
    """Hold them."""
    connections = connect_many(int(sys.argv[1]), int(sys.argv[2]))
    report(open=len(connections))
    sys.stdin.read()


if __name__ == "__main__":
    main()
