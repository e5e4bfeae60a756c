"""Makes `docs/conditions.md`: which conditions this version can bring about, by which scenario, and how it is known.

``python -m tests.scenarios.table docs/conditions.md`` writes it, from the list below and from what the scenario files say of themselves;
a test tells when it is out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from faultproxy.scenario import load
from tests.scenarios.stage import FILES, SCENARIOS

PACKET = "packet plane: can be done"
DATAGRAM = "datagram plane"
STREAM = "stream plane: can be done"
CONNECTION = "connection plane: can be done"

CHAPTERS = {
    "A": "Opening a connection",
    "B": "Data in flight",
    "C": "Flow control",
    "D": "Closing",
    "E": "Silence",
    "F": "Datagrams, and sessions that outlive a connection",
    "G": "The machine",
}

ROWS: dict[str, tuple[str, str]] = {
    "A1": ("SYN lost: the client sits in SYN_SENT and tries again", PACKET),
    "A2": ("SYN-ACK lost: SYN_SENT and SYN_RECV face each other", PACKET),
    "A3": ("last ACK of the handshake lost: ESTABLISHED against SYN_RECV", PACKET),
    "A4": ("connection refused", CONNECTION),
    "A5": ("accepted and at once reset", CONNECTION),
    "A6": ("accept queue full: connects hang although the port listens", CONNECTION),
    "A7": ("SYN backlog full of half-open connections", PACKET),
    "A8": ("slow connect: the server is dialled late, or nobody accepts for a while", CONNECTION),
    "A9": ("server down while the proxy accepts; clients refused while the server is up", CONNECTION),
    "B1": ("ACKs dropped: retransmission storm with back-off", PACKET),
    "B2": ("data segments dropped with SACK: only the gap is sent again", PACKET),
    "B3": ("the same without SACK: what had arrived is sent again too", PACKET),
    "B4": ("nothing acknowledged until TCP gives up", PACKET),
    "B5": ("many connections retransmit together", PACKET),
    "B6": ("retransmissions counted and expected, by connection", PACKET),
    "B7": ("segments delayed, reordered, duplicated: TCP's own round trip grows", PACKET),
    "B8": ("bytes late, rate-limited, in pieces, several messages at once", STREAM),
    "B9": ("PSH cleared or set", PACKET),
    "B10": ("a byte changed: with a good checksum it arrives, with a bad one it is sent again", STREAM),
    "B11": ("window scale, timestamps, SACK or MSS taken out of the SYN", PACKET),
    "B12": ("old timestamps, discarded by PAWS", PACKET),
    "B13": ("Nagle's algorithm meets delayed ACKs", PACKET),
    "C1": ("the receiver reads no more: zero window, window probes", STREAM),
    "C2": ("zero window for a long time: the probes become rare, nothing breaks", STREAM),
    "C3": ("the sending program meets its full buffer: it blocks, or gets EAGAIN", STREAM),
    "C4": ("a zero window that is only announced", PACKET),
    "C5": ("a small window", STREAM),
    "C6": ("the window update is lost: only a probe can rescue it", PACKET),
    "C7": ("many clients who never read: the server's memory", STREAM),
    "C8": ("a flood that the server does not read", STREAM),
    "D1": ("four-way close, its segments dropped one by one", PACKET),
    "D2": ("FIN_WAIT_1 held: the ACK of the FIN does not come", PACKET),
    "D3": ("FIN_WAIT_2 held: the other FIN does not come", CONNECTION),
    "D4": ("CLOSE_WAIT held: the program never closes", CONNECTION),
    "D5": ("CLOSING: both send their FIN at once", PACKET),
    "D6": ("LAST_ACK held: the last ACK is lost", PACKET),
    "D7": ("TIME_WAIT at the side that the scenario chooses", CONNECTION),
    "D8": ("TIME_WAIT flood: no local port is left", PACKET),
    "D9": ("the server restarts while its port is in TIME_WAIT", CONNECTION),
    "D10": ("half-close: the answer comes whole after the FIN", CONNECTION),
    "D11": ("FIN withheld one way while data goes the other", CONNECTION),
    "D12": ("abortive close", CONNECTION),
    "D13": ("RST forged in mid-stream, to one side only", PACKET),
    "D14": ("blind RST inside the window: survived", PACKET),
    "D15": ("RST after FIN; RST with unread data", CONNECTION),
    "D16": ("SO_LINGER in its three settings, with the peer's window closed", CONNECTION),
    "D17": ("late duplicate of an old segment meets a new connection", PACKET),
    "D18": ("fast close and reconnect: the right session", CONNECTION),
    "E1": ("the peer vanishes: no FIN, no RST, no answer", PACKET),
    "E2": ("keep-alive answered by the kernel while the program is dead", STREAM),
    "E3": ("keep-alive probes unanswered", PACKET),
    "E4": ("heartbeats lost, late, or jittering round the limit", STREAM),
    "E5": ("connections that never log in, beside those who have", STREAM),
    "E6": ("slow loris", STREAM),
    "E7": ("thousands of idle connections beside a healthy player", STREAM),
    "E8": ("a NAT forgets the mapping", PACKET),
    "F1": ("datagrams lost, duplicated, reordered, late", DATAGRAM),
    "F2": ("a datagram larger than the path allows", DATAGRAM),
    "F3": ("a datagram larger than the reader's buffer", DATAGRAM),
    "F4": ("the client's address changes in mid-session", DATAGRAM),
    "F5": ("a datagram from a stranger, or replayed", DATAGRAM),
    "F6": ("reliable UDP under loss: it slows down", DATAGRAM),
    "F7": ("a TCP session resumed from another address", CONNECTION),
    "F8": ("every request on its own connection", CONNECTION),
    "G1": ("small or large socket buffers, seen by the peer", STREAM),
    "G2": ("the kernel's tunables", PACKET),
    "G3": ("every TCP state on either side, held", PACKET),
}
"""Every row of the catalogue: the condition, and what it needs as far as no scenario shows it."""

INTRODUCTION = """\
# Conditions

