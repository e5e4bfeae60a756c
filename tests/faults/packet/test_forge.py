"""Segments that nobody sent."""

from __future__ import annotations

import pytest

from faultproxy.core.actions import Inject
from faultproxy.core.header import Packet
from tests.core.packet_playbook import ISN, WSCALE_7, PacketPlaybook, clock, fault, segment


def talk(send: str, sequence: str = "exact", *, tap: str = "to_client", options: bytes = b"", seed: int = 1) -> PacketPlaybook:
    """A client that has said 5 bytes and a server that has said 2, all of it acknowledged; then the fault."""
    book = PacketPlaybook(fault("forge", direction=tap, send=send, sequence=sequence), idle=True, seed=seed)
    book.push(0.0, "from_client", "S", options=options + WSCALE_7).push(0.1, "to_client", "S.", 0, 1, options=options + WSCALE_7)
    book.push(0.2, "from_client", "P.", 1, 1, b"hello", options=options).push(0.3, "to_client", "P.", 1, 6, b"OK", options=options)
    return book.push(0.4, "from_client", ".", 6, 3, window=100, options=options).start(1.0, "forge")


@pytest.mark.parametrize(("send", "flags"), [("RST", "R"), ("FIN", "F."), ("ACK", "."), ("SYN", "S")])
def test_an_exact_one_is_what_its_receiver_expects(send: str, flags: str) -> None:
    window = 65_535 if send == "SYN" else 500
    book = talk(send)
    assert book.left("to_client")[-1] == (1.0, segment("to_client", flags, 3, 6, window=window))
    name = {"RST": "a RST", "FIN": "a FIN", "ACK": "an ACK", "SYN": "a SYN"}[send]
    number = ", ack +6" if send == "ACK" else ", seq +3"
    assert book.fired == [(1.0, f"forged {name}{number}, as expected")]


def test_while_something_is_under_way_a_reset_is_sent_for_either_case_and_counts_as_one() -> None:
    book = PacketPlaybook(fault("forge", direction="to_client", send="RST"), idle=True)
    book.push(0.0, "from_client", ".", 6, 3).push(0.1, "to_client", "P.", 3, 6, b"not there yet").start(1.0, "forge")
    assert book.left("to_client")[-2:] == [(1.0, segment("to_client", "R", 16)), (1.0, segment("to_client", "R", 3))]
    assert book.fired == [(1.0, "forged a RST, as expected")]


def test_while_something_is_under_way_a_fin_stands_behind_it() -> None:
    book = PacketPlaybook(fault("forge", direction="to_client", send="FIN"), idle=True)
    book.push(0.0, "from_client", ".", 6, 3).push(0.1, "to_client", "P.", 3, 6, b"not there yet").start(1.0, "forge")
    assert book.left("to_client")[-1] == (1.0, segment("to_client", "F.", 16, 6))


@pytest.mark.parametrize("send", ["RST", "FIN", "ACK", "SYN"])
def test_a_blind_one_is_in_the_window_and_not_at_its_edge(send: str) -> None:
    numbers = set()
    for seed in range(40):
        _, action = talk(send, "blind", seed=seed).done[-1]
        assert isinstance(action, Inject)
        forged = Packet(action.data)
        number = (forged.seq - ISN["s2c"]) % 2**32
        assert 3 < number < 3 + (100 << 7)
        if send == "ACK":
            assert 6 < (forged.ack - ISN["c2s"]) % 2**32 < 6 + (100 << 7)
        numbers.add(number)
    assert len(numbers) > 30
    assert talk(send, "blind").log == talk(send, "blind").log


def test_a_blind_one_for_a_window_that_is_shut_is_next_to_what_is_expected() -> None:
    book = PacketPlaybook(fault("forge", direction="to_client", send="RST", sequence="blind"), idle=True)
    book.push(0.0, "from_client", ".", 6, 3, window=0).start(1.0, "forge")
    assert book.left("to_client") == [(1.0, segment("to_client", "R", 4, window=65_535))]


def test_it_carries_the_clock_where_there_is_one() -> None:
    assert talk("FIN", options=clock(7, 9)).left("to_client")[-1] == (1.0, segment("to_client", "F.", 3, 6, options=clock(7, 7)))
    assert talk("RST", options=clock(7, 9)).left("to_client")[-1] == (1.0, segment("to_client", "R", 3, 6))


def test_a_client_that_waits_for_an_answer() -> None:
    def book(send: str) -> PacketPlaybook:
        found = PacketPlaybook(fault("forge", direction="to_client", send=send), idle=True)
        return found.push(0.0, "from_client", "S").start(1.0, "forge")

    assert book("RST").left("to_client") == [(1.0, segment("to_client", "R.", -ISN["s2c"], 1, window=65_535))]
    (_, data), *_ = book("SYN").left("to_client")
    assert isinstance(data, bytes)
    syn = Packet(data)
    assert data == segment("to_client", "S", syn.seq - ISN["s2c"], window=65_535)


def test_where_nothing_is_known_it_follows_the_first() -> None:
    book = PacketPlaybook(fault("forge", direction="s2c", send="RST"))
    book.start(0.5, "forge").push(1.0, "s2c", "P.", 1, 6, b"OK").push(1.1, "s2c", "P.", 3, 6, b"OK")
    reset = (1.0, segment("s2c", "R", 3))
    assert book.left("s2c") == [(1.0, 1), reset, reset, (1.1, 2)]


def test_healed_before_it_could_be_sent_it_is_not() -> None:
    book = PacketPlaybook(fault("forge", direction="to_client", send="RST")).heal(0.5, "forge").start(0.6, "forge").heal(0.7, "forge")
    book.push(1.0, "to_client", "P.", 1, 6, b"OK")
    assert book.left("to_client") == [(1.0, 1)]


def test_it_meets_the_faults_behind_it() -> None:
    book = PacketPlaybook(
        fault("forge", direction="to_client", send="RST"), fault("drop", direction="to_client", segments="rst"), idle=True
    )
    book.push(0.0, "from_client", ".", 6, 3).start(0.0, "drop").start(1.0, "forge")
    assert book.left("to_client") == []
    assert book.fired == [(1.0, "forged a RST, as expected"), (1.0, "dropped a RST")]
