"""All taps of one connection: order, verdicts, and what is held."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultproxy.core.actions import Fired, Inject, Lose, Pass
from faultproxy.core.events import Tap
from faultproxy.core.header import Packet
from faultproxy.core.plan import FaultPlan
from tests.core.packet_playbook import PacketPlaybook, fault, met, segment

TAPS: tuple[Tap, ...] = ("from_client", "to_client")

FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("drop", {"segments": "data", "share": 0.3}),
    ("drop", {"segments": "ack", "rewind": True}),
    ("delay", {"delay": "100ms", "jitter": "90ms"}),
    ("delay", {"delay": "1s", "segments": "data"}),
    ("duplicate", {"copies": 2, "delay": "50ms"}),
    ("duplicate", {"share": 0.5}),
    ("reorder", {"gap": 2, "step": 3}),
    ("corrupt", {"share": 0.5, "checksum": "broken"}),
    ("corrupt", {"checksum": "fixed"}),
    ("window", {"size": "0B"}),
    ("flags", {"clear": "PSH"}),
    ("vanish", {}),
]


def plans(chosen: list[int]) -> list[FaultPlan]:
    return [
        fault(FAULTS[index][0], **FAULTS[index][1], name=f"{number}", direction=["from_client", "to_client"])
        for number, index in enumerate(chosen)
    ]


ORDERS = st.tuples(st.sampled_from(["start", "heal"]), st.integers(0, 3))
SEGMENTS = st.tuples(st.sampled_from(TAPS), st.integers(0, 2))
SCRIPTS = st.lists(st.tuples(st.integers(0, 5), st.one_of(SEGMENTS, ORDERS)), max_size=40)


def acted(chosen: list[int], script: list[tuple[int, tuple[Any, Any]]]) -> PacketPlaybook:
    """Segments, starts and heals in any order; in the end all heals."""
    book, time, sent = PacketPlaybook(*plans(chosen)), 0.0, dict.fromkeys(TAPS, 1)
    for wait, (what, detail) in script:
        time += wait * 0.04
        if what in TAPS:
            book.push(time, what, "P." if detail else ".", sent[what], sent[TAPS[what == TAPS[0]]], bytes(detail))
            sent[what] += detail
        elif detail < len(chosen):
            getattr(book, what)(time, str(detail))
    for number in range(len(chosen)):
        book.heal(time, str(number))
    return book


@settings(max_examples=300, deadline=None)
@given(chosen=st.lists(st.integers(0, len(FAULTS) - 1), min_size=1, max_size=4), script=SCRIPTS)
def test_every_segment_gets_one_verdict_whatever_the_faults_do(chosen: list[int], script: list[tuple[int, tuple[Any, Any]]]) -> None:
    book = acted(chosen, script)
    assert [len(verdicts) for verdicts in book.verdicts().values()] == [1] * book.refs
    assert (book.packets.held, book.packets.deadline()) == (0, None)
    assert not any(book.packets.active(tap) for tap in TAPS)
    assert book.log == acted(chosen, script).log


FAITHFUL = [index for index, (kind, _) in enumerate(FAULTS) if kind in ("delay", "reorder", "window", "flags")]


@settings(max_examples=200, deadline=None)
@given(chosen=st.lists(st.sampled_from(FAITHFUL), min_size=1, max_size=4), script=SCRIPTS)
def test_what_only_delays_or_rewrites_loses_no_segment(chosen: list[int], script: list[tuple[int, tuple[Any, Any]]]) -> None:
    book = acted(chosen, script)
    held = sum(isinstance(action, Lose) and action.held for _, action in book.log)
    assert not any(isinstance(action, Lose) and not action.held for _, action in book.log)
    repeated = sum(isinstance(action, Inject) for _, action in book.log) - held
    heals = 2 * sum(what == "heal" for _, (what, _) in script) + 2 * len(chosen)
    assert 0 <= repeated <= heals, "besides what was held, only a healed window is told again, once at each tap"


def test_nothing_is_asked_of_a_tap_without_active_faults() -> None:
    book = PacketPlaybook(fault("drop", direction="from_client"), idle=True)
    book.push(0.0, "from_client", "S").push(0.1, "to_client", "S.", 0, 1)
    assert book.log == [(0.0, Pass("from_client", 1)), (0.1, Pass("to_client", 2))]
    assert not book.packets.active("from_client")
    book.start(0.2, "drop").push(0.3, "from_client", ".", 1, 1)
    assert book.packets.active("from_client")
    assert book.log[-2:] == [
        (0.3, Fired("drop", "dropped an ACK, ack +1", "c2s", None, 0, "from_client")),
        (0.3, Lose("from_client", 3)),
    ]


@pytest.mark.parametrize("tap", TAPS)
def test_held_twice_it_has_one_verdict_and_both_delays(tap: Tap) -> None:
    book = PacketPlaybook(fault("delay", name="a", direction=tap, delay="1s"), fault("delay", name="b", direction=tap, delay="500ms"))
    book.push(0.0, tap, "P.", 1, 1, b"hi").until(2.0)
    late = Pass(tap, 1) if tap == "from_client" else Inject(tap, segment(tap, "P.", 1, 1, b"hi"))
    verdict = [] if tap == "from_client" else [(0.0, Lose(tap, 1, held=True))]
    assert book.done == [*verdict, (1.5, late)]


def test_healed_in_the_middle_what_it_held_goes_on_to_the_faults_behind() -> None:
    book = PacketPlaybook(fault("delay", name="a", direction="to_client", delay="1s"), fault("flags", direction="to_client", clear="PSH"))
    book.push(0.0, "to_client", "P.", 1, 1, b"hi").push(0.1, "to_client", "P.", 3, 1, b"hi").heal(0.2, "a")
    assert book.left("to_client") == [(0.2, segment("to_client", ".", seq, 1, b"hi")) for seq in (1, 3)]


def test_faults_act_in_file_order() -> None:
    def left(*names: str) -> list[tuple[float, bytes | int]]:
        faults = {
            "flags": fault("flags", direction="to_client", set="PSH"),
            "duplicate": fault("duplicate", direction="to_client", flags="!PSH"),
        }
        return PacketPlaybook(*(faults[name] for name in names)).push(0.0, "to_client", ".", 1, 1, b"hi").left("to_client")

    changed = (0.0, segment("to_client", "P.", 1, 1, b"hi"))
    assert left("flags", "duplicate") == [changed]
    assert left("duplicate", "flags") == [changed, changed]


def test_what_was_not_copied_whole_passes_unchanged_rather_than_cut() -> None:
    book = PacketPlaybook(fault("flags", direction="from_client", clear="PSH"))
    raw = segment("from_client", "P.", 1, 1, bytes(500))
    book.packets.push("from_client", Packet(raw[:128], length=len(raw), ref=1), (), 0.0)
    assert book.done == [(0.0, Pass("from_client", 1))]


def test_what_is_noted_is_known_when_a_fault_begins() -> None:
    book = PacketPlaybook(fault("drop", direction="from_client", segments="retransmission"), idle=True)
    book.packets.note("from_client", met("from_client", "P.", 1, 1, b"hello"))
    book.start(0.0, "drop").push(0.1, "from_client", "P.", 1, 1, b"hello")
    assert book.done == [(0.1, Lose("from_client", 1))]


def test_what_went_by_unseen_is_not_missing() -> None:
    # Of the last second only the latest segment is noted, at either tap: an ACK behind 5 bytes, and the ACK to these.
    book = PacketPlaybook(fault("forge", direction="to_client", send="FIN"), idle=True)
    book.packets.note("from_client", met("from_client", "S"))
    book.packets.note("to_client", met("to_client", "S.", 0, 1))
    book.packets.note("to_client", met("to_client", ".", 6, 3))
    book.packets.note("from_client", met("from_client", ".", 3, 6))
    book.start(1.0, "forge")
    assert book.done == [(1.0, Inject("to_client", segment("to_client", "F.", 6, 3)))]


def test_what_was_acknowledged_has_gone_by() -> None:
    book = PacketPlaybook(fault("drop", direction="to_client", segments="retransmission"), idle=True)
    book.packets.note("to_client", met("to_client", "S.", 0, 1))
    book.packets.note("from_client", met("from_client", ".", 1, 6))
    book.start(1.0, "drop")
    book.push(1.1, "to_client", "P.", 1, 1, b"hello").push(1.2, "to_client", "P.", 6, 1, b"more")
    assert book.done == [(1.1, Lose("to_client", 1)), (1.2, Pass("to_client", 2))]


def test_what_is_sent_again_has_a_checksum_even_where_the_device_was_to_fill_it_in() -> None:
    book = PacketPlaybook(fault("drop", direction="to_client", segments="ack"))
    unfinished = Packet(segment("to_client", ".", 1, 6, broken=True), ref=1, outbound=True)
    book.packets.push("to_client", unfinished, (), 0.0)
    book.heal(1.0, "drop")
    assert book.done == [(0.0, Lose("to_client", 1)), (1.0, Inject("to_client", segment("to_client", ".", 1, 6)))]


def test_it_lasts_longer_than_the_numbers_do() -> None:
    # Of a stream of 5 GiB the first 10 bytes are spared, and no others.
    book = PacketPlaybook(fault("drop", direction="to_server", segments="data"), idle=True)
    book.push(0.0, "to_server", "S")
    book.packets.start("drop", 0.0, ("c2s", 10))
    book.push(0.0, "to_server", ".", 1, 1, bytes(10))
    for place in range(11, 5 * 2**30, 2**28):
        book.push(1.0, "to_server", ".", place, 1, b"x")
    assert book.done == [(0.0, Pass("to_server", 1)), (0.0, Pass("to_server", 2)), *((1.0, Lose("to_server", 3 + n)) for n in range(20))]
