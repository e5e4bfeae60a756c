"""Who comes from which port, and what his program has had of it."""

from __future__ import annotations

from faultproxy.core.plan import Peer
from faultproxy.verify.players.fate import Roll

MEMBER = Peer("", 0, "crowd", "players", 7)


def test_a_port_is_his_until_the_connection_is_gone() -> None:
    roll = Roll()
    fate = roll.enroll(40000, MEMBER)
    came = roll.who("127.0.0.1", 40000)
    assert came == Peer("127.0.0.1", 40000, "crowd", "players", 7)
    assert roll.fate(came) is fate
    roll.forget(40000, fate)
    assert roll.who("127.0.0.1", 40000) == Peer("127.0.0.1", 40000)


def test_who_could_not_connect_comes_no_more() -> None:
    roll = Roll()
    roll.enroll(40000, MEMBER).unconnected = True
    assert roll.who("127.0.0.1", 40000).role == "outsider"


def test_the_end_of_one_connection_does_not_end_the_next_from_its_port() -> None:
    roll = Roll()
    first = roll.enroll(40000, MEMBER)
    second = roll.enroll(40000, MEMBER)
    roll.forget(40000, first)
    assert roll.fate(roll.who("127.0.0.1", 40000)) is second


def test_an_outsider_tells_nothing() -> None:
    roll = Roll()
    roll.enroll(40000, MEMBER)
    assert roll.fate(Peer("127.0.0.1", 40000)) is None
