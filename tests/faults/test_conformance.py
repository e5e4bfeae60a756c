"""What every stream and connection fault keeps to, whatever its kind."""

from __future__ import annotations

import inspect
import itertools
import random
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from faultproxy.core.actions import CloseLeg, Pause, SendFin
from faultproxy.core.events import DIRECTIONS, SINK, Direction, RunEnds
from faultproxy.core.limits import HELD_PER_DIRECTION, READ_SIZE
from faultproxy.faults import KINDS
from faultproxy.faults.base import DirectedFault, Fault
from tests.core.playbook import Playbook

Arrivals = list[tuple[float, Direction, bytes]]

EVERY = [pytest.param(kind, id=kind.model_fields["kind"].default) for kind in KINDS]
DIRECTED = [pytest.param(kind, id=kind.model_fields["kind"].default) for kind in KINDS if issubclass(kind, DirectedFault)]
FAITHFUL = [
    pytest.param(kind, id=kind.model_fields["kind"].default) for kind in KINDS if issubclass(kind, DirectedFault) and kind.keeps_bytes
]

MESSAGES: Arrivals = [
    (0.0, "c2s", b"LOGIN a\r\n"),
    (0.0, "s2c", b"LOGIN OK\r\n" * 30),
    (0.031, "s2c", bytes(range(256)) * 9),
    (0.1, "c2s", b"PING" * 20),
    (0.35, "s2c", b"BYE"),
    (2.0, "c2s", b"late" * 600),
    (2.0, "s2c", b"later" * 700),
]


def example(kind: type[Fault], **keys: Any) -> Fault:
    """The example of a kind, started as the connection opens unless the keys say otherwise."""
    table = {key: value for key, value in tomllib.loads(kind.example).items() if key not in ("at", "after_bytes", "on_match", "lasts")}
    return kind.model_validate(table | keys)


def cut(arrivals: Arrivals, sizes: Iterator[int]) -> Arrivals:
    """The same bytes at the same times, in other pieces."""
    pieces: Arrivals = []
    for time, direction, data in arrivals:
        while data:
            size = next(sizes)
            pieces.append((time, direction, data[:size]))
            data = data[size:]  # noqa: PLW2901
    return pieces


def play(kind: type[Fault], arrivals: Arrivals, *, seed: int = 1, end: bool = True, **keys: Any) -> Playbook:
    """Both ends send, then say goodbye, and an hour passes."""
    book = Playbook(example(kind, **keys).plan(), seed=seed)
    for time, direction, data in arrivals:
        book.send(time, direction, data)
    if end:
        book.fin(3.0, "c2s").fin(3.0, "s2c").until(3600.0)
    return book


def sent(arrivals: Arrivals, direction: Direction) -> bytes:
    return b"".join(data for _, way, data in arrivals if way == direction)


def arrived(book: Playbook, direction: Direction) -> bytes:
    return b"".join(data for _, data in book.writes(direction))


@pytest.mark.parametrize("kind", EVERY)
def test_it_is_documented(kind: type[Fault]) -> None:
    assert inspect.getdoc(kind), "the class docstring is the user's documentation"
    undocumented = [name for name, field in kind.model_fields.items() if name != "kind" and not field.description]
    assert undocumented == []


@pytest.mark.parametrize("kind", EVERY)
def test_its_example_loads_and_reads_back_from_its_table(kind: type[Fault]) -> None:
    fault = kind.model_validate(tomllib.loads(kind.example))
    assert fault.name == fault.kind
    assert kind.model_validate(fault.table()) == fault


@pytest.mark.parametrize("start", [{}, {"at": "30ms"}, {"after_bytes": "100B"}, {"on_match": "OK\r\nLOG"}])
@pytest.mark.parametrize("kind", DIRECTED)
def test_chunking_does_not_change_the_outcome(kind: type[Fault], start: dict[str, Any]) -> None:
    whole = play(kind, MESSAGES, **start).wire
    dice = random.Random(5)
    for sizes in (itertools.repeat(1), iter(lambda: dice.randint(1, 700), 0)):
        assert play(kind, cut(MESSAGES, sizes), **start).wire == whole


