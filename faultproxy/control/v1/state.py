"""How a fault stands, in one word."""

from __future__ import annotations

from typing import Literal

import trio

from faultproxy.core.run import FaultStats
from faultproxy.core.timeline import At, Opens, Schedule
from faultproxy.faults.base import Fault
from faultproxy.net import insight
from faultproxy.net.proxy import Proxy

State = Literal["active", "armed", "waiting", "resting", "over", "disabled"]
"""`models.FaultState` tells what each means."""


def state(proxy: Proxy | None, fault: Fault, stats: FaultStats) -> State:
    """The state of a fault of that proxy; None: it does not listen."""
    if proxy is None:
        return "disabled"
    if stats.where:
        return "active"
    resting, since = insight.by_hand(proxy, fault.name)
    if resting:
        return "resting"
    schedule, now = fault.schedule(), trio.current_time()
    if since is not None and not _over(schedule, since, now):
        return "armed"
    match schedule.trigger:
        case At(time):
            return _by_the_clock(schedule, proxy.run.clock_start + time, now)
        case Opens():
            of_listener = any(plan.listen is not None for plan in proxy.run.plans if plan.name == fault.name)
            return _by_the_clock(schedule, proxy.run.clock_start, now) if of_listener else "armed"
    return "waiting"


def _by_the_clock(schedule: Schedule, start: float, now: float) -> State:
    if now < start + schedule.after:
        return "waiting"
    return "over" if _over(schedule, start, now) else "armed"


def _over(schedule: Schedule, start: float, now: float) -> bool:
    """Whether nothing comes any more of a start at that time, for whoever comes later either."""
    lasts = 0.0 if schedule.momentary and schedule.lasts is None else schedule.lasts
    if lasts is None:
        return False
    if schedule.every is None:
        rounds = 1
    elif schedule.times is None:
        return False
    else:
        rounds = schedule.times
    return start + schedule.after + (rounds - 1) * (schedule.every or 0.0) + lasts <= now
