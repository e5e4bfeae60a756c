"""Some of the bent packets with every test run; `make fuzz` tries a million."""

from __future__ import annotations

import pytest

from faultproxy.core.header import Packet
from tests.fuzz.batch import SIZE, batch
from tests.fuzz.corpus import GOOD


@pytest.mark.parametrize("raw", GOOD, ids=range(len(GOOD)))
def test_what_is_bent_was_good(raw: bytes) -> None:
    assert Packet(raw).whole


@pytest.mark.parametrize("number", range(20))
def test_whatever_comes_it_is_a_packet_or_malformed(number: int) -> None:
    tally = batch(0, number)
    assert tally.cases == SIZE
    assert tally.packets > SIZE // 4  # the cases are not all rubbish


def test_a_batch_is_the_same_each_time() -> None:
    assert batch(3, 7, 200) == batch(3, 7, 200)
