"""The packet plane of one proxy: segments of its connections wait in the kernel's queue until the core has decided about them.

How a segment finds its connection. The rules (kernel/nftables.py) queue two sorts: every SYN to the listener, and whatever belongs to a
flow that we have named. A client's first SYN admits its connection to the run, which so gets its number, and names its flows before the
SYN goes on; nobody chose it: nothing is named, and none of its segments comes here again. When the proxy dials, the new socket carries a
mark by which its SYN is queued, and the flows of the server's leg are named then.

A connection that is open already when a fault joins it (`settle`) has its flows named then, after our own kernel was asked for what its
segments would have told (`net/midstream.py`); once the last fault that needs them has left, they are let go of.

What costs nothing. A flow where no fault acts at the moment is `idle`: its segments pass unread, and only the latest is remembered, so that
the core can be brought up to date (`Noted`) before it decides anything. Segments are copied whole, and bundles taken apart, only while an
active fault asks for it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from faultproxy.core import actions as do
from faultproxy.core import events as ev
from faultproxy.core.connection import Connection
from faultproxy.core.events import Tap
from faultproxy.core.header import Malformed, Packet
from faultproxy.core.plan import Peer
from faultproxy.core.run import Run
from faultproxy.core.shape import ACK, FIN, RST, SYN
from faultproxy.core.timeline import AfterBytes, OnMatch
from faultproxy.kernel.nfqueue import INPUT, OUTPUT, Queued
from faultproxy.kernel.nftables import DIALLED, mark
from faultproxy.net import sockets
from faultproxy.net.capture import Capture
from faultproxy.net.host import Follow, Host
from faultproxy.net.midstream import Open, Settling, Untold
from faultproxy.net.readiness import IN
from faultproxy.net.recorder import Recorder
from faultproxy.net.switchboard import Alarm, Switchboard
from faultproxy.net.tapped import PORTS, Flow, Key, Register, Tapped, ends, plain, reaches, reverse, taps_of, told
from faultproxy.net.verdicts import Verdicts

_FOR_SOCKETS = (do.Send, do.SendFin, do.ResetLeg, do.CloseLeg, do.Pause, do.Resume, do.Filter)
_ABOUT_SEGMENTS = frozenset({do.Pass, do.Lose, do.Change, do.Inject, do.Fired})
_EDGES = FIN | SYN | RST


class PacketPlane:
    """Queue, rules and raw sockets of one proxy. `fail_open`: what cannot be judged (unreadable, or too much at once) passes.
    `follow` is told of every segment that opens, ends or may start something in a connection, once it has been judged.

    Raises CapabilityError where this process may not have them.
    """

    def __init__(
        self,
        run: Run,
        board: Switchboard,
        host: Host,
        *,
        notify: Callable[[str], None],
        fail_open: bool,
        capture: Capture | None,
        follow: Follow | None = None,
    ) -> None:
        self._run = run
        self._board = board
        self._host = host
        self._follow = follow
        follows_bytes = follow is not None and any(isinstance(plan.schedule.trigger, AfterBytes | OnMatch) for plan in run.plans)
        self._reads_all = capture is not None or follows_bytes
        self._verdicts = Verdicts(notify, fail_open=fail_open, always_whole=self._reads_all)
        self.queue = self._verdicts.queue
        self._register = Register(untap=self._verdicts.unwatch, forget=self.let_go)
        self._reading = False
        """Verdicts are kept until all that has been read is judged."""
        self._untold = Untold(board, lambda tapped: host.in_turn(partial(self._catch_up, tapped)))
        self._dials: dict[bytes, Tapped] = {}
        """By ports: whose dials are under way, their SYNs yet to be read."""
        self._at = ("::", 0)
        self.copies_whole = False
        """Some segments must be copied whole, so none may be larger than what the kernel copies."""
        self.faults: frozenset[str] = frozenset()
        """Those that act on segments here."""
        self.recorder = Recorder(capture) if capture is not None else None
        self._read_plans()
        board.handlers[self.queue.fileno()] = self._ready
        board.readiness.watch(self.queue.fileno(), IN)

    # ------------------------------------------------------------- opening

    def listen(self, address: str, port: int) -> None:
        """From now on SYNs to the proxy, which listens there, are queued."""
        self._at = (address, port)
        self._verdicts.attend(port, True)
        self._verdicts.table.dials()

    def intercept(self, port: int) -> None:
        """From now on SYNs to that port, whoever listens there, are queued."""
        self._at = ("::", port)
        self._verdicts.table.intercept(port)

    @property
    def tapped(self) -> list[Tapped]:
        """All connections whose segments may come here."""
        return list(self._register.by_core.values())

    def born(self, peer: Peer) -> Tapped | int | None:
        """What its SYN has made of a client that is accepted now: tapped, or its number; None: its SYN was never seen."""
        return self._register.embryos.pop((plain(peer.address), peer.port), None)

    def dialling(self, core: Connection) -> Callable[[socket.socket, int, bool], None] | None:
        """What to call with a socket, and the port that it dials, right before (False) and after (True) it does for this connection."""
        tapped = self._register.by_core.get(id(core))
        return partial(self._dials_out, tapped) if tapped is not None else None

    def endure(self, core: Connection, sock: socket.socket) -> None:
        """If segments of that connection come here, its new socket, one of ours, must have patience with what is done to them."""
        if self.recorder is not None or (core.packets is not None and core.packets.watched):
            sockets.endure(sock)
            if (tapped := self._register.by_core.get(id(core))) is not None:
                tapped.patient = True

    def _dials_out(self, tapped: Tapped, sock: socket.socket, port: int, done: bool) -> None:
        if not done:
            self.endure(tapped.core, sock)
            if self.copies_whole:
                sockets.limit_segments(sock)
        if not self._wants(tapped, ("from_server", "to_server")):
            return
        mark(sock, 0 if done else DIALLED)
        if done:
            self._dials[PORTS.pack(sock.getsockname()[1], port)] = tapped

    # ---------------------------------------------- open when faults come and go

    def renew(self) -> None:
        """Faults have come, changed or gone: new connections are met here as long as any fault acts on segments."""
        self._read_plans()
        if not self.faults and self.recorder is None:
            self._verdicts.attend(self._at[1], False)

    def settle(self, connections: Iterable[Open]) -> None:
        """Names the flows of these connections that their faults now want to meet, and lets go of those that none does."""
        settled = Settling(self._register, self.recorder is not None, self._new)
        changed = [each for each in connections if settled.is_otherwise(each.core)]
        for each in changed:
            settled.take(each)
        self._verdicts.exchange(settled.unmet, settled.met)
        self._untold.add(settled.untold)
        for each in changed:
            self.refresh(each.core)

    def _read_plans(self) -> None:
        queued = [(plan.name, plan.queued) for plan in self._run.plans if plan.queued is not None]
        self.copies_whole = any(plan.whole for _, plan in queued)
        self.faults = frozenset(name for name, _ in queued)

    # ------------------------------------------------- what the queue brings

    def _ready(self, bits: int) -> None:
        self._host.in_turn(self._read)

    def _read(self) -> None:
        flows = self._register.flows
        queue = self.queue
        self._reading = True
        batch = queue.read()
        now = self._host.now()  # not before: what came meanwhile would be let go too early
        for queued in batch:
            data = queued.data
            at, there = (20, data[12:24]) if data[0] == 0x45 else (40, data[8:44])
            flow = flows.get((queued.hook, there))
            if flow is not None and flow.idle and len(data) > at + 13 and not data[at + 13] & _EDGES:
                flow.unseen = data
                queue.accept(queued.id)
            else:
                self._judge(queued, flow, now)
        self._reading = False
        queue.flush()
        self._verdicts.look_for_overflow(len(batch))

    def _judge(self, queued: Queued, flow: Flow | None, now: float) -> None:
        try:
            packet = Packet(queued.data, length=queued.length, ref=queued.id, outbound=queued.hook == OUTPUT)
        except Malformed as why:
            self._verdicts.unreadable(queued, why)
            return
        opens = packet.flags & (SYN | ACK) == SYN
        if opens or flow is None or packet.tcp_at not in (20, 40):  # where `_read` has looked
            key = (queued.hook, ends(packet))
            flow = self._register.flows.get(key)
            if opens:
                flow = self._opening(queued, packet, key, flow, now)
        if flow is None or flow.tapped.gone or flow.tapped.core.packets is None:
            self.queue.accept(queued.id)
            if self.recorder is not None and flow is not None:
                self.recorder.passed(flow.tap, packet)
        elif not packet.flags & _EDGES and self._verdicts.came_before(queued, packet, flow.tapped.core.packets):
            flow.unseen = queued.data
            self.queue.accept(queued.id)
            if self._follow is not None and self._reads_all:
                self._catch_up(flow.tapped)
                self._follow(flow.tapped, flow.tap, packet)
        else:
            self._tell(flow, packet, now)

    def _tell(self, flow: Flow, packet: Packet, now: float) -> None:
        tapped = flow.tapped
        core = tapped.core
        assert core.packets is not None
        self._catch_up(tapped)
        if tapped.gone and packet.ref is not None:
            self.queue.accept(packet.ref)  # nobody is left to judge it
            return
        if packet.flags & SYN and self._follow is not None and self.copies_whole:
            packet = self._verdicts.limited(packet)
        if self.recorder is not None:
            self.recorder.judged(packet)
        matched = core.packets.scan(flow.tap, packet)
        outcome = self._run.handle(core, ev.Seen(flow.tap, packet, matched, packet.ref), now)
        if len(outcome) == 1 and core.epoch == tapped.epoch and _ABOUT_SEGMENTS.issuperset(map(type, outcome[0][1])):
            # The usual case: nothing for a socket, and nothing that changes what comes here. The host need not be asked.
            self.act(outcome[0][1])
            self._come_back(tapped)
        elif outcome:
            self._host.carry(outcome)
        else:
            self.refresh(core)
        if self._follow is not None:
            self._follow(tapped, flow.tap, packet)

    def catch_up(self, core: Connection) -> None:
        """Tells the core what has gone by unseen: before it is told anything else, for a fault may begin then."""
        if (tapped := self._register.by_core.get(id(core))) is not None:
            self._catch_up(tapped)

    def _catch_up(self, tapped: Tapped) -> None:
        core = tapped.core
        while tapped.stands and not tapped.gone:
            self._host.carry(self._run.handle(core, tapped.stands.pop(0), self._host.now()))
        for flow in tapped.flows:
            if flow.unseen is not None:
                data, flow.unseen = flow.unseen, None
                try:
                    noted = ev.Noted(flow.tap, Packet(data, length=max(len(data), told(data))))
                except Malformed:  # whatever it was, it says nothing about the connection
                    continue
                if outcome := self._run.handle(core, noted, self._host.now()):
                    self._host.carry(outcome)  # something else was due

    def catch_up_all(self) -> None:
        """The same for every connection: before an order, which may concern any of them."""
        for tapped in self.tapped:
            self.catch_up(tapped.core)

    # ------------------------------------------------------- new connections

    def _opening(self, queued: Queued, packet: Packet, key: Key, flow: Flow | None, now: float) -> Flow | None:
        dialled = self._dials.pop(key[1][-4:], None) if queued.hook == OUTPUT and queued.mark == DIALLED else None
        if flow is not None:
            over = flow.tapped.core.over or id(flow.tapped) in self._register.lasting
            if dialled is None and not over and (self._follow is None or flow.begins_with(packet)):
                return flow  # sent again
            if dialled is None or over:
                self.let_go(flow.tapped)
        if dialled is not None and not dialled.gone:
            self._watch(dialled, (("to_server", key), ("from_server", reverse(key))))
        elif dialled is None and reaches(packet, *self._at) and (self._follow is not None or queued.hook == INPUT):
            self._admit(queued, packet, key, now)
        return self._register.flows.get(key)

    def _admit(self, queued: Queued, packet: Packet, key: Key, now: float) -> None:
        address = packet.source
        register, intercepts = self._register, self._follow is not None
        if (address, packet.sport) in register.embryos or register.passed_by.get((address, packet.sport)) == packet.seq:
            return  # sent again
        core, outcome = self._run.admit(self._host.who(address, packet.sport), now, always=self.recorder is not None)
        if core is None:
            if intercepts:
                register.pass_by(address, packet.sport, packet.seq)
            else:
                register.expect(address, packet.sport, self._run.opened)
            return
        tapped = self._new(core, self._run.opened, f"{address}:{packet.sport}")
        if not intercepts:
            register.expect(address, packet.sport, tapped)
        self._watch(tapped, taps_of(tapped, key, met_here=queued.hook == INPUT and queued.indev == _LOOPBACK))
        self._host.carry(outcome)
        self.refresh(core)

    def _new(self, core: Connection, ordinal: int, name: str) -> Tapped:
        tapped = Tapped(core, ordinal, name)
        tapped.alarm = Alarm(self._board, partial(self._tick, tapped))
        self._register.add(tapped)
        return tapped

    def _wants(self, tapped: Tapped, taps: Iterable[Tap]) -> bool:
        # Without sockets of ours, how a connection stands is known by its segments alone, both ways.
        packets = tapped.core.packets
        everything = self.recorder is not None or self._follow is not None
        return everything or (packets is not None and not packets.watched.isdisjoint(taps))

    def _watch(self, tapped: Tapped, places: Sequence[tuple[Tap, Key]]) -> None:
        wanted = [(tap, key) for tap, key in places if self._wants(tapped, (tap,))]
        for tap, key in wanted:
            self._register.watch(tapped, tap, key)
        self._verdicts.watch([key for _, key in wanted])
        tapped.epoch = -1

    # ----------------------------------------------------- what is decided

    def act(self, actions: Sequence[do.Action]) -> None:
        """Carries out what the core has decided about segments."""
        if self._verdicts.closed:
            return
        if self.recorder is not None:
            self.recorder.decided(actions)
        self._verdicts.act(actions)
        if not self._reading:
            self.queue.flush()

    def keep_for_later(self, core: Connection, actions: Sequence[do.Action]) -> None:
        """Keeps what is to be done to sockets that are not there yet, if any are to come."""
        if (tapped := self._register.by_core.get(id(core))) is not None and tapped.waiting is not None:
            tapped.waiting += [action for action in actions if isinstance(action, _FOR_SOCKETS)]

    def refresh(self, core: Connection) -> None:
        """After the core has decided: which flows may pass unasked, how deep to copy, and when to come back."""
        if (tapped := self._register.by_core.get(id(core))) is None:
            return
        if tapped.gone:
            self._remove(tapped)
            return
        self._come_back(tapped)
        if core.epoch != tapped.epoch:
            tapped.epoch = core.epoch
            for flow in tapped.flows:
                flow.idle = not self._reads_all and (core.packets is None or not core.packets.acts(flow.tap))
            self._verdicts.want(tapped, core.packets)

    def _come_back(self, tapped: Tapped) -> None:
        if (deadline := tapped.core.deadline()) is not None:
            tapped.alarm.by(deadline)

    def outlast(self, core: Connection) -> bool:
        """The sockets of the connection are closed. True: its segments still matter, and it is let go from here when they do not."""
        if (tapped := self._register.by_core.get(id(core))) is None:
            return False
        if core.lasting:
            self._register.outlast(tapped)
            return True
        self._forget(tapped)
        return False

    def outlast_captured(self, tapped: Tapped) -> None:
        """The same for one that no fault has to do with: its last segments are still to be written."""
        self._register.outlast(tapped)

    def let_go(self, tapped: Tapped) -> None:
        """It has to give way: its faults heal, what is held goes on."""
        if tapped.core.packets is not None and not tapped.gone:
            self._host.carry(self._run.handle(tapped.core, ev.Forgotten(), self._host.now()))
        self._remove(tapped)

    def close(self) -> None:
        """Queue and rules go; what is still waiting passes."""
        self._board.handlers.pop(self.queue.fileno(), None)
        self._board.readiness.forget(self.queue.fileno())
        self._verdicts.close()

    # ------------------------------------------------------------------

    def _remove(self, tapped: Tapped) -> None:
        self._forget(tapped)
        self._run.close(tapped.core)

    def _forget(self, tapped: Tapped) -> None:
        self._register.remove(tapped)
        self._verdicts.want(tapped, None)

    def _tick(self, tapped: Tapped) -> None:
        self._host.in_turn(partial(self._ticked, tapped))

    def _ticked(self, tapped: Tapped) -> None:
        core = tapped.core
        deadline, now = core.deadline(), self._host.now()
        if deadline is None or tapped.gone:
            return
        if deadline > now:
            tapped.alarm.by(deadline)
            return
        self.catch_up(core)
        self._host.carry(self._run.handle(core, ev.Timer(), now))
        self.refresh(core)


_LOOPBACK = 1
"""The index of `lo`, the first device of every network namespace."""
