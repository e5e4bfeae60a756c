"""What a report draws, in the order in which it stands in the stream: a sample is of some time since the look before."""

from __future__ import annotations

from typing import cast

import pytest

from faultproxy.core import actions as do
from faultproxy.core import events as ev
from faultproxy.core.connection import Connection
from faultproxy.core.events import Direction
from faultproxy.core.plan import Peer
from faultproxy.core.run import Knock
from faultproxy.verify.census import Census
from faultproxy.verify.chronicle import Chronicle
from faultproxy.verify.world import Look


class Story:
    """One connection of a run, told event by event and look by look."""

    def __init__(self) -> None:
        self.chronicle = Chronicle()
        census = Census(lambda: 0.0, lambda *_: None, self.chronicle.opened, lambda _: None)
        self._watch = self.chronicle.watch(census, lambda: 0.0)
        self._connection = cast(Connection, object())
        self._watch(0.0, None, Knock(Peer("127.0.0.1", 40000), 1), ())
        self._watch(0.0, self._connection, ev.Dialled("127.0.0.1:1", 50000), ())

    def fin(self, time: float, direction: Direction) -> None:
        """One side has ended, and the proxy passes it on."""
        self._watch(time, self._connection, ev.Eof(direction, 0), (do.SendFin(direction),))

    def reset(self, time: float) -> None:
        """The proxy resets the client."""
        self._watch(time, self._connection, ev.Eof("s2c", 0), (do.ResetLeg("client"),))

    def looks(self, time: float, **bytes_: int) -> None:
        self.chronicle.look(Look(time, {1: {key.replace("__", ".bytes_"): value for key, value in bytes_.items()}}, {}, {}))

    def marks(self, where: str, to: str) -> list[tuple[float, str]]:
        (track,) = self.chronicle.tracks
        assert [mark.time for mark in track.marks] == sorted(mark.time for mark in track.marks)
        return [(mark.time, mark.what) for mark in track.marks if (mark.where, mark.to) == (where, to) and mark.what != "SYN"]


def test_what_a_peer_has_sent_stands_before_its_fin() -> None:
    story = Story()
    story.looks(0.98, client__sent=0)
    story.fin(0.99, "c2s")
    story.looks(1.0, client__sent=7)
    assert story.marks("client", "proxy") == [(0.99, "data"), (0.99, "FIN")]


def test_what_comes_behind_a_fin_that_we_have_ordered_long_ago_is_drawn_before_it() -> None:
    story = Story()
    story.looks(0.5, client__received=0)
    story.fin(0.6, "s2c")
    for time, received in ((0.7, 500), (0.8, 900), (0.9, 1000)):
        story.looks(time, client__received=received)
    assert story.marks("proxy", "client") == [(0.6, "data"), (0.8, "data"), (0.9, "data"), (0.9, "FIN")]


def test_nothing_comes_from_us_behind_our_rst() -> None:
    story = Story()
    story.looks(0.5, client__received=0)
    story.reset(0.6)
    story.looks(0.7, client__received=500)
    assert story.marks("proxy", "client") == [(0.6, "data"), (0.6, "RST")]


@pytest.mark.parametrize("time", [0.5, 2.0])
def test_the_other_direction_goes_on(time: float) -> None:
    story = Story()
    story.looks(0.4, client__received=0)
    story.fin(1.0, "c2s")
    story.looks(time, client__received=7)
    assert story.marks("proxy", "client") == [(time, "data")]
