"""What the arena answers to a line: a pure decision, but for what others are told, which goes into their outboxes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from faultproxy.arena.limits import Limits
from faultproxy.arena.room import Player, Room

PATTERN = b"".join(b"%08d\r\n" % offset for offset in range(0, 100_000, 10))
"""What STREAM sends, over and over: each ten bytes say where they stand, so a byte lost or doubled shows, and where."""

NAME = 64
"""The longest name, in characters."""

MOST_POINTS = 1000
"""Won or lost at once."""

LONGEST_STREAM = 3600.0
"""Seconds that a STREAM may be spread over."""


@dataclass(frozen=True, slots=True)
class Text:
    """One line, or none if `line` is empty; after it the arena closes if `last`."""

    line: str
    last: bool = False


@dataclass(frozen=True, slots=True)
class Stream:
    """`count` bytes of the pattern, spread evenly over `seconds`, or as fast as they go when that is 0."""

    count: int
    seconds: float = 0.0


Answer = Text | Stream

LOGIN_FIRST = Text("ERR log in first: LOGIN <name>")


def answer(line: str, player: Player, room: Room, limits: Limits, now: float) -> Answer:
    """Obey one line of `player`. `now` is in seconds on the clock that the room's grace is measured by."""
    word, _, rest = line.strip().partition(" ")
    rest = rest.strip()
    match word:
        case "LOGIN":
            return _login(rest, player, room)
        case "RESUME":
            return _resume(rest, player, room, now)
        case "PING":
            return Text("PONG")
        case "SUM":
            return _sum(rest)
        case "STREAM":
            return _stream(rest, limits)
        case "QUIT":
            return Text("BYE", last=True)
        case "HB" | "SAY" | "WHO" | "SCORE" | "SESSION" if player.character is None:
            return LOGIN_FIRST
        case "HB":
            return Text("HB OK")
        case "SAY":
            room.say(player, rest)
            return Text("SAY OK")
        case "WHO":
            return Text(" ".join(["WHO", *room.names()]))
        case "SCORE":
            return _score(rest, player)
        case "SESSION":
            return Text(f"SESSION {room.session(player, now)}")
        case _:
            return Text("ERR unknown command: LOGIN RESUME HB SAY WHO SCORE SESSION PING SUM STREAM QUIT are known")


def pattern(stream: Stream, piece: int = 50_000) -> Iterator[bytes]:
    """The bytes of a STREAM in pieces of at most `piece`, smaller where they are spread, so that one goes out each 50 ms or so."""
    if stream.seconds:
        piece = max(1, min(piece, int(stream.count * 0.05 / stream.seconds)))
    endless = PATTERN + PATTERN[:piece]
    for start in range(0, stream.count, piece):
        at = start % len(PATTERN)
        yield endless[at : at + min(piece, stream.count - start)]


def _login(name: str, player: Player, room: Room) -> Answer:
    if player.name is not None:
        return Text(f"ERR already logged in as {player.name}")
    if not name or len(name) > NAME or not name.isprintable():
        return Text(f"ERR a name has 1 to {NAME} printable characters: LOGIN <name>")
    room.login(player, name)
    return Text("LOGIN OK")


def _resume(key: str, player: Player, room: Room, now: float) -> Answer:
    if player.name is not None:
        return Text(f"ERR already logged in as {player.name}")
    name = room.resume(player, key, now)
    return Text("ERR no such session, or its time is over: LOGIN <name>" if name is None else f"RESUMED {name}")


def _score(rest: str, player: Player) -> Answer:
    assert player.character is not None
    try:
        points = int(rest or "0")
    except ValueError:
        points = MOST_POINTS + 1
    if abs(points) > MOST_POINTS:
        return Text(f"ERR up to {MOST_POINTS} points at once: SCORE 5")
    player.character.score += points
    return Text(f"SCORE {player.character.score}")


def _sum(rest: str) -> Answer:
    try:
        return Text(str(sum(int(word) for word in rest.split())))
    except ValueError:
        return Text("ERR whole numbers are needed: SUM 1 2 3")


def _stream(rest: str, limits: Limits) -> Answer:
    count, _, seconds = rest.partition(" ")
    try:
        stream = Stream(int(count), float(seconds or 0))
    except ValueError:
        stream = Stream(-1)
    if not (0 <= stream.count <= limits.stream and 0 <= stream.seconds <= LONGEST_STREAM):
        return Text(f"ERR up to {limits.stream} bytes, and up to {LONGEST_STREAM:.0f} seconds if they are to be spread: STREAM 10000 2.5")
    return stream
