"""Who is concerned, and how a dial differs from another."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from faultproxy.core.match import Count
from faultproxy.core.plan import Dial, Peer, Selection

OUTSIDER = Peer("10.0.0.7", 1)
MEMBER = Peer("127.0.0.1", 1, "crowd", "players", 3)
PROBE = Peer("127.0.0.1", 1, "probe", "healthy", 1)


@pytest.mark.parametrize(
    ("selection", "concerned"),
    [
        (Selection(), [OUTSIDER, MEMBER]),
        (Selection(frozenset({3})), [OUTSIDER, MEMBER]),
        (Selection(frozenset({4})), []),
        (Selection(crowd="players"), [MEMBER]),
        (Selection(crowd="others"), []),
        (Selection(probe="healthy"), [PROBE]),
        (Selection(source=ip_network("10.0.0.0/8")), [OUTSIDER]),
    ],
)
def test_who_is_concerned(selection: Selection, concerned: list[Peer]) -> None:
    assert [peer for peer in (OUTSIDER, MEMBER, PROBE) if selection.concerns(peer, 3)] == concerned


def test_everybody_is_nobody_left_out() -> None:
    assert [Selection().everybody, Selection(count=Count(skip=1)).everybody, Selection(crowd="a").everybody] == [True, False, False]


def test_a_dial_says_how_it_differs() -> None:
    assert Dial(0.5).difference(Dial()) == "dialled 0.500 s late"
    assert Dial(address="127.0.0.2").difference(Dial()) == "dialled from 127.0.0.2"
    assert Dial(0.5, ports=(5, 9)).difference(Dial()) == "dialled 0.500 s late, dialled from any address port 5-9"
    assert Dial(0.5).difference(Dial(0.5)) == ""
