"""Which answer belongs to which question of one connection, and which question is answered too late. Pure.

A server answers in order, and may say other things between (what other players say, the game's own pulse): so the right answer counts
wherever it stands, and another line is not wrong, it is just not yet the answer. An answer that comes after its question was given up
must not be taken for that of the next. So given-up questions are remembered, and the answers that come first are theirs. Should a server
have forgotten a question for good, that reckoning would be out by one for ever: when a question fails although an answer came while
it waited, that answer was its own, and the reckoning starts afresh.
"""

from __future__ import annotations

from collections import deque

from faultproxy.core.match import Pattern
from faultproxy.verify.players.tally import Tally

SHOWN = 60
"""Bytes of a wrong answer that are told."""


class Questions:
    """The questions of one connection. `reply` None: whatever comes answers all that is open."""

    __slots__ = ("_given_up", "_heard", "_open", "_patience", "_reply", "_scanner", "_skipped", "_tally")

    def __init__(self, reply: Pattern | None, patience: float, tally: Tally) -> None:
        self._reply = reply
        self._scanner = reply.scanner() if reply is not None else None
        self._patience = patience
        self._tally = tally
        self._open: deque[float] = deque()
        self._given_up = 0
        self._skipped = False
        self._heard = b""

    @property
    def waiting(self) -> bool:
        """Whether a question is open."""
        return bool(self._open)

    def deadline(self) -> float | None:
        """When the oldest open question becomes a failure."""
        return self._open[0] + self._patience if self._open else None

    def ask(self, now: float) -> None:
        """One more is asked."""
        self._open.append(now)
        self._heard = b""

    def hear(self, data: bytes, now: float) -> bool:
        """The server says `data`; whether that answers a question in time."""
        if self._open:
            self._heard = data
        before = len(self._open)
        if self._scanner is None:
            while self._open:
                self._tally.answered(self._open.popleft(), now)
        else:
            for _ in self._scanner.feed(data):
                self._answer(now)
        return len(self._open) < before

    def overdue(self, now: float) -> bool:
        """Gives up what has waited too long; whether anything has."""
        before = len(self._open)
        while self._open and now >= self._open[0] + self._patience:
            self._tally.failed(self._open.popleft(), f"no right answer within {self._patience:g} s: {self.came()}")
            self._given_up = 0 if self._skipped or self._scanner is None else self._given_up + 1
            self._skipped = False
        return len(self._open) < before

    def lost(self, why: str) -> None:
        """No more answers come."""
        while self._open:
            self._tally.failed(self._open.popleft(), f"{why} before the right answer came: {self.came()}")

    def came(self) -> str:
        """In words, what came last, and what should have come."""
        heard = repr(self._heard[-SHOWN:])[1:] if self._heard else "nothing"
        return f"{heard} came, {'anything' if self._reply is None else self._reply} was wanted"

    def _answer(self, now: float) -> None:
        if self._given_up:
            self._given_up -= 1
            self._skipped = self.waiting
        elif self._open:
            self._skipped = False
            self._tally.answered(self._open.popleft(), now)
