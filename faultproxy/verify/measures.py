"""How a value is taken from a look: as it is now, or counted since a moment.

A *mark* is what a counter had when counting began; None as long as that is not known. Then the first value that is known becomes the mark.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

from faultproxy.scenario.observables import Observable
from faultproxy.verify.conditions import Reading
from faultproxy.verify.world import Label, Look, NotYet, Player, Seen, Unknown

Mark = tuple[int, int] | tuple[int, str] | int | float
_PLAIN: Mark = 0
"""The mark of what is not counted."""

_PERCENTILES = {"latency_p50": 0.50, "latency_p99": 0.99}
JOINING = 5.0
"""Seconds of the run's clock in which a crowd comes in: that not all of it is there by then is no news."""
_SEAM = 256
"""Characters kept of the end of an output, to find the place again when its beginning is kept no longer."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How one `what` is taken. `label` is the connection that is asked about; None where it is not about one."""

    what: str
    about: Observable
    counted: bool
    """It counts from the moment; otherwise it is the value now."""

    @abstractmethod
    def mark(self, look: Look, label: Label | None) -> Mark | None:
        """The mark, if counting begins with this look; None if it cannot be known from it."""

    @abstractmethod
    def read(self, look: Look, label: Label | None, mark: Mark | None, since: float) -> Reading:
        """The value in this look, counted from `mark`; `since` is when counting began."""

    def fresh(self) -> Mark | None:
        """The mark where what is observed did not exist when counting began; None if that cannot be said."""
        return None


def measure(what: str, about: Observable) -> Measure:
    """How that is taken."""
    if about.per_connection:
        return _OfSocket(what, about, about.counted)
    if about.of in ("probe", "crowd"):
        return _OfPlayer(what, about, about.counted)
    if about.sort == "text":
        return _Output(what, about, about.counted)
    return _Other(what, about, about.counted)


def _number(seen: Seen | None) -> int | float | None:
    return seen if isinstance(seen, int | float) else None  # True is 1, too


def _since(seen: Seen, mark: Mark | None, truth: bool) -> Seen:
    """A counter since its mark. One that has gone back belongs to something new."""
    number = _number(seen)
    if number is None or not isinstance(mark, int | float):
        return seen
    if truth:
        return bool(number) and number > mark
    return max(number - mark, 0)


class _OfSocket(Measure):
    """A socket of one end of a connection."""

    __slots__ = ()

    def fresh(self) -> Mark:
        """The counters of a socket begin with 0."""
        return 0

    def mark(self, look: Look, label: Label | None) -> Mark | None:
        if not self.counted:
            return _PLAIN
        values = look.connections.get(label) if label is not None else None
        if values is None:
            return None
        seen = values.get(self.what)
        # The connection was there and this socket of it was not: the server's is made later than the client's.
        return self.fresh() if seen is None or isinstance(seen, NotYet) else _number(seen)

    def read(self, look: Look, label: Label | None, mark: Mark | None, since: float) -> Reading:
        values = look.connections.get(label) if label is not None else None
        if values is None:
            return Reading(Unknown("the connection has not been found in the tables of any kernel here"))
        seen = values.get(self.what)
        if seen is None:
            return Reading(Unknown(f"{self.what} was not observed"))
        return Reading(_since(seen, mark, self.about.sort == "truth") if self.counted else seen)


class _Other(Measure):
    """Something of a process, of all connections, of a whole host."""

    __slots__ = ()

    def mark(self, look: Look, label: Label | None) -> Mark | None:
        return _number(look.others.get(self.what)) if self.counted else _PLAIN

    def read(self, look: Look, label: Label | None, mark: Mark | None, since: float) -> Reading:
        missing = NotYet("it is still running") if self.about.value == "process.exit" else Unknown(f"{self.what} was not observed")
        seen = look.others.get(self.what, missing)
        return Reading(_since(seen, mark, False) if self.counted else seen)


class _Output(Measure):
    """What a process has written since. The mark is how much there was, and the end of it."""

    __slots__ = ()

    def mark(self, look: Look, label: Label | None) -> Mark | None:
        text = look.others.get(self.what)
        return (len(text), text[-_SEAM:]) if isinstance(text, str) else None

    def read(self, look: Look, label: Label | None, mark: Mark | None, since: float) -> Reading:
        text = look.others.get(self.what, Unknown(f"{self.what} was not observed"))
        if not isinstance(text, str) or not isinstance(mark, tuple) or not isinstance(mark[1], str):
            return Reading(text)
        length, end = mark
        if text.endswith(end, 0, length):
            return Reading(text[length:])
        # The beginning is kept no longer, so everything has moved forward, and perhaps out of sight.
        place = text.rfind(end, 0, length)
        return Reading(text[place + len(end) :] if place >= 0 else text)


class _OfPlayer(Measure):
    """A probe or a crowd. The mark is the count, and what there was for a share to be of."""

    __slots__ = ()

    def _player(self, look: Look) -> Player | None:
        return look.players.get(f"{self.about.of}.{self.about.name}")

    def _count(self, player: Player) -> int:
        match self.about.value:
            case "ok":
                return player.ok
            case "failures":
                return player.failures
            case "errors":
                return player.errors.get(self.about.detail, 0)
            case "open":
                return player.open
        return player.closed_by_server

    def mark(self, look: Look, label: Label | None) -> Mark | None:
        player = self._player(look)
        if player is None:
            return None
        return (self._count(player) if self.counted else 0), player.total

    def read(self, look: Look, label: Label | None, mark: Mark | None, since: float) -> Reading:
        player = self._player(look)
        if player is None:
            return Reading(Unknown(f"{self.about.of} {self.about.name} was not observed"))
        if self.about.value in _PERCENTILES:
            return Reading(_percentile(player, _PERCENTILES[self.about.value], since))
        if self.about.value == "closed_after":
            times = tuple(ended.after for ended in player.ended if ended.at >= since)
            return Reading(times or NotYet("none of its connections has ended since"))
        count, total = mark if isinstance(mark, tuple) else (0, 0)
        assert isinstance(total, int), "the mark of an output is another measure's"
        if self.about.of == "probe":
            return Reading(self._count(player) - count, player.total - total)
        joined = player.open + len(player.ended) + player.failures
        joining = self.about.value == "open" and joined < player.total and look.time < JOINING
        return Reading(self._count(player) - count, player.total, joining)


def _percentile(player: Player, share: float, since: float) -> Seen:
    """The nearest rank of the answers to what was asked since: the least time within which that share of them came."""
    asked = [question.took for question in player.asked if question.at >= since]
    took = sorted(one for one in asked if one is not None)
    if took:
        return took[max(math.ceil(share * len(took)), 1) - 1]
    # Questions without an answer have taken longer than any time that one could name.
    return math.inf if asked else NotYet("it has asked nothing since that could have been answered")
