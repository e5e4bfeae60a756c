"""`python -m tests.fuzz [cases] [--seed N] [--batch N]`"""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from tests.fuzz.batch import SIZE, Broken, Tally, batch


def main() -> int:
    """Tries batch after batch; 1 at the first that does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Tries bent packets against what must hold of every packet.")
    parser.add_argument("cases", type=int, nargs="?", default=1_000_000, help="how many (default: a million)")
    parser.add_argument("--seed", type=int, default=1, help="other cases (default: 1)")
    parser.add_argument("--batch", type=int, help=f"only this batch of {SIZE}, to see a failure again")
    given = parser.parse_args()
    begun, tally = time.monotonic(), Tally()
    numbers = range(-(-given.cases // SIZE)) if given.batch is None else [given.batch]
    try:
        for number in numbers:
            tally += batch(given.seed, number, min(SIZE, given.cases - tally.cases) if given.batch is None else SIZE)
            if sys.stderr.isatty():
                print(f"\r{tally.cases:,} cases", end="", file=sys.stderr, flush=True)
    except Broken as exc:
        traceback.print_exception(exc.__cause__)
        print(exc, file=sys.stderr)
        return 1
    took = time.monotonic() - begun
    print(f"{tally.cases:,} cases with seed {given.seed}: {tally.packets:,} read as packets, the others refused; all held, in {took:.0f} s")
    return 0


sys.exit(main())
