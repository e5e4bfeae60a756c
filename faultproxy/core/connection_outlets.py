"""What comes out of the two pipes of a connection, and what that makes of its legs: sent, ended, closed, read or not."""

from __future__ import annotations

from functools import partial

from faultproxy.core.actions import Action, CloseLeg, Filter, Fired, Pause, ResetLeg, Resume, Send, SendFin
from faultproxy.core.closing import Leg, is_done
from faultproxy.core.events import DIRECTIONS, SIDES, SINK, SOURCE, TO, Direction, Side
from faultproxy.core.limits import Budget
from faultproxy.core.pipe import Pipe
from faultproxy.core.stage import Act, Chunk, Close, Fin, Item, Rst


class Outlets:
    """The pipes and legs of a connection, and the actions that are being decided about them. A `Connection` is one."""

    def __init__(self, budget: Budget) -> None:
        self.over = False
        """Both legs have ended."""
        self.epoch = 0
        """Rises whenever an answer of `Connection.quiet_until` or `busy`, or `over`, may have changed."""
        self._actions: list[Action] = []
        self._early: list[Action] | None = []
        """What is for the server's socket waits until there is one; None: there is."""
        self._legs: dict[Side, Leg] = {"client": Leg(), "server": Leg()}
        self._paused: dict[Direction, bool] = {"c2s": False, "s2c": False}
        self._pipes: dict[Direction, Pipe] = {
            direction: Pipe((), partial(self._emit, direction), partial(self._report, direction), budget) for direction in DIRECTIONS
        }

    def _report(self, direction: Direction, fault: str, act: Act) -> None:
        self._actions.append(Fired(fault, act.what, direction, act.offset, act.size))

    def _say(self, action: Action) -> None:
        # What is for the server's socket waits until there is one.
        self._do(action.side if isinstance(action, Filter) else "client", action)

    def _emit(self, direction: Direction, item: Item) -> None:
        sink = SINK[direction]
        leg = self._legs[sink]
        if leg.gone:
            return
        match item:
            case Chunk():
                self._do(sink, Send(direction, item.data, item.injected))
            case Fin():
                self.epoch += 1
                leg.sent_fin = True
                self._do(sink, SendFin(direction))
            case Rst():
                self._end_leg(sink, ResetLeg(sink))
            case Close(linger, both):
                for side in (sink, SOURCE[direction]) if both else (sink,):
                    self._end_leg(side, CloseLeg(side, linger))
            case _:  # Broken: bytes are missing, and both ends must know
                for side in SIDES:
                    self._end_leg(side, ResetLeg(side))

    def _do(self, side: Side, action: Action) -> None:
        if side == "server" and self._early is not None:
            self._early.append(action)
        else:
            self._actions.append(action)

    def _end_leg(self, side: Side, action: Action) -> None:
        if not self._legs[side].gone:
            self._do(side, action)
            self._leg_gone(side)

    def _leg_gone(self, side: Side) -> None:
        self._legs[side].gone = True
        self.epoch += 1
        self._pipes[TO[side]].discard()

    def _is_gone(self, side: Side) -> bool:
        return self._legs[side].gone

    def _close_finished_legs(self) -> None:
        for side in SIDES:
            if is_done(side, self._legs, self._pipes[TO[side]]):
                self._end_leg(side, CloseLeg(side))
        self.over = self.over or (self._legs["client"].gone and self._legs["server"].gone)

    def _flow(self) -> None:
        for direction in DIRECTIONS:
            leg = self._legs[SOURCE[direction]]
            if leg.gone or leg.got_fin:
                continue
            paused = not self._pipes[direction].reading
            if paused != self._paused[direction]:
                self._paused[direction] = paused
                self._actions.append(Pause(direction) if paused else Resume(direction))