What can happen between two TCP programs, and the scenarios that bring it about, between real clients, real servers and real kernels.
Each row keeps its name for ever: a scenario says `covers = ["C1"]`.

A row is done when a scenario brings the condition about, when that is seen from outside the proxy (in the peer's kernel, or in the bytes
and errors that the peer's program got), and when the connection heals or dies as it should. A test plays every scenario of this page.

<!-- generated: python -m tests.scenarios.table docs/conditions.md -->
"""

NEEDS = """\
## Not in this version

The *datagram plane* acts on UDP and is not part of this version: a file that asks for it is checked and not run. *Can be done* means that
the faults are there, and a scenario is not written yet.
"""


@dataclass(frozen=True, slots=True)
class About:
    """What a scenario file says of itself in its first comment lines."""

    path: Path
    covers: tuple[str, ...]
    shown: str
    evidence: str
    healing: str
    play: str


def about(path: Path) -> About:
    """Reads the comment at the top: what is shown, `Evidence:`, `After healing:`, `Play it:`. Raises ValueError if one is missing."""
    parts: dict[str, list[str]] = {"": []}
    keys = ("Evidence", "After healing", "Play it")
    current = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        words = line.removeprefix("#").strip()
        key, colon, rest = words.partition(": ")
        if colon and key in keys:
            current, words = key, rest
        if words:
            parts.setdefault(current, []).append(words)
    lacking = [key for key in ("", *keys) if not parts.get(key)]
    if lacking:
        raise ValueError(f"{path}: its first comment lacks {', '.join(key or 'what is shown' for key in lacking)}")
    shown, evidence, healing, play = (" ".join(parts[key]) for key in ("", *keys))
    covers = load(path)[0].covers
    return About(path, covers, shown, evidence, healing, play)


def markdown() -> str:
    """The whole page."""
    files = [about(path) for path in FILES]
    lines = [INTRODUCTION]
    for letter, title in CHAPTERS.items():
        rows = [row for row in ROWS if row.startswith(letter) and any(row in file.covers for file in files)]
        if rows:
            lines += [f"## {title}\n", "| row | condition | scenario | evidence | after healing |", "| --- | --- | --- | --- | --- |"]
            lines += [line for row in rows for line in _done(row, files)]
            lines.append("")
    lines += [NEEDS, "| row | condition | what it needs |", "| --- | --- | --- |"]
    for row, (condition, needs) in ROWS.items():
        done = any(row in file.covers for file in files)
        if not done:
            lines.append(_line(row, condition, needs))
    return "\n".join(lines) + "\n"


def _done(row: str, files: list[About]) -> Iterator[str]:
    first = True
    for file in files:
        if row in file.covers:
            name = str(file.path.relative_to(SCENARIOS))
            link = f"[{name.removesuffix('.toml')}](../scenarios/{name})"
            yield _line(row if first else "", ROWS[row][0] if first else "", link, file.evidence, file.healing)
            first = False


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> None:
    """Writes the page to the file that is named."""
    Path(sys.argv[1]).write_text(markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
