"""How the players behave, one class each: what happens to a connection goes in, what the player does comes out. Pure.

Every method takes the time and returns actions; `deadline()` says when `due` is to be called at the latest. Whoever opens a connection
makes a new part for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from faultproxy.scenario.sections import Behaviour
from faultproxy.verify.players.questions import Questions
from faultproxy.verify.players.script import Script
from faultproxy.verify.players.tally import Tally

QUIET = 0.05
"""Seconds that a `churn` waits behind an answer before it closes, or as long as its `every`: a server that says goodbye closes first."""
FLOOD = 16 * 1024
"""Bytes, about, that a `flood` hands over at once: enough to fill a buffer soon, and no more than others can wait for."""


@dataclass(frozen=True, slots=True)
class Send:
    """Sends bytes behind those that have not left yet."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Fin:
    """Sends a FIN behind them and goes on receiving."""


@dataclass(frozen=True, slots=True)
class Deaf:
    """Reads no more, for good."""


@dataclass(frozen=True, slots=True)
class Close:
    """Closes the connection."""


Action = Send | Fin | Deaf | Close
Actions = Sequence[Action]


class Part:
    """Says hello, and then does what the subclass makes of `_begin`, `_heard` (data has come), `_turn` (its time has come), `_gave_up`."""

    __slots__ = ("_greeted", "_hello", "_next", "_questions", "_script", "_tally")

    def __init__(self, script: Script, tally: Tally) -> None:
        self._script = script
        self._tally = tally
        self._questions = Questions(script.reply, script.patience, tally)
        self._hello = script.hello_reply.scanner() if script.hello and script.hello_reply is not None else None
        self._greeted: float | None = None
        """When the hello was said, while its answer may still come in time."""
        self._next: float | None = None

    def opened(self, now: float) -> Actions:
        """The connection is there."""
        if self._hello is not None:
            self._greeted = now
            return [Send(self._script.hello)]
        return [*self._first(self._script.hello), *self._begin(now)]

    def received(self, data: bytes, now: float) -> Actions:
        """The server has sent bytes."""
        if self._hello is None:
            return self._heard(self._questions.hear(data, now), now)
        if not self._hello.feed(data):
            return ()
        self._hello = self._greeted = None
        return self._begin(now)

    def drained(self, now: float) -> Actions:
        """All that was to be sent has been taken over by the kernel."""
        return ()

    def due(self, now: float) -> Actions:
        """Time has passed."""
        if self._greeted is not None:
            return self._unheard(now) if now >= self._greeted + self._script.patience else ()
        actions = [*self._gave_up(now)] if self._questions.overdue(now) else []
        if self._next is not None and now >= self._next:
            actions += self._turn(now)
        return actions

    def deadline(self) -> float | None:
        """When `due` is to be called; None: not at all."""
        if self._greeted is not None:
            return self._greeted + self._script.patience
        times = [when for when in (self._next, self._questions.deadline()) if when is not None]
        return min(times, default=None)

    def lost(self, why: str) -> None:
        """The connection has ended, for a reason in words."""
        if self._greeted is not None:
            self._tally.failed(self._greeted, f"{why} before the hello was answered")
            self._greeted = None
        self._questions.lost(why)

    # ------------------------------------------------------------------

    def _unheard(self, now: float) -> Actions:
        assert self._greeted is not None
        self._tally.failed(self._greeted, f"the hello was not answered within {self._script.patience:g} s")
        self._greeted = None
        return [Close()] if self._script.impatient else ()

    def _first(self, data: bytes) -> Actions:
        return [Send(data)] if data else ()

    def _begin(self, now: float) -> Actions:
        return ()

    def _heard(self, answered: bool, now: float) -> Actions:
        return ()

    def _turn(self, now: float) -> Actions:
        return ()

    def _gave_up(self, now: float) -> Actions:
        return ()

    def _ask(self, now: float) -> Actions:
        self._questions.ask(now)
        return [Send(self._script.send)]


class Ask(Part):
    """Asks each `every`; who knows what the right answer is waits for it before he asks again."""

    __slots__ = ()

    def _begin(self, now: float) -> Actions:
        assert self._script.every is not None
        self._next = now + self._script.every
        return self._ask(now)

    def _turn(self, now: float) -> Actions:
        if self._script.reply is not None and self._questions.waiting:
            self._next = None
            return ()
        return self._begin(now)

    def _heard(self, answered: bool, now: float) -> Actions:
        return self._begin(now) if answered and self._next is None else ()

    def _gave_up(self, now: float) -> Actions:
        return self._begin(now) if self._next is None else ()


class Idle(Part):
    """Says nothing more, and reads what comes."""

    __slots__ = ()


class Drip(Part):
    """Sends one byte each `every`, and begins again when it has sent all."""

    __slots__ = ("_at",)

    def _begin(self, now: float) -> Actions:
        self._at = 0
        return self._turn(now)

    def _turn(self, now: float) -> Actions:
        send, at = self._script.send, self._at
        assert self._script.every is not None
        self._next = now + self._script.every
        self._at = (at + 1) % len(send)
        if not self._at:
            self._questions.ask(now)
        return [Send(send[at : at + 1])]


class NeverRead(Part):
    """Sends what it has to, each `every` if there is one, and never reads."""

    __slots__ = ()

    def _begin(self, now: float) -> Actions:
        return [Deaf(), *self._turn(now)]

    def _turn(self, now: float) -> Actions:
        self._next = now + self._script.every if self._script.send and self._script.every is not None else None
        return self._first(self._script.send)


class Flood(Part):
    """Sends as fast as the kernel takes it; what comes is thrown away, and nothing counts as asked."""

    __slots__ = ("_chunk",)

    def _begin(self, now: float) -> Actions:
        send = self._script.send
        self._chunk = send * max(1, FLOOD // len(send))
        return [Send(self._chunk)]

    def drained(self, now: float) -> Actions:
        return [Send(self._chunk)] if self._hello is None else ()


class HalfClose(Part):
    """Asks once, says that it has nothing more to say, and reads to the end."""

    __slots__ = ()

    def _begin(self, now: float) -> Actions:
        return [*self._ask(now), Fin()]


class Vanish(Part):
    """Says what it has to, then neither reads nor writes, and keeps its socket."""

    __slots__ = ()

    def _begin(self, now: float) -> Actions:
        return [Deaf(), *self._first(self._script.send)]


class Churn(Part):
    """One connection for each question. Without a `reply` the answer is all that comes until nothing more does."""

    __slots__ = ("_asked",)

    def _begin(self, now: float) -> Actions:
        self._asked = now
        return self._ask(now)

    def _heard(self, answered: bool, now: float) -> Actions:
        if answered or (self._script.reply is None and self._next is not None):
            assert self._script.every is not None
            self._next = min(now + min(QUIET, self._script.every), self._asked + self._script.patience)
        return ()

    def _turn(self, now: float) -> Actions:
        self._next = None
        return [Close()]

    _gave_up = _turn


PARTS: dict[Behaviour, type[Part]] = {
    "ask": Ask,
    "idle": Idle,
    "drip": Drip,
    "never_read": NeverRead,
    "flood": Flood,
    "half_close": HalfClose,
    "vanish": Vanish,
    "churn": Churn,
}
