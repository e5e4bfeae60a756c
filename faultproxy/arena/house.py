"""What all players of one arena share."""

from __future__ import annotations

from dataclasses import dataclass

from faultproxy.arena.defences import ALL, Defences
from faultproxy.arena.limits import DEFAULT, Limits
from faultproxy.arena.pace import Pace
from faultproxy.arena.room import Room


@dataclass(frozen=True, slots=True)
class House:
    """`limits` are those that are left: without the ones whose defence is missing."""

    limits: Limits
    defences: Defences
    room: Room
    pace: Pace

    @classmethod
    def build(cls, limits: Limits = DEFAULT, defences: Defences = ALL) -> House:
        """An empty one."""
        return cls(
            defences.loosen(limits),
            defences,
            Room(limits.grace, resumable=defences.resume),
            Pace(common=not defences.isolation),
        )
