"""When a fault starts and heals."""

from __future__ import annotations

from typing import Any

from faultproxy.core.timeline import At, Manual, Opens, Schedule, Timeline


def life(schedule: Schedule, *, opens: float = 0.0, until: float, triggers: tuple[float, ...] = ()) -> list[tuple[float, str]]:
    """Every step of a timeline, each taken at the moment it is due."""
    timeline = Timeline(schedule)
    timeline.opened(opens, 0.0)
    told: list[tuple[float, str]] = []
    for time in (opens, *triggers, until):
        while (deadline := timeline.deadline()) is not None and deadline <= time:
            now = max(deadline, opens)
            step = timeline.step(now)
            assert step is not None
            told.append((now, step))
        if time in triggers and timeline.trigger(time):
            while (step := timeline.step(time)) is not None:
                told.append((time, step))
    return told


def schedule(trigger: Any = None, **keys: Any) -> Schedule:
    return Schedule(trigger or Opens(), **keys)


def test_it_starts_as_the_connection_opens_and_lasts_to_its_end() -> None:
    assert life(schedule(), opens=3.0, until=100) == [(3.0, "start")]


def test_after_and_lasts() -> None:
    assert life(schedule(after=2.0, lasts=1.5), opens=1.0, until=100) == [(3.0, "start"), (4.5, "heal")]


def test_every_counts_from_start_to_start() -> None:
    assert life(schedule(lasts=1.0, every=5.0, times=2), until=100) == [(0, "start"), (1, "heal"), (5, "start"), (6, "heal")]


def test_lasting_as_long_as_every_heals_before_it_starts_again() -> None:
    assert life(schedule(lasts=2.0, every=2.0, times=2), until=100) == [(0, "start"), (2, "heal"), (2, "start"), (4, "heal")]


def test_the_clock_counts_for_who_opens_in_the_middle() -> None:
    assert life(schedule(At(5.0), lasts=4.0), opens=6.0, until=100) == [(6.0, "start"), (9.0, "heal")]
    assert life(schedule(At(5.0), lasts=4.0), opens=9.0, until=100) == []
    assert life(schedule(At(5.0)), opens=50.0, until=100) == [(50.0, "start")]


def test_rounds_that_are_over_are_counted_and_not_replayed() -> None:
    every = schedule(At(0.0), lasts=1.0, every=10.0, times=4)
    assert life(every, opens=20.5, until=100) == [(20.5, "start"), (21.0, "heal"), (30.0, "start"), (31.0, "heal")]
    assert life(every, opens=31.0, until=100) == []


def test_a_momentary_fault_has_passed_for_who_comes_later() -> None:
    assert life(schedule(At(5.0), momentary=True), opens=6.0, until=100) == []
    assert life(schedule(At(5.0), momentary=True), opens=5.0, until=100) == [(5.0, "start")]
    assert life(schedule(At(0.0), momentary=True, every=10.0, times=None), opens=25.0, until=45.0) == [(30.0, "start"), (40.0, "again")]
    assert life(schedule(At(0.0), momentary=True, every=10.0, times=None), opens=30.0, until=35.0) == [(30.0, "start")]


def test_a_trigger_counts_once_unless_times_says_more() -> None:
    assert life(schedule(Manual(), lasts=1.0), until=100, triggers=(2, 5)) == [(2, "start"), (3, "heal")]
    assert life(schedule(Manual(), lasts=1.0, times=None), until=4, triggers=(2, 2.5, 3.5)) == [(2, "start"), (3, "heal"), (3.5, "start")]


def test_a_momentary_fault_is_triggered_again_without_healing() -> None:
    assert life(schedule(Manual(), momentary=True, times=2), until=100, triggers=(1, 2, 3)) == [(1, "start"), (2, "again")]


def test_what_happened_before_the_place_existed() -> None:
    def late(**keys: Any) -> tuple[float | None, int]:
        timeline = Timeline(schedule(Manual(), times=None, **keys))
        timeline.opened(10.0, 0.0)
        assert timeline.trigger(10.0, since=8.0)
        return timeline.deadline(), timeline.starts

    assert late() == (8.0, 0)
    assert late(lasts=3.0) == (8.0, 0)
    assert late(lasts=1.0) == (None, 1)
    assert late(after=5.0, lasts=1.0) == (13.0, 0)
    assert late(momentary=True) == (None, 1)


def test_rounds_that_a_late_machine_sleeps_through_do_not_count() -> None:
    timeline = Timeline(schedule(At(1.0), lasts=0.1, every=1.0, times=3))
    timeline.opened(0.0, 0.0)
    assert timeline.step(1.0) == "start"
    assert timeline.step(3.5) == "heal"
    assert (timeline.step(3.5), timeline.starts) == ("start", 2), "the round of 2.0, late; that of 3.0 is over"
    assert [timeline.deadline(), timeline.step(3.6)] == [3.6, "heal"], "and it lasts as long as it is to last"
    assert [timeline.deadline(), timeline.step(4.0), timeline.starts] == [4.0, "start", 3]
    assert (timeline.step(4.1), timeline.deadline()) == ("heal", None)


def test_stopped_is_for_good() -> None:
    timeline = Timeline(schedule(lasts=1.0, every=2.0))
    timeline.opened(0.0, 0.0)
    assert timeline.step(0.0) == "start"
    timeline.stop()
    assert (timeline.active, timeline.waiting, timeline.deadline(), timeline.trigger(5.0)) == (False, False, None, False)
