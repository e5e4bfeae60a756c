"""Which segments are taken, beside a model that is too slow and too plain to be wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultproxy.core.header import Packet
from faultproxy.core.rng import stream
from faultproxy.core.shape import ACK, FIN, RST, SYN
from faultproxy.core.track import KEEPALIVE, RETRANSMISSION, WINDOW_UPDATE
from faultproxy.faults.packet.drop import Drop
from faultproxy.faults.packet.segments import FLAGS
from tests.core.packet_playbook import met

SORTS = ("syn", "synack", "ack", "data", "fin", "rst", "retransmission", "window_update", "keepalive")


def packet(flags: int, size: int, marks: int) -> Packet:
    """A segment of which only these matter."""
    found = met("from_client", ".", 1, 1, bytes(size))
    found.flags, found.marks = flags, marks
    return found


def is_a(sort: str, flags: int, size: int, marks: int) -> bool:
    """What the sorts of segments mean, in so many words."""
    return {
        "syn": bool(flags & SYN and not flags & ACK),
        "synack": bool(flags & SYN and flags & ACK),
        "ack": bool(flags & ACK and not flags & (SYN | FIN | RST) and not size),
        "data": bool(size and not flags & SYN),
        "fin": bool(flags & FIN),
        "rst": bool(flags & RST),
        "retransmission": bool(marks & RETRANSMISSION),
        "window_update": bool(marks & WINDOW_UPDATE),
        "keepalive": bool(marks & KEEPALIVE),
        "any": True,
    }[sort]


@given(
    sorts=st.one_of(st.just(["any"]), st.lists(st.sampled_from(SORTS), min_size=1, unique=True)),
    flags=st.dictionaries(st.sampled_from(FLAGS), st.booleans(), max_size=3),
    least=st.integers(0, 3),
    most=st.one_of(st.none(), st.integers(3, 5)),
    segments=st.lists(st.tuples(st.integers(0, 255), st.integers(0, 6), st.integers(0, 7)), min_size=1, max_size=30),
)
def test_all_that_is_said_must_hold(
    sorts: list[str], flags: dict[str, bool], least: int, most: int | None, segments: list[tuple[int, int, int]]
) -> None:
    keys: dict[str, Any] = {"segments": sorts, "length": {"min": least, "max": most}}
    if flags:
        keys["flags"] = ",".join(name if present else f"!{name}" for name, present in flags.items())
    try:
        selector = Drop.model_validate(keys).selector(stream(1))
    except ValueError:
        selector = None  # refused, since no segment can be so
    for bits, size, marks in segments:
        wanted = (
            any(is_a(sort, bits, size, marks) for sort in sorts)
            and all(bool(bits >> FLAGS.index(name) & 1) == present for name, present in flags.items())
            and least <= size
            and (most is None or size <= most)
        )
        assert wanted == (selector is not None and selector.takes(packet(bits, size, marks), True))


@given(
    skip=st.integers(0, 4),
    step=st.integers(1, 4),
    take=st.one_of(st.none(), st.integers(1, 4)),
    fitting=st.lists(st.booleans(), max_size=40),
)
def test_only_those_that_fit_are_counted(skip: int, step: int, take: int | None, fitting: list[bool]) -> None:
    selector = Drop.model_validate({"segments": "data", "skip": skip, "step": step, "take": take}).selector(stream(1))
    for _ in range(2):  # and the same again after a reset
        found = [selector.takes(packet(ACK, size, 0), True) for size in fitting]
        candidates = [place for place, size in enumerate(fitting) if size]
        assert [place for place, taken in enumerate(found) if taken] == candidates[skip::step][:take]
        selector.reset()


def test_what_the_payload_rules_out_is_not_counted() -> None:
    selector = Drop.model_validate({"payload": "x", "step": 2}).selector(stream(1))
    assert [selector.takes(packet(ACK, 1, 0), matched) for matched in (False, True, False, True, True)] == [False, True, False, False, True]


@pytest.mark.parametrize(("enter", "leave", "share"), [(0.1, 0.3, 1.0), (0.05, 0.5, 0.4), (1.0, 1.0, 1.0)])
def test_bursts_hit_their_share_in_the_long_run(enter: float, leave: float, share: float) -> None:
    selector = Drop.model_validate({"burst": {"enter": enter, "leave": leave, "share": share}}).selector(stream(7))
    segment = packet(ACK, 1, 0)
    count = 20_000
    hits = sum(selector.takes(segment, True) for _ in range(count))
    assert hits / count == pytest.approx(share * enter / (enter + leave), abs=0.02)


def test_bursts_are_bursts_and_the_seed_decides() -> None:
    def taken(**keys: Any) -> list[bool]:
        selector = Drop.model_validate({"burst": {"enter": 0.1, "leave": 0.2}} | keys).selector(stream(3))
        return [selector.takes(packet(ACK, 1, 0), True) for _ in range(500)]

    all_of_them = taken()
    starts = sum(now and not before for before, now in zip([False, *all_of_them], all_of_them, strict=False))
    assert sum(all_of_them) / starts > 3
    assert taken() == all_of_them
    places = [place for place, hit in enumerate(all_of_them) if hit]
    assert [place for place, hit in enumerate(taken(take=5)) if hit] == places[:5]
    assert [place for place, hit in enumerate(taken(skip=50, step=2)) if hit] == [p for p in places if p >= 50 and p % 2 == 0]


def test_a_share_is_drawn_for_each() -> None:
    selector = Drop.model_validate({"share": "20%"}).selector(stream(5))
    assert sum(selector.takes(packet(ACK, 1, 0), True) for _ in range(5_000)) / 5_000 == pytest.approx(0.2, abs=0.02)
