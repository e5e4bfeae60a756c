"""What bytes can start."""

from __future__ import annotations

from faultproxy.core.events import Hit
from faultproxy.core.plan import FaultPlan
from faultproxy.core.rng import stream
from faultproxy.core.triggers import ALL, LocalFault, Triggers
from tests.core.playbook import fault


def local(plan: FaultPlan) -> LocalFault:
    return LocalFault(plan, stream(1, plan.name))


def test_a_count_is_full_at_each_multiple() -> None:
    first = local(fault("inject", name="first", payload="!", direction="c2s", after_bytes="10B", times=3))
    second = local(fault("inject", name="second", payload="!", direction="c2s", after_bytes="15B"))
    triggers = Triggers([first, second])
    assert [triggers.next_place("c2s", at) for at in (0, 9, 10, 15, 25)] == [10, 10, 15, 20, 30]
    assert [hit.fault for hit in triggers.counted("c2s", 30)] == ["first", "second"]
    assert (triggers.next_place("s2c", 0), triggers.counts("s2c"), triggers.quiet_until("s2c", 0)) == (None, False, ALL)
    assert triggers.quiet_until("c2s", 0) == 9


def test_a_search_begins_anew_where_bytes_went_by_unseen() -> None:
    triggers = Triggers([local(fault("latency", delay="1s", on_match={"s2c": "abc"}))])
    assert triggers.scan("s2c", 0, b"xab") == ()
    assert triggers.scan("s2c", 50, b"c") == ()
    assert triggers.scan("s2c", 51, memoryview(b"abc")) == (Hit("latency", 54, "matched 'abc' in s2c"),)
    assert triggers.scan("c2s", 0, b"abc") == ()


def test_a_fault_that_cannot_start_any_more_looks_for_nothing() -> None:
    one = local(fault("latency", delay="1s", on_match={"s2c": "abc"}))
    triggers = Triggers([one])
    assert triggers.quiet_until("s2c", 0) == -1
    one.timeline.trigger(0.0)
    one.timeline.step(0.0)
    assert (triggers.quiet_until("s2c", 0), triggers.scan("s2c", 0, b"abc")) == (ALL, ())
