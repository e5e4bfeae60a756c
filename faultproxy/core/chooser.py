"""Which of the connections that come are chosen: a selection that goes through them one by one."""

from __future__ import annotations

from faultproxy.core.match import Count, Counter
from faultproxy.core.plan import Peer, Selection
from faultproxy.core.rng import stream


class Chooser:
    """Ask once for each connection, in the order in which they open. The streams of chance bear the name of who asks, and the seed."""

    __slots__ = ("_counter", "_drawn", "_name", "_seed", "_selection")

    def __init__(self, selection: Selection, seed: int, name: str) -> None:
        self._selection = selection
        self._seed = seed
        self._name = name
        self._counter = Counter(selection.count, stream(seed, "connections", name))
        self._drawn: dict[tuple[str, str, int], bool] = {}

    def chooses(self, peer: Peer, ordinal: int) -> bool:
        """Whether the next connection is chosen; `ordinal` is that of an outsider, or the own number of a member of a crowd or a probe."""
        if not self._selection.concerns(peer, ordinal):
            return False
        count = self._selection.count
        if count == Count():
            return True

        def draw(number: int) -> bool:
            who = (peer.role, peer.name, number)
            if who not in self._drawn:
                self._drawn[who] = stream(self._seed, *who, "connections", self._name)() < count.share
            return self._drawn[who]

        if peer.role != "outsider":  # their numbers are their own, so in which order they come does not matter
            return count.chooses(ordinal, draw)
        return self._counter.chooses(stream(self._seed, peer.role, peer.name, ordinal, "connections", self._name))
