"""Who starts and heals when, and what that starts in turn."""

from __future__ import annotations

from collections.abc import Sequence

from faultproxy.core.lives import Lives
from faultproxy.core.triggers import LocalFault
from tests.core.playbook import written


def lives(*tables: str) -> tuple[Lives, list[tuple[float, str]], dict[str, LocalFault]]:
    """The lives of these faults, what has happened, and the faults by name."""
    happened: list[tuple[float, str]] = []
    local = {plan.name: LocalFault(plan, float) for plan in (written(table) for table in tables)}
    return (
        Lives(
            local.values(),
            lambda one, now, again: happened.append((now, f"{one.plan.name} starts{' again' if again else ''}: {one.why}")),
            lambda one, why, now, final: happened.append((now, f"{one.plan.name} heals: {why}{', for good' if final else ''}")),
        ),
        happened,
        local,
    )


def advance(life: Lives, times: Sequence[float]) -> None:
    for now in times:
        life.advance(now)


LATE = 'kind = "latency"\ndelay = "1ms"\n'


def test_what_is_due_happens_in_the_order_of_time() -> None:
    life, happened, _ = lives(LATE + 'name = "a"\nat = "2s"\nlasts = "1s"', LATE + 'name = "b"\nat = "1s"')
    life.opened(0.0, 0.0, {}, ())
    assert life.deadline() == 1.0
    advance(life, [1.0, 5.0])
    assert happened == [(1.0, "b starts: the clock"), (5.0, "a starts: the clock")]
    assert life.deadline() == 6.0, "it is late, and lasts as long as it is to last"
    life.advance(6.0)
    assert happened[2:] == [(6.0, "a heals: its time is over")]
    assert life.deadline() is None


def test_at_the_same_time_the_last_of_the_file_comes_first() -> None:
    life, happened, _ = lives(LATE + 'name = "a"\nat = "1s"', LATE + 'name = "b"\nat = "1s"')
    life.opened(0.0, 0.0, {}, ())
    life.advance(1.0)
    assert [what.split()[0] for _, what in happened] == ["b", "a"]


def test_a_chain_is_followed_at_once() -> None:
    life, happened, local = lives(
        LATE + 'name = "a"\nmanual = true', LATE + 'name = "b"\non_fault = "a"', LATE + 'name = "c"\non_heal = "a"\nafter = "1s"'
    )
    life.opened(0.0, 0.0, {}, ())
    assert life.trigger(local["a"], "by hand", 1.0)
    life.heal(local["a"], "enough", 2.0)
    assert happened == [(1.0, "a starts: by hand"), (1.0, "b starts: a started"), (2.0, "a heals: enough")]
    assert life.deadline() == 3.0
    life.advance(3.0)
    assert happened[-1] == (3.0, "c starts: a healed")


def test_a_final_heal_starts_nothing_and_a_stopped_fault_never_starts() -> None:
    life, happened, local = lives(LATE + 'name = "a"\nmanual = true', LATE + 'name = "b"\non_heal = "a"')
    life.opened(0.0, 0.0, {}, ())
    life.trigger(local["a"], "by hand", 1.0)
    life.heal(local["a"], "the run ends", 2.0, final=True)
    life.stop(local["a"])
    assert not life.trigger(local["a"], "by hand", 3.0)
    assert happened == [(1.0, "a starts: by hand"), (2.0, "a heals: the run ends, for good")]


def test_what_was_started_by_hand_before_it_opened_starts_then() -> None:
    life, happened, _ = lives(LATE + 'name = "a"\nmanual = true')
    life.opened(5.0, 0.0, {"a": (4.0, "by hand")}, ())
    life.advance(5.0)
    assert happened == [(5.0, "a starts: by hand")]
