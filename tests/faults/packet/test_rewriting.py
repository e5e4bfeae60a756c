"""Faults that change headers or payloads: corrupt, window, flags, timestamps, strip."""

from __future__ import annotations

import pytest

from faultproxy.core.actions import Change, Pass
from faultproxy.core.header import Packet
from tests.core.packet_playbook import MSS_1460, SACK_OK, WSCALE_7, PacketPlaybook, clock, fault, play, sack, segment

NOPS = b"\1\1\1\1"


@pytest.mark.parametrize("bits", [1, 5, 64])
def test_so_many_bits_are_flipped_and_the_checksum_fixed(bits: int) -> None:
    book = play(
        "corrupt",
        [(0.0, "to_client", ".", 1, 1), (0.1, "to_client", "P.", 1, 1, bytes(8))],
        direction="to_client",
        checksum="fixed",
        bits=bits,
    )
    (_, passed), (_, change) = book.done
    assert passed == Pass("to_client", 1)
    assert isinstance(change, Change)
    data = Packet(change.data).payload
    assert change.data == segment("to_client", "P.", 1, 1, data)
    assert int.from_bytes(data, "big").bit_count() == bits
    how = "1 bit" if bits == 1 else f"{bits} bits"
    assert book.fired == [(0.1, f"corrupted a data segment, 8 bytes, {how} flipped, checksum fixed")]


def test_a_broken_checksum_is_past_repair_by_other_faults() -> None:
    book = PacketPlaybook(fault("corrupt", direction="to_client", take=1, bits=8), fault("drop", direction="to_client", segments="data"))
    book.push(0.0, "to_client", "P.", 1, 1, b"\0").push(0.1, "to_client", "P.", 2, 1, b"\0")
    assert book.left("to_client") == [(0.0, segment("to_client", "P.", 1, 1, b"\xff", broken=True))]


SHAKE = [(0.0, "from_client", "S"), (0.0, "to_client", "S.", 0, 1)]
SCALED = [
    (0.0, "from_client", "S", 0, 0, b"", WSCALE_7),
    (0.0, "to_client", "S.", 0, 1, b"", WSCALE_7),
]


def shaken(*, options: bytes = b"", theirs: bytes | None = None, **keys: str) -> PacketPlaybook:
    """A handshake with these options, and then the fault `window`."""
    book = PacketPlaybook(fault("window", direction="to_client", **keys), idle=True)
    book.push(0.0, "from_client", "S", options=options if theirs is None else theirs).push(0.0, "to_client", "S.", 0, 1, options=options)
    return book.start(0.0, "window")


def test_a_window_of_zero_and_healed_the_true_one_again() -> None:
    book = shaken(size="0B", options=clock(7))
    book.push(0.1, "to_client", ".", 1, 6, window=500, options=clock(8, 1))
    book.push(0.2, "to_client", "P.", 1, 11, b"OK", window=400, options=clock(9, 2))
    book.push(0.3, "to_client", ".", 3, 11, window=0)
    book.push(0.4, "to_client", "P.", 3, 16, b"OK", window=300, options=clock(10, 3))
    book.heal(1.0, "window")
    assert book.left("to_client")[1:] == [
        (0.1, segment("to_client", ".", 1, 6, window=0, options=clock(8, 1))),
        (0.2, segment("to_client", "P.", 1, 11, b"OK", window=0, options=clock(9, 2))),
        (0.3, 5),
        (0.4, segment("to_client", "P.", 3, 16, b"OK", window=0, options=clock(10, 3))),
        (1.0, segment("to_client", ".", 5, 16, window=300, options=clock(10, 3))),
    ]
    assert book.fired[0] == (0.1, "rewrote the window of an ACK, ack +6, 0 instead of 500")


def test_an_acknowledgement_is_repeated_as_it_was() -> None:
    book = shaken(size="0B").push(0.1, "to_client", ".", 1, 6, options=sack(9, 12)).heal(1.0, "window")
    assert book.left("to_client")[-1] == (1.0, segment("to_client", ".", 1, 6, options=sack(9, 12)))


def test_a_window_that_was_told_already_is_not_told_again() -> None:
    book = shaken(size="300B").push(0.1, "to_client", ".", 1, 6).push(0.2, "to_client", ".", 1, 11, window=300).heal(1.0, "window")
    assert book.left("to_client")[1:] == [(0.1, segment("to_client", ".", 1, 6, window=300)), (0.2, 4)]


def test_a_window_is_counted_in_units_of_its_scale_if_both_have_offered_one() -> None:
    assert shaken(size="1000B", options=WSCALE_7).push(0.1, "to_client", ".", 1, 6).left("to_client")[-1] == (
        0.1,
        segment("to_client", ".", 1, 6, window=7),
    )
    assert shaken(size="100B", options=WSCALE_7, theirs=b"").push(0.1, "to_client", ".", 1, 6).left("to_client")[-1] == (
        0.1,
        segment("to_client", ".", 1, 6, window=100),
    )


