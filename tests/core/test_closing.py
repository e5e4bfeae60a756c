"""The rules of closing, one by one."""

from __future__ import annotations

import pytest

from faultproxy.core.closing import Leg, is_done
from faultproxy.core.events import Side
from faultproxy.core.limits import Budget
from faultproxy.core.pipe import Pipe


def legs(**flags: str) -> dict[Side, Leg]:
    """Legs with these flags: ``legs(client="got_fin gone")``."""
    made: dict[Side, Leg] = {"client": Leg(), "server": Leg()}
    for side, leg in made.items():
        for flag in flags.get(side, "").split():
            setattr(leg, flag, True)
    return made


def pipe(dead: bool = False) -> Pipe:
    made = Pipe([], lambda item: None, lambda fault, act: None, Budget())
    if dead:
        made.discard()
    return made


@pytest.mark.parametrize(
    ("client", "server", "done"),
    [
        ("", "", False),
        ("got_fin", "", False),
        ("sent_fin", "got_fin", False),
        ("got_fin sent_fin", "got_fin", True),
        ("got_fin sent_fin gone", "got_fin", False),
        ("got_fin", "got_fin gone", False),  # its FIN is held somewhere, and will come
        ("got_fin", "gone", True),  # a fault has ended the other leg: nothing will come
        ("", "gone", False),  # open, read and unanswered
        ("got_fin", "gone reset", False),  # a RST is on its way
    ],
)
def test_when_the_clients_leg_is_done(client: str, server: str, done: bool) -> None:
    assert is_done("client", legs(client=client, server=server), pipe()) is done


def test_a_rst_that_has_come_through_is_not_waited_for() -> None:
    assert is_done("client", legs(client="got_fin", server="gone reset"), pipe(dead=True))
