"""Makes the tables of `docs/findings.md`: what real servers do when something goes wrong between them and their clients.

``python -m tests.peers.findings docs/findings.md`` writes them anew, from what the scenario files say of themselves in their first
comment; `test_findings.py` plays every file, and tells when the page is out of date.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from faultproxy.scenario import load

SCENARIOS = Path(__file__).parent / "scenarios"

SERVERS = {"redis": "redis 7.0.15", "nginx": "nginx 1.22.1", "tinymux": "TinyMUX 2.12.0.10"}
"""The folders, and which version was played."""

BEGIN = "<!-- generated: python -m tests.peers.findings docs/findings.md -->"
END = "<!-- end of what is generated -->"
KEYS = ("", "Found", "Evidence")


@dataclass(frozen=True, slots=True)
class About:
    """What a file says of itself: what was done, what the server did, and how that is known."""

    path: Path
    asked: str
    found: str
    evidence: str


def files(server: str) -> list[Path]:
    """The scenarios of a folder, without what they share."""
    return [path for path in sorted((SCENARIOS / server).glob("*.toml")) if path.stem != server]


def about(path: Path) -> About:
    """Reads the comment at the top: what is done, ``Found:``, ``Evidence:``. Raises ValueError if one is missing."""
    parts: dict[str, list[str]] = {key: [] for key in KEYS}
    current = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        words = line.removeprefix("#").strip()
        key, colon, rest = words.partition(": ")
        if colon and key in KEYS:
            current, words = key, rest
        if words:
            parts[current].append(words)
    if lacking := [key or "what is done" for key in KEYS if not parts[key]]:
        raise ValueError(f"{path}: its first comment lacks {', '.join(lacking)}")
    return About(path, *(" ".join(parts[key]) for key in KEYS))


def tables() -> str:
    """One for each server."""
    lines = [BEGIN, ""]
    for server, version in SERVERS.items():
        lines += [f"## {version}", "", "| scenario | what is done to it | what it does | evidence |", "| --- | --- | --- | --- |"]
        lines += [_line(about(path)) for path in files(server)]
        lines.append("")
    return "\n".join([*lines, END])


def page(text: str) -> str:
    """The page with its tables written anew. Raises ValueError where they have no place in it."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks {BEGIN!r} or {END!r}")
    return before + tables() + after


def count(server: str) -> int:
    """How many tests the files of a folder are: one for each case."""
    return sum(len(load(path)) for path in files(server))


def _line(file: About) -> str:
    name = f"{file.path.parent.name}/{file.path.name}"
    link = f"[{file.path.stem}](../tests/peers/scenarios/{name})"
    cells = [link, file.asked, file.found, file.evidence]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> None:
    """Writes the tables into the file that is named."""
    path = Path(sys.argv[1])
    path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
