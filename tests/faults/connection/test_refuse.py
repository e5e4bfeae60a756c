"""`refuse`: what it makes of the listener."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from faultproxy.core.actions import Fired, Healed, Started
from faultproxy.core.listener import Listener
from faultproxy.core.plan import Listening
from faultproxy.faults.connection.refuse import Refuse
from tests.core.playbook import fault


def test_the_port_is_closed_while_it_lasts() -> None:
    listener = Listener([fault("refuse", at="5s", lasts="3s")])
    assert (listener.open(0.0), listener.state, listener.deadline()) == ([], Listening(), 5.0)
    closed = Fired("refuse", "closed the port: every SYN is answered with a RST")
    assert (listener.due(5.0), listener.state) == ([Started("refuse", "the clock"), closed], Listening(closed=True))
    assert (listener.due(8.0), listener.state) == ([Healed("refuse", "its time is over")], Listening())


def test_it_chooses_nobody() -> None:
    with pytest.raises(ValidationError, match="it cannot choose connections"):
        Refuse.model_validate({"kind": "refuse", "connections": [1]})
