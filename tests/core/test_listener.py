"""The listener's own faults, together."""

from __future__ import annotations

from faultproxy.core.actions import Healed, Started
from faultproxy.core.listener import Listener
from faultproxy.core.plan import Listening
from tests.core.playbook import fault

STALL = fault("accept_stall", manual=True)


def test_it_is_started_and_healed_by_hand() -> None:
    listener = Listener([STALL])
    assert (listener.open(0.0), listener.deadline(), listener.active) == ([], None, ())
    assert listener.order("accept_stall", heal=False, why="by hand", now=1.0) == [Started("accept_stall", "by hand")]
    assert (listener.state, listener.active) == (Listening(stalled=True, backlog=0), ("accept_stall",))
    assert listener.order("accept_stall", heal=False, why="again", now=2.0) == []
    assert listener.order("accept_stall", heal=True, why="enough", now=3.0) == [Healed("accept_stall", "enough")]
    assert listener.state == Listening()
    assert listener.order("accept_stall", heal=True, why="enough", now=3.0) == []


def test_a_stranger_is_none_of_its_business() -> None:
    assert Listener([STALL]).order("latency", heal=False, why="", now=0.0) == []


def test_the_end_of_the_run_heals_for_good() -> None:
    listener = Listener([fault("refuse", lasts="1s", every="2s")])
    listener.open(0.0)
    assert listener.end() == [Healed("refuse", "the run ends", final=True)]
    assert (listener.state, listener.deadline(), listener.due(5.0)) == (Listening(), None, [])
