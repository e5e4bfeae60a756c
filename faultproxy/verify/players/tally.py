"""What a probe or a crowd has lived through: counters that are kept as things happen, so that a look costs nothing. Pure."""

from __future__ import annotations

from collections import Counter, deque

from faultproxy.verify.world import Asked, Ended, Player

KEPT = 10_000
"""Questions, and ended connections, that are remembered one by one: a crowd of 2,000 that asks each second, for five seconds."""


class Tally:
    """The books of one probe or crowd. `count` is what a share is of; None: what has been asked and is decided.

    Times are seconds of the run's clock.
    """

    def __init__(self, count: int | None = None) -> None:
        self.ok = 0
        self.failures = 0
        self.open = 0
        self.closed_by_server = 0
        self.errors: Counter[str] = Counter()
        self.last_ok: float | None = None
        """When the latest question was asked that was rightly answered."""
        self.trouble = ""
        """In words, what went wrong last."""
        self._count = count
        self._asked: deque[Asked] = deque(maxlen=KEPT)
        self._ended: deque[Ended] = deque(maxlen=KEPT)
        self._seen: Player | None = None

    def answered(self, at: float, now: float) -> None:
        """What was asked `at` is rightly answered."""
        self.ok += 1
        self.last_ok = at if self.last_ok is None else max(at, self.last_ok)
        self._asked.append(Asked(at, now - at))
        self._seen = None

    def failed(self, at: float, why: str) -> None:
        """What was asked, or dialled, `at` has had no right answer and counts as a failure."""
        self.failures += 1
        self.trouble = why
        self._asked.append(Asked(at, None))
        self._seen = None

    def erred(self, name: str) -> None:
        """A call has failed with the errno of that name."""
        self.errors[name] += 1
        self._seen = None

    def opened(self) -> None:
        """One more connection is open."""
        self.open += 1
        self._seen = None

    def closed(self, opened: float, now: float, *, by_server: bool) -> None:
        """A connection that was `opened` then has ended."""
        self.open -= 1
        self.closed_by_server += by_server
        self._ended.append(Ended(now, now - opened, by_server))
        self._seen = None

    def snapshot(self) -> Player:
        """The books as they stand; the same object until something happens."""
        if self._seen is None:
            self._seen = Player(
                total=self.ok + self.failures if self._count is None else self._count,
                ok=self.ok,
                failures=self.failures,
                open=self.open,
                closed_by_server=self.closed_by_server,
                errors=dict(self.errors),
                asked=tuple(self._asked),
                ended=tuple(self._ended),
            )
        return self._seen
