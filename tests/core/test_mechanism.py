"""The cheapest mechanism that can do a packet fault."""

from __future__ import annotations

import pytest

from faultproxy.core.mechanism import by, choose, crowded_out, means
from tests.core.playbook import written

DATA_IN = 'kind = "drop"\nname = "{}"\ndirection = "{}"\nsegments = "data"\n'


def chosen(*tables: str, filters: bool = True) -> list[str | None]:
    """By which means each of these faults is carried out."""
    return [by(plan) for plan in choose([written(table) for table in tables], filters=filters)]


@pytest.mark.parametrize("start", ['on_match = {c2s = "GO"}', 'after_bytes = {c2s = "1KiB"}', 'on_fin = "server"', 'on_fault = "other"'])
def test_a_filter_drops_what_comes_in_once_the_connection_is_open(start: str) -> None:
    table = DATA_IN.format("a", "from_client") + start
    assert chosen(table) == ["socket filter"]
    assert chosen(table, filters=False) == ["queue"]


@pytest.mark.parametrize("start", ["", 'at = "1s"', "manual = true", 'after = "1s"'])
def test_what_may_meet_a_connection_that_is_only_being_opened_is_queued(start: str) -> None:
    assert chosen(DATA_IN.format("a", "from_client") + start) == ["queue"]


@pytest.mark.parametrize(
    "more",
    ['share = "5%"', "take = 1", "step = 2", 'payload = "x"', "burst = {enter = 0.1, leave = 0.5}", 'segments = "retransmission"'],
)
def test_a_filter_knows_neither_counts_nor_chance_nor_what_was_before(more: str) -> None:
    table = 'kind = "drop"\ndirection = "from_client"\non_match = {c2s = "GO"}\n'
    assert chosen(table + ("" if "segments" in more else 'segments = "data"\n') + more) == ["queue"]


def test_it_sees_only_what_the_proxy_receives() -> None:
    assert chosen(DATA_IN.format("a", "to_client") + 'on_match = {c2s = "GO"}') == ["queue"]


def test_two_at_one_tap_keep_the_order_of_the_file() -> None:
    one = DATA_IN.format("a", "from_client") + 'on_match = {c2s = "GO"}'
    other = DATA_IN.format("b", "from_client") + 'on_match = {c2s = "ON"}'
    elsewhere = DATA_IN.format("c", "from_server") + 'on_match = {c2s = "ON"}'
    assert chosen(one, other, elsewhere) == ["queue", "queue", "socket filter"]


def test_other_planes_have_no_mechanism() -> None:
    assert chosen('kind = "latency"\ndelay = "1ms"\n') == [None]


def test_one_that_comes_later_is_filtered_only_where_it_is_alone() -> None:
    there = choose([written(DATA_IN.format("a", "from_client") + 'on_fin = "client"')], filters=True)
    elsewhere = means(written(DATA_IN.format("b", "from_server") + 'on_fin = "client"'), there, filters=True)
    beside = means(written(DATA_IN.format("c", "from_client") + 'on_fin = "client"'), there, filters=True)
    assert (by(elsewhere), by(beside)) == ("socket filter", "queue")
    assert crowded_out(there, elsewhere) == ()
    assert [by(plan) for plan in crowded_out(there, beside)] == ["queue"]


def test_other_figures_of_the_same_fault_do_not_crowd_it_out() -> None:
    table = DATA_IN.format("a", "from_client") + 'on_fin = "client"\n'
    there = choose([written(table)], filters=True)
    assert by(means(written(table + "length = {max = 9}"), there, filters=True)) == "socket filter"
    changed = means(written(table + "step = 2"), there, filters=True)
    assert (by(changed), crowded_out(there, changed)) == ("queue", ())
