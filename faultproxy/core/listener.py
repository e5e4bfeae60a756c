"""The listener's own faults (refusing, not accepting).

One timeline each, on the run's clock, and what they make of the listener together.
"""

from __future__ import annotations

from collections.abc import Sequence

from faultproxy.core.actions import Fired, Healed, Started
from faultproxy.core.plan import FaultPlan, Listening
from faultproxy.core.timeline import Timeline

Said = Started | Healed | Fired


class Listener:
    """Decides the state of the listener. Each call answers with what was decided; `state` is what holds now."""

    def __init__(self, plans: Sequence[FaultPlan]) -> None:
        self._plans = {plan.name: plan for plan in plans}
        self._timelines = {plan.name: Timeline(plan.schedule) for plan in plans}
        self._why = {plan.name: "the clock" for plan in plans}
        self._fired: set[str] = set()
        self.state = Listening()

    @property
    def idle(self) -> bool:
        """Whether it has no faults at all, and so never anything to say."""
        return not self._plans

    @property
    def active(self) -> tuple[str, ...]:
        """The names of the faults that are active now."""
        return tuple(name for name, timeline in self._timelines.items() if timeline.active)

    def open(self, now: float) -> list[Said]:
        """The clock starts."""
        for timeline in self._timelines.values():
            timeline.opened(now, now)
        return self.due(now)

    def join(self, plan: FaultPlan, now: float, clock_start: float) -> list[Said]:
        """One more fault, while the clock runs; where nothing else starts it, it starts now."""
        timeline = Timeline(plan.schedule)
        self._plans[plan.name], self._timelines[plan.name], self._why[plan.name] = plan, timeline, "the clock"
        timeline.opened(now, clock_start)
        return self.due(now)

    def change(self, plan: FaultPlan) -> list[Said]:
        """A fault goes on with other figures."""
        self._plans[plan.name] = plan
        return self._renew()

    def leave(self, fault: str, why: str) -> list[Said]:
        """A fault heals and is taken out."""
        said = self.order(fault, True, why, 0.0)
        for table in (self._plans, self._timelines, self._why):
            table.pop(fault, None)
        self._fired.discard(fault)
        return said

    def deadline(self) -> float | None:
        """When `due` wants to be called."""
        return min((t for timeline in self._timelines.values() if (t := timeline.deadline()) is not None), default=None)

    def due(self, now: float) -> list[Said]:
        """Takes every step whose time has come."""
        said: list[Said] = []
        for name, timeline in self._timelines.items():
            while (step := timeline.step(now)) is not None:
                said.append(Healed(name, "its time is over") if step == "heal" else Started(name, self._why[name]))
                self._fired.discard(name)
        return said + self._renew()

    def order(self, fault: str, heal: bool, why: str, now: float, *, by_hand: bool = False) -> list[Said]:
        """Starts or heals a fault by name; one that is not the listener's is no business of it. `by_hand` as in `events.Order`."""
        timeline = self._timelines.get(fault)
        if timeline is None:
            return []
        if heal:
            said: list[Said] = [Healed(fault, why)] if timeline.active else []
            if by_hand:
                timeline.rest()
            else:
                timeline.heal()
            return [*said, *self._renew()]
        if timeline.order(now) if by_hand else timeline.trigger(now):
            self._why[fault] = why
        return self.due(now)

    def end(self) -> list[Said]:
        """The run is over: everything heals and nothing starts again."""
        said: list[Said] = [Healed(name, "the run ends", final=True) for name in self.active]
        for timeline in self._timelines.values():
            timeline.stop()
        return said + self._renew()

    def waiting(self) -> list[Said]:
        """A client waits in the queue while nobody is accepted: the faults that stall have now acted, once for each start."""
        stalling = [name for name in self.active if (hook := self._plans[name].listen) is not None and hook(Listening()).stalled]
        return [self._fire(name, "left a client waiting in the accept queue") for name in stalling if name not in self._fired]

    def _fire(self, name: str, what: str) -> Fired:
        self._fired.add(name)
        return Fired(name, what)

    def _renew(self) -> list[Said]:
        state = Listening()
        for name in self.active:
            hook = self._plans[name].listen
            if hook is not None:
                state = hook(state)
        self.state = state
        # Nobody is told of a SYN that the kernel refused, so closing the port is itself the act.
        closing = [name for name in self.active if (hook := self._plans[name].listen) is not None and hook(Listening()).closed]
        return [self._fire(name, "closed the port: every SYN is answered with a RST") for name in closing if name not in self._fired]
