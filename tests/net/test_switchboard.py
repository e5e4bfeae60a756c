"""Timers of the switchboard; how it carries bytes is shown on real connections, in tests/live."""

from __future__ import annotations

import trio
import trio.testing

from faultproxy.core.limits import Budget
from faultproxy.net.readiness import EpollReadiness
from faultproxy.net.switchboard import CALLED_OFF, Alarm, Switchboard


async def test_timers_ring_in_order_and_not_when_called_off(autojump_clock: trio.testing.MockClock) -> None:
    board = Switchboard(EpollReadiness(), Budget())
    began, rang = trio.current_time(), []
    board.call_at(began + 2, lambda: rang.append("second"))
    third = board.call_at(began + 3, lambda: rang.append("third"))

    def first() -> None:
        rang.append("first")
        board.call_off(third)

    board.call_at(began + 1, first)
    await trio.sleep(5)
    board._due()
    assert rang == ["first", "second"]
    assert (board._timers, board._called_off) == ([], 0)
    board.readiness.close()


async def test_timers_called_off_do_not_pile_up(autojump_clock: trio.testing.MockClock) -> None:
    board = Switchboard(EpollReadiness(), Budget())
    kept = board.call_at(trio.current_time() + 3600, lambda: None)
    for _ in range(10_000):
        timer = board.call_at(trio.current_time() + 3600, lambda: None)
        board.call_off(timer)
        board.call_off(timer)  # twice is once
    assert len(board._timers) <= CALLED_OFF + 2
    assert kept in [timer for _, _, timer in board._timers]
    board.readiness.close()


async def test_an_alarm_rings_once_at_the_earliest_time(autojump_clock: trio.testing.MockClock) -> None:
    board = Switchboard(EpollReadiness(), Budget())
    began, rang = trio.current_time(), []
    alarm = Alarm(board, lambda: rang.append(trio.current_time() - began))
    for seconds in (3.0, 1.0, 2.0):
        alarm.by(began + seconds)
    for _ in range(8):
        await trio.sleep(0.5)
        board._due()
    assert rang == [1.0]
    alarm.by(began + 5)
    alarm.off()
    await trio.sleep(5)
    board._due()
    assert rang == [1.0]
    board.readiness.close()
