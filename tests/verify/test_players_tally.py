"""The books of probes and crowds, and what a player of a scenario says."""

from __future__ import annotations

from typing import Any

from faultproxy.core.match import Literal, Regex
from faultproxy.scenario.sections import Crowd, Probe
from faultproxy.verify.players import tally as module
from faultproxy.verify.players.script import of_member, of_probe
from faultproxy.verify.players.tally import Tally
from faultproxy.verify.world import Asked, Ended, Player

PROBE: dict[str, Any] = {"name": "p", "send": "PING ${proxy_port}\r\n", "reply": "PONG\r\n", "every": "200ms"}


def test_everything_is_counted() -> None:
    tally = Tally(3)
    tally.opened()
    tally.opened()
    tally.answered(1.0, 1.5)
    tally.failed(2.0, "no answer")
    tally.erred("ECONNRESET")
    tally.closed(0.5, 4.0, by_server=True)
    assert tally.snapshot() == Player(
        total=3,
        ok=1,
        failures=1,
        open=1,
        closed_by_server=1,
        errors={"ECONNRESET": 1},
        asked=(Asked(1.0, 0.5), Asked(2.0, None)),
        ended=(Ended(4.0, 3.5, True),),
    )
    assert (tally.trouble, tally.last_ok) == ("no answer", 1.0)


def test_a_share_of_a_probe_is_of_what_it_asked() -> None:
    tally = Tally()
    tally.answered(0.0, 0.1)
    tally.failed(1.0, "no answer")
    assert tally.snapshot().total == 2


def test_a_look_is_free_while_nothing_happens_and_stays_what_it_was() -> None:
    tally = Tally(1)
    before = tally.snapshot()
    assert tally.snapshot() is before
    tally.opened()
    tally.erred("ETIMEDOUT")
    assert tally.snapshot().open == 1
    assert (before.open, before.errors) == (0, {})


def test_what_is_remembered_is_bounded_and_what_is_counted_is_not() -> None:
    tally = Tally(1)
    for number in range(module.KEPT + 5):
        tally.answered(float(number), number + 0.1)
    seen = tally.snapshot()
    assert (seen.ok, len(seen.asked), seen.asked[0].at) == (module.KEPT + 5, module.KEPT, 5.0)


def test_a_probe_fills_in_what_the_run_knows() -> None:
    probe = Probe.model_validate(PROBE | {"hello": {"send": "LOGIN a\r\n", "reply": {"regex": "^OK"}}})
    script = of_probe(probe, {"proxy_port": 7000})
    assert (script.send, script.reply, script.hello) == (b"PING 7000\r\n", Literal(b"PONG\r\n"), b"LOGIN a\r\n")
    assert isinstance(script.hello_reply, Regex)
    assert (script.behaviour, script.every, script.patience, script.impatient) == ("ask", 0.2, 1.0, True)


def test_who_asks_seldom_has_more_patience() -> None:
    assert of_probe(Probe.model_validate(PROBE | {"every": "3s"}), {"proxy_port": 1}).patience == 3.0
    crowd = {"name": "c", "count": 3, "send": "PING\r\n", "every": "1s"}
    assert of_member(Crowd.model_validate(crowd), 1, {}).patience == 5.0
    assert of_member(Crowd.model_validate(crowd | {"every": "7s"}), 1, {}).patience == 7.0


def test_a_member_of_a_crowd_knows_his_number() -> None:
    table = {
        "name": "c",
        "count": 3,
        "hello": {"send": "LOGIN p${n}\r\n"},
        "send": "I AM ${n}\r\n",
        "reply": "YOU ARE ${n}\r\n",
        "every": 1,
    }
    script = of_member(Crowd.model_validate(table | {"every": "1s"}), 2, {"seed": 1})
    assert (script.hello, script.hello_reply) == (b"LOGIN p2\r\n", None)
    assert (script.send, script.reply) == (b"I AM 2\r\n", Literal(b"YOU ARE 2\r\n"))
