"""A run: all connections of one proxy, its listener, and what reaches from one connection to another (chains, orders, the seed)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from faultproxy.core.actions import Action, Fired, Healed, Started
from faultproxy.core.chooser import Chooser
from faultproxy.core.connection import Connection
from faultproxy.core.events import DIRECTIONS, Direction, Event, Order, RunEnds
from faultproxy.core.limits import Budget
from faultproxy.core.listener import Listener, Said
from faultproxy.core.mechanism import crowded_out
from faultproxy.core.plan import FaultPlan, Peer, Sockets
from faultproxy.core.rng import Chance, stream
from faultproxy.core.timeline import OnOther


@dataclass(frozen=True, slots=True)
class Knock:
    """A client has connected, as number `ordinal`; `open` follows for the connection if any fault has to do with it."""

    peer: Peer
    ordinal: int


@dataclass(frozen=True, slots=True)
class Add:
    """A fault is added while the run goes on; `fault` is its table, in plain JSON. `add` follows for each connection that it chooses."""

    fault: Mapping[str, Any]
    filtered: bool = False
    """A socket filter carries it out."""


@dataclass(frozen=True, slots=True)
class Change:
    """A fault goes on with other figures; `fault` is its new table. `change`, `add` or `remove` follows for each connection concerned."""

    fault: Mapping[str, Any]
    filtered: bool = False
    """A socket filter carries it out."""


@dataclass(frozen=True, slots=True)
class Remove:
    """A fault is taken out; `remove` follows for each connection that has it. `drain`: what it holds keeps its time."""

    fault: str
    why: str
    drain: bool = False


Happening = Event | Knock | Add | Change | Remove | str
"""An event, or one of the words `open dial add change remove close` (a connection), `open timer waiting order heal end` (the listener)."""
Watch = Callable[[float, Connection | None, Happening, Sequence[Action]], None]
"""Told of all that reaches the run and of every decision: time, connection (None: the listener), what happened, and the actions.
What is decided in consequence, by a chain or an order, follows its cause."""
Outcome = list[tuple[Connection, list[Action]]]
"""Actions to be carried out, by connection; their deadlines, and those of no others but the one that was asked, may have changed."""


@dataclass(slots=True)
class FaultStats:
    """What one fault has done so far. `where` counts the places (connections, listener) in which it is active."""

    name: str
    kind: str
    starts: int = 0
    where: int = 0
    fired: int = 0
    heals: int = 0
    chosen: int = 0
    last: str = ""


@dataclass(slots=True)
class _Entry:
    plan: FaultPlan
    chooser: Chooser
    stats: FaultStats
    ordered: tuple[float, str] | None = None
    """Since when and why it is started by hand for everybody: for a connection that opens later too, while it lasts."""
    resting: bool = False
    """Healed by hand: it does not start for connections that open later either."""
    changes: int = 0


@dataclass(slots=True)
class Run:
    """Decides for all connections of one proxy. `seed` names every stream of chance; `watch` is told of each decision."""

    plans: Sequence[FaultPlan]
    seed: int
    clock_start: float
    sockets: Sockets = Sockets()
    watch: Watch | None = None
    budget: Budget = field(default_factory=Budget)
    armed: bool = True
    """False: as if there were no faults, and nobody is counted, until `arm`."""
    tells_all: bool = False
    """Connections that no fault concerns are told to the watch as well, and so cost as much as others."""
    opened: int = 0
    connections: dict[int, Connection] = field(default_factory=dict)
    listener: Listener = field(init=False)
    _entries: dict[str, _Entry] = field(init=False)
    _remote: tuple[FaultPlan, ...] = field(init=False)
    _shared: dict[tuple[Direction, str], object] = field(init=False)
    _now: float = field(init=False)

    def __post_init__(self) -> None:
        self._now = self.clock_start
        self._entries = {plan.name: self._entry(plan) for plan in self.plans}
        self.listener = Listener([plan for plan in self.plans if plan.listen is not None])
        self._remote = tuple(remote for plan in self.plans if (remote := plan.watcher()) is not None)
        self._shared = {key: value for plan in self.plans for key, value in plan.all_shared().items()}

    @property
    def stats(self) -> list[FaultStats]:
        """What each fault has done, in file order."""
        return [entry.stats for entry in self._entries.values()]

    @property
    def listener_sockets(self) -> Sockets:
        """The buffers to set before `listen`: those that faults want for everybody. The others are set on the accepted socket."""
        sockets = self.sockets
        for plan in self.plans:
            if plan.sockets is not None and plan.selection.everybody:
                sockets = plan.sockets(sockets)
        return sockets

    def open(self, now: float) -> Outcome:
        """The listener is up."""
        return self._listened(self.listener.open(now), now, "open")

    def arm(self, now: float) -> Outcome:
        """The clock starts, and faults concern whoever connects from now on."""
        self.armed, self.clock_start = True, now
        return self.open(now)

    def deadline(self) -> float | None:
        """When the listener's faults want `due`."""
        return self.listener.deadline()

    def due(self, now: float) -> Outcome:
        """Something of the listener's is due."""
        return self._listened(self.listener.due(now), now, "timer")

    def waiting(self, now: float) -> Outcome:
        """A client waits to be accepted while the listener is stalled."""
        return self._listened(self.listener.waiting(), now, "waiting")

    def admit(self, peer: Peer, now: float, *, always: bool = False) -> tuple[Connection | None, Outcome]:
        """A client has connected, or sends its first SYN.

        None: no fault has anything to do with it, so nobody needs to be asked about it; `always` makes a connection even so.
        """
        if not self.armed:
            return None, []
        if peer.role == "outsider":
            self.opened += 1
        ordinal = self.opened if peer.role == "outsider" else peer.number
        self._now = now
        if self.watch is not None:
            self.watch(now, None, Knock(peer, ordinal), ())
        chosen = [entry for entry in self._entries.values() if entry.plan.listen is None and entry.chooser.chooses(peer, ordinal)]
        remote = self._remote if peer.role != "probe" else ()
        if not chosen and not remote and not always and not self.tells_all:
            return None, []
        plans = [*(entry.plan for entry in chosen), *remote]
        if not plans and not self.tells_all:  # no decision will ever be asked of it, so nobody is told
            return Connection(ordinal, peer, (), chances={}, shared={}), []
        chances: dict[tuple[str, str], Chance] = {}
        for plan in plans:
            chances |= self._chances(plan, peer, ordinal)
        connection = Connection(
            ordinal, peer, plans, chances=chances, shared=self._shared, clock_start=self.clock_start, budget=self.budget
        )
        self.connections[id(connection)] = connection
        for entry in chosen:
            entry.stats.chosen += 1
        outcome: Outcome = []
        ordered = {entry.plan.name: entry.ordered for entry in chosen if entry.ordered is not None}
        resting = [entry.plan.name for entry in chosen if entry.resting]
        self._tell(connection, connection.open(now, ordered, resting), now, "open", outcome)
        return connection, outcome

    def dial(self, connection: Connection, actions: Sequence[Action], now: float) -> None:
        """Notes what the faults decided about dialling (`Connection.dial`)."""
        self._tell(connection, list(actions), now, "dial", [])

    def handle(self, connection: Connection, event: Event, now: float) -> Outcome:
        """Passes an event to a connection; the outcome may concern others too, by chains."""
        outcome: Outcome = []
        self._pass(connection, event, now, outcome)
        return outcome

    def close(self, connection: Connection) -> None:
        """The connection is over and its sockets are closed."""
        if self.connections.pop(id(connection), None) is not None and self.watch is not None:
            self.watch(self._now, connection, "close", ())

    def order(self, fault: str, heal: bool, why: str, now: float) -> Outcome:
        """A hand starts or heals a fault wherever it was chosen, and for connections that open later until it is ordered otherwise.

        Started, it is for them while its time is not over; healed, it stays so.
        """
        entry = self._entries[fault]
        entry.ordered = None if heal else (now, why)
        entry.resting = heal
        said = self.listener.order(fault, heal, why, now, by_hand=True) if entry.plan.listen is not None else []
        outcome = self._listened(said, now, Order(fault, heal, why, by_hand=True))
        for connection in list(self.connections.values()):
            if fault in connection.faults:
                self._pass(connection, Order(fault, heal, why, by_hand=True), now, outcome)
        return outcome

    def add(self, plan: FaultPlan, table: Mapping[str, Any], now: float) -> Outcome:
        """A fault is added while the run goes on, behind all others; `table` is what it is made of, for the watch.

        It concerns the connections that are open and are told to the watch (`tells_all`: all that are), in the order in which they opened,
        and those to come. For it, a connection that is open opens now; what bytes and FINs start, those to come start. A socket filter that
        is not alone at its tap any more makes way: the queue carries out its fault from now on (`mechanism.crowded_out`).
        Raises ValueError for a name that is taken.
        """
        if plan.name in self._entries:
            raise ValueError(f"there is a fault called {plan.name!r} already")
        self.plans = (*self.plans, plan)
        entry = self._entries[plan.name] = self._entry(plan)
        self._shared |= plan.all_shared()
        said: list[Said] = []
        if plan.listen is not None and self.armed:
            said = self.listener.join(plan, now, self.clock_start)
        outcome = self._listened(said, now, Add(table, plan.filtered))
        for other in crowded_out(self.plans, plan):
            self._exchange(other, now, outcome)
        joins = plan
        if plan.listen is not None:
            remote = plan.watcher()
            if remote is None:
                return outcome
            joins, self._remote = remote, (*self._remote, remote)
        for connection in [each for each in self.connections.values() if not each.over]:
            peer, ordinal = connection.peer, connection.ordinal
            if peer.role != "probe" if joins is not plan else entry.chooser.chooses(peer, ordinal):
                entry.stats.chosen += joins is plan
                actions = connection.join(joins, self._chances(joins, peer, ordinal), self._shared, now)
                self._changed(connection, actions, now, "add", outcome)
        return outcome

    def change(self, plan: FaultPlan, table: Mapping[str, Any], now: float) -> Outcome:
        """The fault of that name goes on with other figures; `table` is what it is made of now, for the watch.

        What it holds it keeps, with the time at which that was to leave. Where it chooses other connections than before, it joins those
        and leaves the others; who stays chosen is not drawn again. Raises KeyError for a name that there is not, and ValueError for what
        cannot be changed: its kind, what starts it and how long it lasts, its directions or taps.
        """
        entry = self._entries[plan.name]
        before = entry.plan
        if plan.fixed != before.fixed:
            raise ValueError(f"{plan.name!r}: only its figures and whom it hits can be changed; remove it, and add it anew")
        entry.plan, entry.changes = plan, entry.changes + 1
        self.plans = tuple(plan if each is before else each for each in self.plans)
        again = plan.selection != before.selection
        if again:
            entry.chooser = Chooser(plan.selection, self.seed, plan.name)
        self._shared |= plan.all_shared()
        outcome = self._listened(self.listener.change(plan) if plan.listen is not None else (), now, Change(table, plan.filtered))
        for connection in [each for each in self.connections.values() if not each.over and plan.listen is None]:
            peer, ordinal, has = connection.peer, connection.ordinal, plan.name in connection.faults
            if not (entry.chooser.chooses(peer, ordinal) if again else has):
                if has:
                    self._changed(connection, connection.leave(plan.name, "no longer chosen", now), now, "remove", outcome)
                continue
            act, word = (connection.change, "change") if has else (connection.join, "add")
            entry.stats.chosen += not has
            self._changed(connection, act(plan, self._chances(plan, peer, ordinal), self._shared, now), now, word, outcome)
        return outcome

    def remove(self, fault: str, why: str, now: float, *, drain: bool = False) -> Outcome:
        """A fault heals and is taken out; with `drain`, what it holds until a certain time keeps that time.

        KeyError: there is none of that name.
        """
        plan = self._entries[fault].plan
        outcome = self._listened(self.listener.leave(fault, why) if plan.listen is not None else (), now, Remove(fault, why, drain))
        for connection in [each for each in self.connections.values() if fault in each.faults]:
            self._changed(connection, connection.leave(fault, why, now, drain), now, "remove", outcome)
        self.plans = tuple(each for each in self.plans if each.name != fault)
        self._remote = tuple(each for each in self._remote if each.name != fault)
        self._shared = {key: value for key, value in self._shared.items() if key[1] != fault}
        del self._entries[fault]
        return outcome

    def heal(self, now: float) -> Outcome:
        """Everything heals and nothing starts again, for connections that open later neither; all go on."""
        for entry in self._entries.values():
            entry.resting = True
            entry.ordered = None
        return self._end(now, "heal")

    def end(self, now: float) -> Outcome:
        """Everything heals; nothing starts again."""
        return self._end(now, "end")

    def _end(self, now: float, word: str) -> Outcome:
        outcome = self._listened(self.listener.end(), now, word)
        for connection in list(self.connections.values()):
            self._pass(connection, RunEnds(), now, outcome)
        return outcome

    def never_fired(self) -> list[FaultStats]:
        """The faults that have not acted although the scenario wants them to."""
        return [entry.stats for entry in self._entries.values() if not entry.stats.fired and not entry.plan.may_not_fire]

    # ------------------------------------------------------------------

    def _entry(self, plan: FaultPlan) -> _Entry:
        return _Entry(plan, Chooser(plan.selection, self.seed, plan.name), FaultStats(plan.name, plan.kind))

    def _exchange(self, plan: FaultPlan, now: float, outcome: Outcome) -> None:
        # The same fault, by other means: whom it hits stays, and nothing is drawn again.
        entry = self._entries[plan.name]
        self.plans = tuple(plan if each is entry.plan else each for each in self.plans)
        entry.plan = plan
        for connection in [each for each in self.connections.values() if plan.name in each.faults and not each.over]:
            actions = connection.change(plan, self._chances(plan, connection.peer, connection.ordinal), self._shared, now)
            self._changed(connection, actions, now, "change", outcome)

    def _chances(self, plan: FaultPlan, peer: Peer, ordinal: int) -> dict[tuple[str, str], Chance]:
        purposes: list[str] = ["", *(DIRECTIONS if plan.stage is not None else ()), *(plan.queued.taps if plan.queued is not None else ())]
        changes = self._entries[plan.name].changes
        which = (changes,) if changes else ()  # what was drawn before is not drawn again
        return {(what, plan.name): stream(self.seed, peer.role, peer.name, ordinal, what, plan.name, *which) for what in purposes}

    def _changed(self, connection: Connection, actions: list[Action], now: float, word: str, outcome: Outcome) -> None:
        outcome.append((connection, []))  # nothing may be decided, and yet its deadline is another
        self._tell(connection, actions, now, word, outcome)

    def _pass(self, connection: Connection, event: Event, now: float, outcome: Outcome) -> None:
        self._tell(connection, connection.handle(event, now), now, event, outcome)

    def _tell(self, connection: Connection, actions: list[Action], now: float, event: Happening, outcome: Outcome) -> None:
        self._now = now
        if self.watch is not None:
            self.watch(now, connection, event, actions)
        if actions or isinstance(event, Order):  # an order without actions may still have changed the deadline
            outcome.append((connection, actions))
            self._note(actions, connection, now, outcome)

    def _listened(self, said: Iterable[Said], now: float, event: Happening) -> Outcome:
        outcome: Outcome = []
        actions: list[Action] = list(said)
        self._now = now
        if self.watch is not None:
            self.watch(now, None, event, actions)
        if actions:
            self._note(actions, None, now, outcome)
        return outcome

    def _note(self, actions: Sequence[Action], connection: Connection | None, now: float, outcome: Outcome) -> None:
        for action in actions:
            if type(action) is Fired:
                stats = self._entries[action.fault].stats
                stats.fired += 1
                stats.last = action.what
            elif type(action) is Started or type(action) is Healed:
                self._turned(action, connection, now, outcome)

    def _turned(self, action: Started | Healed, connection: Connection | None, now: float, outcome: Outcome) -> None:
        entry = self._entries[action.fault]
        starts = isinstance(action, Started)
        if entry.plan.listen is not None and connection is not None:
            # The watcher in a connection saw what starts a fault of the listener.
            if isinstance(action, Started):
                outcome += self._listened(self.listener.order(action.fault, False, action.why, now), now, "order")
            return
        entry.stats.starts += starts
        entry.stats.heals += not starts
        entry.stats.where += 1 if starts else -1
        if isinstance(action, Healed) and action.final:
            return
        trigger = OnOther(action.fault, heals=not starts)
        why = f"{action.fault} {'started' if starts else 'healed'}"
        for other in self._entries.values():
            name = other.plan.name
            if other.plan.schedule.trigger != trigger or (connection is not None and name in connection.faults):
                continue
            if other.plan.listen is not None:
                outcome += self._listened(self.listener.order(name, False, why, now), now, "order")
                continue
            for target in list(self.connections.values()):
                if name in target.faults:
                    self._pass(target, Order(name, False, why), now, outcome)
