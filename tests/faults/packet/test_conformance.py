"""What every packet fault keeps to, whatever its kind."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any, get_args

import pytest

from faultproxy.core.actions import Change, Inject, Lose
from faultproxy.core.header import Packet
from faultproxy.faults import PACKET
from faultproxy.faults.packet.segments import PacketFault, SelectingFault, Tap
from tests.core.packet_playbook import MSS_1460, SACK_OK, WSCALE_7, PacketPlaybook, clock

EVERY = [pytest.param(kind, id=kind.model_fields["kind"].default) for kind in PACKET]
TAPS: tuple[Tap, ...] = get_args(Tap)
SYN_OPTIONS = MSS_1460 + SACK_OK + clock(1) + WSCALE_7


def example(kind: type[PacketFault], **keys: Any) -> PacketFault:
    """The example of a kind, hitting much of what comes by."""
    often: dict[str, Any] = {"share": 0.5} if issubclass(kind, SelectingFault) else {}
    return kind.model_validate(tomllib.loads(kind.example) | often | keys)


def converse(book: PacketPlaybook, taps: Sequence[Tap] = TAPS) -> PacketPlaybook:
    """Both legs are opened, carry data both ways and are closed; every segment within a second."""
    for tap in taps:
        opens = tap in ("from_client", "to_server")
        book.push(0.0, tap, "S" if opens else "S.", 0, 1, options=SYN_OPTIONS)
    for number in range(20):
        for tap in taps:
            data = bytes(1400) if number % 2 else b""
            book.push(0.1 + number / 50, tap, "P." if data else ".", 1 + number // 2 * 1400, 1, data, options=clock(number, number))
    for tap in taps:
        book.push(0.9, tap, "F.", 1 + 14_000, 1, options=clock(90, 90))
    return book


def start(kind: type[PacketFault], *, seed: int = 1, **keys: Any) -> PacketPlaybook:
    """The fault of the example is there from the beginning."""
    return PacketPlaybook(example(kind, **keys).plan(), seed=seed)


@pytest.mark.parametrize("kind", EVERY)
def test_its_example_fires_at_its_taps_only(kind: type[PacketFault]) -> None:
    book = converse(start(kind)).until(60.0)
    assert book.fired, "an example must act on an ordinary conversation"
    touched = {action.tap for _, action in book.log if isinstance(action, Change | Lose | Inject)}
    assert touched <= set(example(kind).taps())


@pytest.mark.parametrize("kind", EVERY)
def test_each_segment_gets_one_verdict_and_healing_releases_what_was_held(kind: type[PacketFault]) -> None:
    name = kind.model_fields["kind"].default
    book = converse(start(kind)).heal(0.9, name)
    assert [len(verdicts) for verdicts in book.verdicts().values()] == [1] * book.refs
    assert (book.packets.held, book.packets.deadline()) == (0, None)
    count = len(book.log)
    book.until(3600.0).heal(3600.0, name)
    assert len(book.log) == count


@pytest.mark.parametrize("kind", EVERY)
def test_what_it_writes_can_be_read_and_has_the_length_it_says(kind: type[PacketFault]) -> None:
    for _, action in converse(start(kind)).until(60.0).log:
        if isinstance(action, Change | Inject):
            packet = Packet(action.data)
            assert packet.length == len(action.data)
            assert action.data in (packet.encode(), packet.encode(broken=True))


@pytest.mark.parametrize("kind", EVERY)
def test_the_same_seed_gives_the_same_decisions(kind: type[PacketFault]) -> None:
    assert converse(start(kind, seed=11)).until(60.0).log == converse(start(kind, seed=11)).until(60.0).log


@pytest.mark.parametrize("kind", EVERY)
def test_it_can_be_healed_and_started_again(kind: type[PacketFault]) -> None:
    name = kind.model_fields["kind"].default
    once = converse(start(kind, share=1.0) if issubclass(kind, SelectingFault) else start(kind))
    again = start(kind, share=1.0) if issubclass(kind, SelectingFault) else start(kind)
    again.heal(0.0, name).start(0.0, name)
    assert converse(again).log == once.log


@pytest.mark.parametrize("kind", EVERY)
def test_it_acts_where_nobody_stands_between(kind: type[PacketFault]) -> None:
    direction = "both" if kind.model_fields["kind"].default != "forge" else "s2c"
    book = start(kind, direction=direction)
    book.push(0.0, "c2s", "S", options=SYN_OPTIONS).push(0.0, "s2c", "S.", 0, 1, options=SYN_OPTIONS)
    for number in range(20):
        book.push(0.1, "c2s", "P.", 1 + number * 1400, 1, bytes(1400), options=clock(2, 2))
        book.push(0.1, "s2c", ".", 1, 1 + number * 1400, options=clock(2, 2))
    assert book.until(60.0).fired
