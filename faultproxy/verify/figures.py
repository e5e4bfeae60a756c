"""What a process costs: resident memory and open files, of it and of all that it has started, from ``/proc`` (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from faultproxy.verify.world import Unknown


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums over a process and its descendants. `rss` in bytes: what they share is counted for each."""

    rss: int | Unknown
    fds: int | Unknown


def figures(pid: int) -> Figures:
    """As they are now. Unknown where ``/proc`` does not tell, or the process has ended; a descendant that ends meanwhile counts nothing."""
    try:
        if (state := _state(pid)) in ("Z", "X"):
            return _unknown(f"process {pid} has ended (its state is {state})")
    except OSError as error:
        return _unknown(f"process {pid} has ended, or /proc does not show it ({error.strerror})")
    everybody = [pid, *_descendants(pid)]
    return Figures(_sum(everybody, _rss, "memory"), _sum(everybody, _fds, "open files"))


def _unknown(why: str) -> Figures:
    return Figures(Unknown(why), Unknown(why))


def _sum(everybody: list[int], of: Callable[[int], int], what: str) -> int | Unknown:
    total = 0
    for pid in everybody:
        try:
            total += of(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
        except OSError as error:
            return Unknown(f"the {what} of process {pid} cannot be read ({error.strerror}): it must be yours, or you root")
    return total


def _rss(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _fds(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def _state(pid: int) -> str:
    # The name stands in brackets and may have brackets and spaces itself.
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]


def _descendants(pid: int) -> Iterator[int]:
    # Each thread has children of its own. A kernel without CONFIG_PROC_CHILDREN has no such file, and then the process counts alone.
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return
    for thread in threads:
        try:
            children = Path(f"/proc/{pid}/task/{thread}/children").read_text(encoding="ascii").split()
        except OSError:
            continue
        for child in map(int, children):
            yield child
            yield from _descendants(child)
