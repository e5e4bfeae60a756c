"""`slice`, step by step."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from faultproxy.core.actions import Fired, Pause, Resume, Send, SendFin, Started
from faultproxy.core.events import Data, Dialled, Timer
from faultproxy.core.plan import Peer
from faultproxy.core.run import Run
from faultproxy.faults.stream.slice import Slice
from tests.core.playbook import Playbook, fault


def test_pieces_leave_in_writes_of_their_own_an_interval_apart() -> None:
    book = Playbook(fault("slice", direction="c2s", size="4B", interval="1s")).send(0.0, "c2s", b"abcdefghij").fin(0.0, "c2s").until(9.0)
    book.must(
        (0.0, Started("slice", "connection opened")),
        (0.0, Send("c2s", b"abcd")),
        (1.0, Send("c2s", b"efgh")),
        (1.0, Fired("slice", "cut", "c2s", 4)),
        (2.0, Send("c2s", b"ij")),
        (2.0, Fired("slice", "cut", "c2s", 8)),
        (2.0, SendFin("c2s")),
    )


def test_without_an_interval_they_leave_at_once() -> None:
    book = Playbook(fault("slice", direction="c2s", size="4B")).send(0.0, "c2s", b"abcdefghij")
    assert book.writes("c2s") == [(0.0, b"abcd"), (0.0, b"efgh"), (0.0, b"ij")]


def test_a_piece_that_has_begun_does_not_wait_to_be_full() -> None:
    book = Playbook(fault("slice", direction="c2s", size="4B", interval="1s"))
    book.send(0.0, "c2s", b"ab").send(0.25, "c2s", b"cdef").until(9.0)
    assert book.wire == [(0.0, "c2s", b"ab"), (0.25, "c2s", b"cd"), (1.0, "c2s", b"ef")]


def test_the_interval_counts_from_the_start_of_the_piece_before() -> None:
    book = Playbook(fault("slice", direction="c2s", size="2B", interval="1s"))
    book.send(0.0, "c2s", b"ab").send(1.5, "c2s", b"cd").send(1.75, "c2s", b"efgh").until(9.0)
    assert book.wire == [(0.0, "c2s", b"ab"), (1.5, "c2s", b"cd"), (2.5, "c2s", b"ef"), (3.5, "c2s", b"gh")]


def test_cuts_are_counted_from_where_it_begins() -> None:
    book = Playbook(fault("slice", direction="c2s", size="4B", after_bytes="3B")).send(0.0, "c2s", b"abcdefghij")
    assert book.writes("c2s") == [(0.0, b"abc"), (0.0, b"defg"), (0.0, b"hij")]


def test_sizes_vary_within_their_bounds() -> None:
    book = Playbook(fault("slice", direction="c2s", size="10B", variation="4B")).send(0.0, "c2s", bytes(10_000))
    sizes = [len(data) for _, data in book.writes("c2s")][:-1]
    assert set(sizes) == set(range(6, 15))


def test_a_rst_keeps_its_place_and_healing_releases() -> None:
    drip = fault("slice", direction="c2s", size="1B", interval="1s")
    assert Playbook(drip).send(0.0, "c2s", b"abc").rst(0.5, "client").until(9.0).wire[-2:] == [(2.0, "c2s", b"c"), (2.0, "c2s", "RST")]
    assert Playbook(drip).send(0.0, "c2s", b"abc").heal(0.5, "slice").wire == [(0.0, "c2s", b"a"), (0.5, "c2s", b"bc")]


def test_a_drip_is_felt_by_the_sender() -> None:
    book = Playbook(fault("slice", direction="c2s", size="1KiB", interval="1s")).send(0.0, "c2s", bytes(128 * 1024)).until(200.0)
    flow = [(time, act) for time, act in book.log if isinstance(act, Pause | Resume)]
    assert flow == [(0.0, Pause("c2s")), (95.0, Resume("c2s"))]


def test_what_was_not_cut_has_not_been_acted_on() -> None:
    assert Playbook(fault("slice", direction="c2s", size="4B")).send(0.0, "c2s", b"abcd").until(9.0).fired("slice") == []


def test_a_piece_has_a_byte() -> None:
    with pytest.raises(ValidationError, match="`variation` must be smaller than `size`"):
        Slice.model_validate({"kind": "slice", "size": "4B", "variation": "4B"})


def test_a_large_backlog_is_cut_a_part_at_a_time() -> None:
    connection, _ = Run([fault("slice", size="1B")], 1, 0.0).admit(Peer(), 0.0)
    assert connection is not None
    connection.handle(Dialled("x"), 0.0)
    rounds = [connection.handle(Data("c2s", 0, b"x" * 5000), 1.0)]
    while (deadline := connection.deadline()) is not None and deadline <= 1.0:
        rounds.append(connection.handle(Timer(), 1.0))
    sent = [sum(isinstance(action, Send) for action in actions) for actions in rounds]
    assert sum(sent) == 5000
    assert max(sent) <= 3000
