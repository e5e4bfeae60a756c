"""What a player may do to the arena, each bound with its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Times are seconds, sizes bytes."""

    login: float = 10.0
    """From the connection to the end of the login line. A slow loris gets no more, however it drips."""

    heartbeat: float = 5.0
    """From one whole line to the next, once logged in. Any command counts."""

    stalled: float = 60.0
    """How long a player may take nothing of what is sent to him. Long, for closed windows are what the arena is there to show."""

    farewell: float = 1.0
    """How long one who is put out, or all when the arena closes, may take for what is owed to them and for their own goodbye. Short of the
    time that a supervisor leaves between SIGTERM and SIGKILL."""

    grace: float = 10.0
    """How long a session can be resumed after its connection was lost."""

    players: int = 4000
    """Connections at once; each needs a descriptor."""

    line: int = 1024
    """The longest line, its end included: what a half-said command may hold."""

    queue: int = 256 * 1024
    """Bytes waiting for one player. A broadcast that does not fit costs him the connection; an answer of his own waits for room."""

    stream: int = 64 * 2**20
    """The most that one STREAM may ask for."""


DEFAULT = Limits()
"""What the program starts with."""
