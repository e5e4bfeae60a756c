"""The bounds fit together."""

from __future__ import annotations

from faultproxy.core import limits


def test_one_read_fits_what_one_direction_may_hold_and_that_the_whole() -> None:
    assert limits.READ_SIZE_SCARCE < limits.READ_SIZE < limits.HELD_PER_DIRECTION < limits.HELD_TOTAL


def test_a_budget_is_spent_at_its_total() -> None:
    budget = limits.Budget(total=10, held=9)
    assert not budget.spent
    budget.held += 1
    assert budget.spent
