"""Several faults at once, thrown together at random: what holds for one must hold for all of them in any order."""

from __future__ import annotations

import itertools
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from faultproxy.core.events import DIRECTIONS, Direction, RunEnds
from faultproxy.core.plan import FaultPlan
from tests.core.playbook import Playbook, fault

TABLES: list[dict[str, Any]] = [
    {"kind": "latency", "delay": "30ms", "jitter": "20ms"},
    {"kind": "bandwidth", "rate": "10kB/s", "burst": "100B"},
    {"kind": "slice", "size": "16B", "variation": "7B", "interval": "5ms"},
    {"kind": "coalesce", "size": "100B", "wait": "40ms"},
    {"kind": "stall_reads"},
    {"kind": "flip", "share": 0.1},
    {"kind": "inject", "payload": "<injected>"},
    {"kind": "hold_fin"},
    {"kind": "blackhole"},
    {"kind": "half_close"},
    {"kind": "close"},
    {"kind": "linger", "timeout": "0s"},
    {"kind": "reset"},
]
FAITHFUL = [table for table in TABLES if table["kind"] in ("latency", "bandwidth", "slice", "coalesce", "stall_reads", "hold_fin")]
STARTS: list[dict[str, Any]] = [
    {},
    {"at": "50ms"},
    {"after_bytes": "50B", "times": 2},
    {"on_match": "PING", "times": 3},
    {"on_match": {"s2c": "OK"}, "after": "20ms"},
    {"at": "20ms", "every": "60ms"},
    {"on_fault": "other"},
]
SPANS: list[dict[str, Any]] = [{}, {"lasts": "60ms"}, {"lasts": "10ms"}]
MESSAGES: list[tuple[float, Direction, bytes]] = [
    (0.0, "c2s", b"LOGIN a\r\nPING\r\n"),
    (0.0, "s2c", b"LOGIN OK\r\n"),
    (0.02, "s2c", bytes(range(256))),
    (0.03, "c2s", b"PING" * 20),
    (0.1, "s2c", b"x" * 300),
    (0.2, "c2s", b"PING and more"),
]
Recipe = tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]

calm = settings(max_examples=120, deadline=None, derandomize=True)


def recipes(tables: list[dict[str, Any]]) -> st.SearchStrategy[list[Recipe]]:
    ways = st.sampled_from(["c2s", "s2c", "both"])
    one = st.tuples(st.sampled_from(tables), st.sampled_from(STARTS), st.sampled_from(SPANS), ways)
    return st.lists(one, min_size=1, max_size=4)


def faults(cooked: list[Recipe]) -> list[FaultPlan]:
    made = []
    for number, (table, start, span, way) in enumerate(cooked):
        lasting = span or ({"lasts": "30ms"} if "every" in start else {})
        name = "other" if number == 0 and "on_fault" not in start else f"fault {number}"
        made.append(fault(**(table | start | lasting | {"name": name, "direction": way})))
    return made


def play(cooked: list[Recipe], sizes: list[int], last: str) -> Playbook:
    book, lengths = Playbook(*faults(cooked), seed=3), itertools.cycle(sizes)
    for time, direction, message in MESSAGES:
        data = message
        while data and not book.connection.over:
            size = next(lengths)
            book.send(time, direction, data[:size])
            data = data[size:]
    if last == "rst":
        book.rst(0.25, "client")
    else:
        book.fin(0.25, "c2s").fin(0.3, "s2c")
    return book.until(5.0)


@calm
@given(recipes(TABLES), st.lists(st.integers(1, 90), min_size=1, max_size=5), st.sampled_from(["fin", "rst"]))
def test_chunking_does_not_change_the_outcome(cooked: list[Recipe], sizes: list[int], last: str) -> None:
    whole = play(cooked, [1000], last).wire
    assert play(cooked, sizes, last).wire == whole
    assert play(cooked, [1], last).wire == whole


@calm
@given(recipes(FAITHFUL))
def test_what_is_only_held_arrives_whole_and_in_order(cooked: list[Recipe]) -> None:
    book = play(cooked, [random.Random(1).randint(1, 50)], "fin").happens(5.0, RunEnds())
    for direction in DIRECTIONS:
        sent = b"".join(data for _, way, data in MESSAGES if way == direction)
        assert b"".join(data for _, data in book.writes(direction)) == sent
    assert book.connection.over, "both ends have said goodbye and nothing is in the way"


@calm
@given(recipes(TABLES), st.sampled_from(["fin", "rst"]))
def test_nothing_is_left_in_the_end(cooked: list[Recipe], last: str) -> None:
    book = play(cooked, [1000], last).happens(5.0, RunEnds()).rst(6.0, "client").rst(6.0, "server").until(100.0)
    assert (book.connection.over, book.connection.held, book.run.budget.held) == (True, 0, 0)
    assert [stats.where for stats in book.run.stats] == [0] * len(cooked)
