"""`flip`, step by step."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from faultproxy.core.actions import Fired, Send, Started
from faultproxy.faults.stream.flip import Flip
from tests.core.playbook import Playbook, fault


def test_chosen_bytes_have_the_bits_of_the_mask_inverted() -> None:
    book = Playbook(fault("flip", direction="c2s", skip=1, step=3, take=2, mask=0x20)).send(0.0, "c2s", b"abcdefghij")
    book.must(
        (0.0, Started("flip", "connection opened")),
        (0.0, Send("c2s", b"aBcdEfghij")),
        (0.0, Fired("flip", "flipped", "c2s", 1, 2)),
    )


def test_without_a_mask_one_bit_changes() -> None:
    sent = bytes(1000)
    book = Playbook(fault("flip", direction="c2s", step=10)).send(0.0, "c2s", sent)
    (_, got), *_ = book.writes("c2s")
    assert [n for n, byte in enumerate(got) if byte] == list(range(0, 1000, 10))
    assert {byte for byte in got if byte} == {1 << bit for bit in range(8)}


def test_a_share_is_met() -> None:
    book = Playbook(fault("flip", direction="c2s", share="1%", mask=255)).send(0.0, "c2s", bytes(100_000))
    assert sum(size or 0 for _, _, _, size in book.fired("flip")) == pytest.approx(1000, rel=0.1)


def test_counting_begins_where_it_begins_and_anew_with_each_start() -> None:
    book = Playbook(fault("flip", direction="c2s", take=1, mask=0x20, on_match="!", times=2, lasts="1s"))
    book.send(0.0, "c2s", b"ab!cd").send(2.0, "c2s", b"ef!gh").until(9.0)
    assert [data for _, data in book.writes("c2s")] == [b"ab!", b"Cd", b"ef!", b"Gh"]


@pytest.mark.parametrize(
    ("keys", "told"),
    [({}, "which bytes"), ({"mask": 3}, "which bytes"), ({"share": 0}, "would change nothing"), ({"take": 1, "mask": 256}, "")],
)
def test_it_must_be_told_which_bytes(keys: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Flip.model_validate({"kind": "flip"} | keys)
    assert told in str(caught.value)
