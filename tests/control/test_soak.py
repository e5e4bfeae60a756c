"""The soak, in small: that it still runs, and what it asks holds for a few seconds and a hundred connections."""

from __future__ import annotations

import pytest

from tests.control.soak import soak

pytestmark = pytest.mark.live


def test_nothing_is_lost_or_left_behind() -> None:
    assert soak(connections=100, seconds=2, orders=50) == []
