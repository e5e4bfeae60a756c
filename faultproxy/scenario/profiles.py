"""The profiles that we ship: files of faults, named after kinds of link."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files
from typing import Literal

from faultproxy.errors import ScenarioError

NAMES = ("edge", "3g", "4g", "lte", "wifi", "dsl", "satellite", "ue-average", "ue-bad")


def names() -> tuple[str, ...]:
    """The names that ``include = ["profile:NAME"]`` takes, slowest mobile link first."""
    return NAMES


def text(name: str, protocol: Literal["tcp", "udp"] = "tcp") -> str:
    """The file of a profile, with its comments. Raises ScenarioError for a name that there is not.

    On TCP a profile has no loss: what a lost segment costs a stream is not decided by bytes. On UDP it delays and loses datagrams.
    """
    if name not in NAMES:
        near = get_close_matches(name.lower(), NAMES, 1, 0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(NAMES)}"
        raise ScenarioError(f"there is no profile `{name}`: {hint}")
    folder = files("faultproxy.scenario") / "profiles"
    return ((folder / "udp" if protocol == "udp" else folder) / f"{name}.toml").read_text(encoding="utf-8")
