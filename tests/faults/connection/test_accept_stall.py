"""`accept_stall`: what it makes of the listener."""

from __future__ import annotations

from faultproxy.core.actions import Fired, Healed, Started
from faultproxy.core.listener import Listener
from faultproxy.core.plan import Listening
from tests.core.playbook import fault


def test_nobody_is_accepted_and_it_fires_once_when_somebody_waits() -> None:
    listener = Listener([fault("accept_stall", backlog=2, lasts="3s", every="10s")])
    assert (listener.open(0.0), listener.state) == ([Started("accept_stall", "the clock")], Listening(stalled=True, backlog=2))
    waits = Fired("accept_stall", "left a client waiting in the accept queue")
    assert (listener.waiting(), listener.waiting()) == ([waits], [])
    assert (listener.due(3.0), listener.state) == ([Healed("accept_stall", "its time is over")], Listening())
    assert listener.waiting() == []
    listener.due(10.0)
    assert listener.waiting() == [waits]


def test_the_shorter_queue_wins_and_closed_stays_closed() -> None:
    listener = Listener([fault("refuse"), fault("accept_stall", name="a", backlog=5), fault("accept_stall", name="b", backlog=1)])
    listener.open(0.0)
    assert listener.state == Listening(closed=True, stalled=True, backlog=1)