def test_the_window_of_a_syn_has_no_scale_but_its_repetition_has() -> None:
    book = PacketPlaybook(fault("window", direction="to_client", size="0B"))
    options = MSS_1460 + SACK_OK + clock(7, 1) + WSCALE_7
    book.push(0.0, "from_client", "S", options=WSCALE_7).push(0.1, "to_client", "S.", 0, 1, window=64_000, options=options)
    book.heal(1.0, "window")
    assert book.left("to_client") == [
        (0.1, segment("to_client", "S.", 0, 1, window=0, options=options)),
        (1.0, segment("to_client", ".", 1, 1, window=500, options=clock(7, 1))),
    ]


def test_a_reset_has_no_window() -> None:
    assert play("window", [(0.0, "to_client", "R.", 1, 1)], direction="to_client", size="0B").done == [(0.0, Pass("to_client", 1))]


def test_flags_are_set_and_cleared() -> None:
    segments = [(0.0, "to_server", "P.", 1, 1, b"a"), (0.1, "to_server", ".E", 2, 1, b"a"), (0.2, "to_server", "F.", 3, 1)]
    book = play("flags", segments, direction="to_server", set="ECE", clear=["PSH", "FIN"])
    assert book.left("to_server") == [
        (0.0, segment("to_server", ".E", 1, 1, b"a")),
        (0.1, 2),
        (0.2, segment("to_server", ".E", 3, 1)),
    ]
    assert book.fired == [
        (0.0, "set ECE and cleared PSH, FIN in a data segment, 1 byte"),
        (0.2, "set ECE and cleared PSH, FIN in a FIN"),
    ]


def test_clocks_are_shifted_modulo_2_to_the_32() -> None:
    segments = [
        (0.0, "to_client", ".", 1, 1, b""),
        (0.1, "to_client", ".", 1, 2, b""),
        (0.2, "to_client", "S", 0, 0, b""),
    ]
    options = (clock(50, 70), b"", clock(2**32 - 1, 0))
    book = PacketPlaybook(fault("timestamps", direction="to_client", shift=-100, echo_shift=5))
    for (time, *what), option in zip(segments, options, strict=True):
        book.push(time, *what, options=option)  # type: ignore[arg-type]
    assert book.left("to_client") == [
        (0.0, segment("to_client", ".", 1, 1, options=clock(2**32 - 50, 75))),
        (0.1, 2),
        (0.2, segment("to_client", "S", options=clock(2**32 - 101, 0))),
    ]
    assert book.fired == [
        (0.0, "shifted the timestamps of an ACK, TSval -100, TSecr +5"),
        (0.2, "shifted the timestamps of a SYN, TSval -100"),
    ]


def test_options_are_stripped_from_a_syn_only() -> None:
    book = PacketPlaybook(fault("strip", direction="from_client", options=["sack", "wscale", "timestamps"]))
    book.push(0.0, "from_client", "S", options=MSS_1460 + SACK_OK + WSCALE_7)
    book.push(0.1, "from_client", ".", 1, 1, options=clock(1, 1))
    book.push(0.2, "from_client", "S", options=MSS_1460)
    assert book.left("from_client") == [(0.0, segment("from_client", "S", options=MSS_1460 + NOPS + NOPS)), (0.1, 2), (0.2, 3)]
    assert book.fired == [(0.0, "stripped sack, wscale from a SYN")]


def test_the_mss_is_only_lowered() -> None:
    book = PacketPlaybook(fault("strip", direction="from_server", mss=536, options="wscale"))
    book.push(0.0, "from_server", "S.", 0, 1, options=MSS_1460 + WSCALE_7)
    book.push(0.1, "from_server", "S.", 0, 1, options=bytes((2, 4, 2, 24)))
    assert book.left("from_server") == [(0.0, segment("from_server", "S.", 0, 1, options=bytes((2, 4, 2, 24)) + NOPS)), (0.1, 2)]
    assert book.fired == [(0.0, "lowered the MSS from 1460 to 536 in a SYN-ACK, without wscale")]


def test_large_packets_and_all_packets() -> None:
    segments = [(0.0, "from_client", "P.", 1, 1, bytes(60)), (0.1, "from_client", "P.", 61, 1, bytes(61))]
    book = play("mtu", segments, direction="from_client", size="100B")
    assert book.left("from_client") == [(0.0, 1)]
    assert book.fired == [(0.1, "dropped a data segment, 61 bytes, a packet of 101 bytes")]
    gone = play("vanish", segments, direction="from_client", heal=1.0)
    assert gone.left("from_client") == []
    assert gone.fired == [(0.0, "lost a data segment, 60 bytes"), (0.1, "lost a data segment, 61 bytes")]
