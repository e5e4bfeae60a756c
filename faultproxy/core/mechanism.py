"""By which means a packet fault lays hold of segments: the cheapest that can do it.

A socket filter drops at the speed of the kernel, but it knows neither a connection that is only being opened, nor the segment before, nor
chance from a seed. The queue can do all, for some 20 µs a segment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from faultproxy.core.plan import FaultPlan
from faultproxy.core.timeline import AfterBytes, OnFin, OnMatch, OnOther

INCOMING = {"from_client", "from_server"}
"""The taps at which a socket of the proxy's own receives."""


def choose(plans: Sequence[FaultPlan], *, filters: bool) -> tuple[FaultPlan, ...]:
    """The plans, those marked `filtered` that a socket filter can carry out. `filters`: whether this process may set any."""
    if not filters:
        return tuple(plans)
    taps: Counter[str] = Counter(tap for plan in plans if plan.packet is not None for tap in plan.packet.taps)
    return tuple(replace(plan, filtered=True) if _filterable(plan, taps) else plan for plan in plans)


def means(plan: FaultPlan, others: Sequence[FaultPlan], *, filters: bool) -> FaultPlan:
    """The plan of a fault that comes behind `others`, or stands among them with other figures, with its means chosen."""
    return choose((*(other for other in others if other.name != plan.name), plan), filters=filters)[-1]


def crowded_out(plans: Sequence[FaultPlan], newcomer: FaultPlan) -> tuple[FaultPlan, ...]:
    """Those of `plans` that a filter carries out and that stand at a tap of `newcomer`, as plans for the queue.

    A segment meets the queue before it meets a filter, and so would meet the newcomer before a fault that stands before it.
    """
    taps = set(newcomer.packet.taps) if newcomer.packet is not None else set()
    return tuple(
        replace(plan, filtered=False)
        for plan in plans
        if plan.filtered and plan.name != newcomer.name and plan.packet is not None and taps.intersection(plan.packet.taps)
    )


def _filterable(plan: FaultPlan, taps: Counter[str]) -> bool:
    # It begins when the connection is open for sure, and alone at its taps: the queue comes before a filter, whatever the file's order.
    packet = plan.packet
    return (
        packet is not None
        and packet.shapes is not None
        and isinstance(plan.schedule.trigger, AfterBytes | OnMatch | OnFin | OnOther)
        and set(packet.taps) <= INCOMING
        and all(taps[tap] == 1 for tap in packet.taps)
    )


def by(plan: FaultPlan) -> str | None:
    """The means, in the journal's words; None for a fault that does not lay hold of segments."""
    if plan.packet is None:
        return None
    return "socket filter" if plan.filtered else "queue"