@pytest.mark.parametrize("lasts", [None, "0.2s"])
@pytest.mark.parametrize("kind", FAITHFUL)
def test_no_byte_is_lost_unless_it_says_so(kind: type[Fault], lasts: str | None) -> None:
    book = play(kind, MESSAGES, lasts=lasts)
    book.happens(3600.0, RunEnds())
    for direction in DIRECTIONS:
        assert arrived(book, direction) == sent(MESSAGES, direction)


@pytest.mark.parametrize("kind", DIRECTED)
def test_the_end_of_the_stream_gets_through_unless_it_says_so(kind: type[Fault]) -> None:
    book = play(kind, MESSAGES, direction="c2s")
    ended = any(act == SendFin("c2s") or (isinstance(act, CloseLeg) and act.side == SINK["c2s"]) for _, act in book.log)
    assert ended == kind.keeps_fin


@pytest.mark.parametrize("kind", DIRECTED)
def test_the_same_seed_gives_the_same_decisions(kind: type[Fault]) -> None:
    assert play(kind, MESSAGES, seed=11).log == play(kind, MESSAGES, seed=11).log


@pytest.mark.parametrize("kind", DIRECTED)
def test_memory_is_bounded_by_a_sender_that_stops_when_it_is_not_read(kind: type[Fault]) -> None:
    book, direction = Playbook(example(kind, direction="s2c").plan()), DIRECTIONS[1]
    data, most = bytes(READ_SIZE), 0
    for _ in range(2 * HELD_PER_DIRECTION // READ_SIZE):
        if book.log and book.log[-1][1] == Pause(direction):
            break
        book.send(0.0, direction, data)
        most = max(most, book.connection.held)
    assert most <= HELD_PER_DIRECTION
    assert book.run.budget.held == book.connection.held


@pytest.mark.parametrize("kind", DIRECTED)
def test_healing_releases_what_was_held_in_order_and_leaves_nothing(kind: type[Fault]) -> None:
    name = kind.model_fields["kind"].default
    book = play(kind, MESSAGES, end=False, direction="both").heal(2.0, name)
    assert (book.connection.held, book.run.budget.held, book.connection.deadline()) == (0, 0, None)
    if kind.keeps_bytes:
        assert [arrived(book, direction) for direction in DIRECTIONS] == [sent(MESSAGES, direction) for direction in DIRECTIONS]
        book.send(4.0, "c2s", b"after")
        assert book.wire[-1] == (4.0, "c2s", b"after")


@pytest.mark.parametrize("kind", DIRECTED)
def test_it_can_be_healed_and_started_again(kind: type[Fault]) -> None:
    name = kind.model_fields["kind"].default
    book = Playbook(example(kind, manual=True).plan())
    if kind.keeps_bytes:
        for second in range(3):
            book.order(second, name).send(second + 0.1, "s2c", bytes([second]) * 5000).heal(second + 0.5, name)
        assert arrived(book, "s2c") == b"".join(bytes([second]) * 5000 for second in range(3))
    assert book.connection.held == 0


@pytest.mark.parametrize("kind", DIRECTED)
def test_the_end_of_the_connection_leaves_nothing_behind(kind: type[Fault]) -> None:
    book = play(kind, MESSAGES, end=False).rst(2.0, "client").rst(2.0, "server").until(3600.0)
    book.happens(3600.0, RunEnds())
    assert (book.connection.over, book.run.budget.held, book.connection.active) == (True, 0, ())


@pytest.mark.parametrize("kind", DIRECTED)
def test_it_fires(kind: type[Fault]) -> None:
    often: dict[str, Any] = {"share": 0.5} if "share" in kind.model_fields else {}  # or the conversation is too short for it
    book = play(kind, MESSAGES, **often)
    assert book.fired(kind.model_fields["kind"].default), "an example must act on an ordinary conversation"
