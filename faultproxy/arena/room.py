"""Who plays: names, sessions, and who hears what. It sends nothing itself: what a player is told goes into his outbox."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


class Mailbox(Protocol):
    """Where broadcasts for one player go; it must not wait."""

    def offer(self, data: bytes) -> None: ...


@dataclass(slots=True)
class Character:
    """What a player is in the game: all that a session keeps for him."""

    name: str
    score: int = 0


@dataclass(slots=True, eq=False)
class Player:
    """One connection. `character` is None until the login; `put_out` ends the connection for the reason that it is given."""

    outbox: Mailbox
    put_out: Callable[[str], None]
    character: Character | None = None
    key: str | None = None

    @property
    def name(self) -> str | None:
        """None until the login."""
        return self.character.name if self.character is not None else None


@dataclass(slots=True)
class _Session:
    character: Character
    holder: Player | None
    expires: float


@dataclass(slots=True)
class Room:
    """All players who have logged in. Names need not be unique; sessions are, by their key. `grace` is how many seconds one without a
    connection lasts; where they are not `resumable`, keys are given out and open nothing."""

    grace: float = 10.0
    resumable: bool = True
    players: set[Player] = field(default_factory=set)
    _sessions: dict[str, _Session] = field(default_factory=dict)

    def login(self, player: Player, name: str) -> None:
        """From now on he hears the others."""
        self._enter(player, Character(name))

    def leave(self, player: Player, now: float, *, for_good: bool = False) -> None:
        """He is gone; said twice it counts once. His session, if he asked for one, can be resumed until the grace is over, unless he left
        `for_good`."""
        self.players.discard(player)
        session = self._sessions.get(player.key or "")
        if session is not None and session.holder is player:
            session.holder, session.expires = None, now if for_good else now + self.grace

    def say(self, speaker: Player | None, text: str) -> None:
        """`text` to everybody but the speaker, as ``name: text``; as it stands when nobody speaks."""
        data = f"{speaker.name}: {text}\r\n".encode() if speaker else f"{text}\r\n".encode()
        for player in list(self.players):
            if player is not speaker:
                player.outbox.offer(data)

    def names(self) -> list[str]:
        """Of all who are in, sorted."""
        return sorted(player.name for player in self.players if player.name is not None)

    def session(self, player: Player, now: float) -> str:
        """The key to his session, a new one if he has none. He must have logged in."""
        assert player.character is not None
        if player.key is None:
            self._forget(now)
            player.key = secrets.token_hex(8)
            self._sessions[player.key] = _Session(player.character, player, 0.0)
        return player.key

    def resume(self, player: Player, key: str, now: float) -> str | None:
        """Give the session to `player`, as it was left. Returns its name, or None if there is no such session any more."""
        self._forget(now)
        session = self._sessions.get(key)
        if session is None or not self.resumable:
            return None
        before, session.holder = session.holder, player
        player.key = key
        self._enter(player, session.character)
        if before is not None and before is not player:
            self.players.discard(before)
            before.put_out("his session was resumed from another connection")
        return session.character.name

    def _enter(self, player: Player, character: Character) -> None:
        player.character = character
        self.players.add(player)

    def _forget(self, now: float) -> None:
        self._sessions = {key: each for key, each in self._sessions.items() if each.holder is not None or now < each.expires}
