"""`connect_delay`: what it makes of the dial."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from faultproxy.core.actions import Fired
from faultproxy.core.plan import Dial
from faultproxy.faults.connection.connect_delay import ConnectDelay
from tests.core.playbook import Playbook, fault


def test_the_upstream_is_dialled_late() -> None:
    book = Playbook(fault("connect_delay", delay="2s"), dialled=False)
    assert book.connection.dial(Dial(), 0.0) == (Dial(delay=2.0), [Fired("connect_delay", "dialled 2.000 s late")])


def test_delays_add_up_and_jitter_stays_in_its_bounds() -> None:
    plans = fault("connect_delay", delay="1s"), fault("connect_delay", name="more", delay="1s", jitter="500ms")
    delays = {Playbook(*plans, seed=seed, dialled=False).connection.dial(Dial(), 0.0)[0].delay for seed in range(20)}
    assert len(delays) == 20
    assert all(1.5 <= delay <= 2.5 for delay in delays)


def test_only_while_it_lasts() -> None:
    book = Playbook(fault("connect_delay", delay="2s", at="0s", lasts="3s"), opens=3.0, dialled=False)
    assert book.connection.dial(Dial(), 3.0) == (Dial(), [])


@pytest.mark.parametrize("keys", [{"after_bytes": "1B"}, {"on_match": "x"}, {"on_fin": "client"}, {"after": "1s"}])
def test_it_cannot_come_too_late(keys: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="comes too late"):
        ConnectDelay.model_validate({"kind": "connect_delay", "delay": "1s"} | keys)


def test_it_must_do_something() -> None:
    with pytest.raises(ValidationError, match="it would do nothing"):
        ConnectDelay.model_validate({"kind": "connect_delay", "delay": "0s"})
