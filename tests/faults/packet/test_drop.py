"""Lost segments, and acknowledgements that come again."""

from __future__ import annotations

from faultproxy.core.actions import Change, Inject, Lose, Pass
from tests.core.packet_playbook import PacketPlaybook, fault, play, sack, segment


def test_the_chosen_get_no_further() -> None:
    book = play(
        "drop",
        [
            (0.0, "from_client", "S"),
            (0.1, "to_client", "S.", 0, 1),
            (0.2, "from_client", ".", 1, 1),
            (0.3, "from_client", "P.", 1, 1, b"hello"),
            (0.5, "from_client", "P.", 1, 1, b"hello"),
            (0.6, "from_client", "F.", 6, 1),
        ],
        direction="from_client",
        segments="data",
    )
    assert book.done == [
        (0.0, Pass("from_client", 1)),
        (0.1, Pass("to_client", 2)),
        (0.2, Pass("from_client", 3)),
        (0.3, Lose("from_client", 4)),
        (0.5, Lose("from_client", 5)),
        (0.6, Pass("from_client", 6)),
    ]
    assert book.fired == [
        (0.3, "dropped a data segment, 5 bytes, seq +1"),
        (0.5, "dropped a resent data segment, 5 bytes, seq +1"),
    ]


def test_only_resent_ones() -> None:
    segments = [
        (0.0, "from_client", "P.", 1, 1, b"hello"),
        (0.1, "from_client", "P.", 6, 1, b"a"),
        (0.2, "from_client", "P.", 1, 1, b"hell"),
    ]
    book = play("drop", segments, direction="from_client", segments="retransmission")
    assert book.done == [(0.0, Pass("from_client", 1)), (0.1, Pass("from_client", 2)), (0.2, Lose("from_client", 3))]


def test_by_what_is_in_them() -> None:
    segments = [(0.0, "from_client", "P.", 1, 1, b"LOGIN a"), (0.1, "from_client", "P.", 8, 1, b"PING")]
    book = play("drop", segments, direction="from_client", payload="PING")
    assert book.done == [(0.0, Pass("from_client", 1)), (0.1, Lose("from_client", 2))]


def test_take_counts_anew_at_each_start() -> None:
    book = PacketPlaybook(fault("drop", direction="from_client", skip=1, take=1))
    for number in range(3):
        book.push(number, "from_client", ".", 1, number)
    book.heal(5.0, "drop").start(6.0, "drop")
    for number in range(3):
        book.push(7.0 + number, "from_client", ".", 1, number)
    assert [ref for ref, verdicts in book.verdicts().items() if verdicts == [Lose("from_client", ref)]] == [2, 5]


def test_healed_the_newest_acknowledgement_that_was_dropped_is_sent() -> None:
    segments = [(0.0, "to_client", ".", 1, 6), (0.1, "to_client", ".", 1, 11), (0.2, "to_client", ".", 1, 8)]
    book = play("drop", segments, heal=1.0, direction="to_client", segments="ack")
    assert book.done[-2:] == [(0.2, Lose("to_client", 3)), (1.0, Inject("to_client", segment("to_client", ".", 1, 11)))]


def test_but_not_if_a_newer_one_has_passed() -> None:
    segments = [(0.0, "to_client", ".", 1, 6), (0.1, "to_client", "P.", 1, 6, b"OK")]
    book = play("drop", segments, heal=1.0, direction="to_client", segments="ack")
    assert book.left("to_client") == [(0.1, 2)]


def test_and_not_for_the_proxy_itself() -> None:
    assert play("drop", [(0.0, "from_client", ".", 1, 6)], heal=1.0, direction="from_client").left("from_client") == []


def test_where_nobody_stands_between_both_ends_get_it() -> None:
    book = play("drop", [(0.0, "c2s", ".", 1, 1)], heal=1.0, segments="ack", flags="!PSH")
    assert book.done == [(0.0, Lose("c2s", 1)), (1.0, Inject("c2s", segment("c2s", ".", 1, 1)))]


def test_a_keep_alive_is_no_acknowledgement_to_be_repeated() -> None:
    segments = [(0.0, "to_client", "P.", 1, 6, b"OK"), (0.1, "to_client", ".", 2, 6)]
    book = play("drop", segments, heal=1.0, direction="to_client", segments="keepalive")
    assert book.fired == [(0.1, "dropped a keep-alive")]
    assert book.left("to_client") == [(0.0, 1)]


def test_rewind_lets_data_pass_and_acknowledges_nothing_new() -> None:
    book = PacketPlaybook(fault("drop", direction="to_client", segments="ack", rewind=True), idle=True)
    book.push(0.0, "from_client", "S").push(0.0, "to_client", "S.", 0, 1).push(0.1, "to_client", ".", 1, 6)
    book.start(0.2, "drop")
    book.push(0.3, "to_client", ".", 1, 11)
    book.push(0.4, "to_client", "P.", 1, 11, b"OK", options=sack(15, 20))
    book.push(0.5, "to_client", "P.", 3, 6, b"OK", options=sack(15, 20))
    book.push(0.6, "to_client", "P.", 5, 6, b"OK")
    book.push(0.7, "to_client", "F.", 7, 21, options=sack(25, 30))
    book.push(0.8, "to_client", "R", 8)
    book.heal(1.0, "drop")
    nops = b"\1" * 12
    assert book.done[3:] == [
        (0.3, Lose("to_client", 4)),
        (0.4, Change("to_client", 5, segment("to_client", "P.", 1, 6, b"OK", options=nops))),
        (0.5, Change("to_client", 6, segment("to_client", "P.", 3, 6, b"OK", options=nops))),
        (0.6, Pass("to_client", 7)),
        (0.7, Change("to_client", 8, segment("to_client", "F.", 7, 6, options=nops))),
        (0.8, Pass("to_client", 9)),
        (1.0, Inject("to_client", segment("to_client", ".", 8, 21, options=sack(25, 30)))),
    ]
    assert book.fired == [
        (0.3, "dropped an ACK, ack +11"),
        (0.4, "set back the acknowledgement of a data segment, 2 bytes, seq +1, by 5"),
        (0.5, "took the SACK blocks out of a data segment, 2 bytes, seq +3"),
        (0.7, "set back the acknowledgement of a FIN, seq +7, by 15"),
    ]


def test_rewind_sets_back_to_the_first_one_where_none_was_seen() -> None:
    segments = [(0.0, "to_client", "P.", 1, 6, b"OK"), (0.1, "to_client", "P.", 3, 9, b"OK")]
    book = play("drop", segments, heal=1.0, direction="to_client", segments="ack", rewind=True)
    assert book.left("to_client") == [
        (0.0, 1),
        (0.1, segment("to_client", "P.", 3, 6, b"OK")),
        (1.0, segment("to_client", ".", 5, 9)),
    ]
