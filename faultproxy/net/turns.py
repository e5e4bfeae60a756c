"""One decision at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Turns:
    """Calls what it is given, one after the other.

    What is decided is carried out before anything else is decided, or bytes would overtake each other: what comes up meanwhile (a peer
    found dead while sending, an order given by who watches) waits.
    """

    def __init__(self) -> None:
        self._turns: deque[Callable[[], None]] = deque()
        self._busy = False

    def take(self, turn: Callable[[], None]) -> None:
        """Calls it when nothing else is being decided. It is done when this returns, unless it waits itself."""
        self._turns.append(turn)
        if self._busy:
            return
        self._busy = True
        try:
            while self._turns:
                self._turns.popleft()()
        finally:
            self._busy = False
