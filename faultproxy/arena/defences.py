"""What keeps the arena alive among strangers, each to be left out by name, so that a test can show that its absence is noticed."""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from faultproxy.arena.limits import Limits

# A defence that is nothing but a limit: its name, the field of `Limits`, and what stands there without it.
_ARE_LIMITS: tuple[tuple[str, str, float | int], ...] = (
    ("login_deadline", "login", math.inf),
    ("heartbeat", "heartbeat", math.inf),
    ("line_bound", "line", sys.maxsize),
    ("player_bound", "players", sys.maxsize),
    ("bounded_queue", "queue", sys.maxsize),
    ("eviction", "stalled", math.inf),
)


@dataclass(frozen=True, slots=True)
class Defences:
    """True: the arena defends itself so. What each costs where it is missing is in docs/arena.md, with a scenario that shows it."""

    login_deadline: bool = True
    """One limit for the whole login. Without it a stranger keeps his place for ever, be he silent or a slow loris."""

    heartbeat: bool = True
    """Who says nothing for too long is gone. Without it a player whose machine has vanished stays in the game for ever."""

    line_bound: bool = True
    """A line may be so long. Without it one that never ends fills the memory."""

    player_bound: bool = True
    """So many connections at once. Without it strangers may have every descriptor of the process."""

    bounded_queue: bool = True
    """What waits for one player is bounded. Without it the memory holds all that those who do not read have been sent."""

    eviction: bool = True
    """Who takes nothing is put out. Without it he keeps his place, and silently misses what does not fit into his queue."""

    isolation: bool = True
    """Each player is sent to at his own pace. Without it the arena obeys nobody until everybody has taken what he was sent."""

    resume: bool = True
    """A lost session can be resumed. Without it whoever changes from wifi to the mobile network begins anew."""

    half_close: bool = True
    """A FIN means that no more is asked. Without it that is the end of the answers too, even of those that wait to be sent."""

    close_back: bool = True
    """Whoever has closed is closed too. Without it his socket stays in CLOSE_WAIT: a descriptor lost each time."""

    orderly_shutdown: bool = True
    """At SIGTERM players get what is owed to them, a word and a FIN. Without it answers are cut off, and nobody knows why."""

    def without(self, names: Iterable[str]) -> Defences:
        """These left out. Raises ValueError for a name that is none, with all that are."""
        names = set(names)
        for name in sorted(names - set(NAMES)):
            near = difflib.get_close_matches(name, NAMES, 1)
            meant = f" (do you mean {near[0]!r}?)" if near else ""
            raise ValueError(f"there is no defence {name!r}{meant}: the arena has {', '.join(NAMES)}")
        return replace(self, **dict.fromkeys(names, False))

    def left_out(self) -> list[str]:
        """The names of those that are missing."""
        return [name for name in NAMES if not getattr(self, name)]

    def loosen(self, limits: Limits) -> Limits:
        """The limits that are left without the defences that consist of one."""
        gone: dict[str, Any] = {limit: unlimited for name, limit, unlimited in _ARE_LIMITS if not getattr(self, name)}
        return replace(limits, **gone)


NAMES = tuple(field.name for field in fields(Defences))
"""All of them."""

ALL = Defences()
NAIVE = ALL.without(NAMES)
"""None at all: the server that is written in an afternoon."""
