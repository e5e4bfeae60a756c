"""How a segment is told in words."""

from __future__ import annotations

from typing import Any

import pytest

from faultproxy.core.stage import Act
from faultproxy.core.track import Leg
from faultproxy.faults.packet.stage import TapStage
from tests.core.packet_playbook import met


def stage(*, opened: bool = True) -> TapStage:
    """At a tap of a connection of which the SYNs were seen, or not."""
    leg = Leg("from_client", "to_client")
    if opened:
        leg.ways["from_client"].see(met("from_client", "S"))
        leg.ways["to_client"].see(met("to_client", "S.", 0, 1))
    leg.ways["from_client"].see(met("from_client", "P.", 1, 1, b"hello"))
    return TapStage("from_client", leg)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (("P.", 6, 1, b"x"), "a data segment, 1 byte, seq +6"),
        (("P.", 1, 1, b"hello"), "a resent data segment, 5 bytes, seq +1"),
        (("P.", 5, 1, b"o"), "a resent data segment, 1 byte, seq +5"),
        ((".", 5, 1), "a keep-alive, ack +1"),
        ((".", 6, 9), "an ACK, ack +9"),
        (("F.", 6, 9, b"bye"), "a FIN, 3 bytes, seq +6"),
        (("F.", 6, 9), "a FIN, seq +6"),
        (("R", 6), "a RST, seq +6"),
        (("S",), "a resent SYN"),
        (("S.", 0, 1), "a resent SYN-ACK"),
        (("P", 6), "a segment without ACK, seq +6"),
    ],
)
def test_words(what: tuple[Any, ...], words: str) -> None:
    found = stage()
    packet = met("from_client", *what)
    packet.marks = found.way.see(packet)
    assert found.told(packet) == words


def test_a_window_update() -> None:
    found = stage()
    found.way.see(met("from_client", ".", 6, 9, window=100))
    packet = met("from_client", ".", 6, 9)
    packet.marks = found.way.see(packet)
    assert found.told(packet) == "a window update, ack +9"


def test_numbers_are_left_out_where_the_syn_was_not_seen() -> None:
    found = stage(opened=False)
    assert found.told(met("from_client", "P.", 6, 1, b"x")) == "a data segment, 1 byte"
    assert found.did("held", met("from_client", ".", 6, 1), "for 5 ms") == Act("held an ACK, for 5 ms", size=0)
