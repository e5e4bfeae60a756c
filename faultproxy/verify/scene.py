"""What has happened so far, as far as judging needs it: connections, the last looks, the starts of faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from faultproxy.core.plan import Peer
from faultproxy.verify.rounds import Rounds
from faultproxy.verify.world import Label, Look


@dataclass(slots=True)
class Known:
    """A connection that has been opened. `ordinal` as in `core.chooser`; times are seconds of the run's clock."""

    label: Label
    peer: Peer
    ordinal: int
    opened: float
    hit_by: frozenset[str]
    """The faults that have chosen it."""
    closed: float | None = None


@dataclass(slots=True)
class Scene:
    """`now` is the time of the last that was told."""

    rounds: Mapping[str, Rounds]
    now: float = 0.0
    known: dict[Label, Known] = field(default_factory=dict)
    _last: Look | None = None
    _before: Look | None = None

    def saw(self, look: Look) -> None:
        """A look has been judged."""
        self._before, self._last = self._last, look

    def base(self, moment: float) -> Look | None:
        """The last look at or before that moment; None if there was none, or only before the last two."""
        for look in (self._last, self._before):
            if look is not None and look.time <= moment:
                return look
        return None

    def is_new(self, known: Known, moment: float) -> bool:
        """Whether there was nothing of the connection to see in the last look before that moment."""
        base = self.base(moment)
        if base is None:
            return self._last is None or known.opened >= moment
        # Its own time does not tell: on a busy machine, what happened before a look may be told after it.
        return known.label not in base.connections
