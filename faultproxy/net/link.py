"""One proxied connection in the switchboard: two legs, two ways, and the core's decisions about them, carried out.

A `Link` knows what a socket can do and nothing about faults. With a core (`Connection`) it reports what happens and does what it is
told; without one (no fault concerns the connection) it follows the same rules of closing by itself, in `_plain_*`.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from faultproxy.core import actions as do
from faultproxy.core import events as ev
from faultproxy.core.connection import Connection
from faultproxy.core.events import FROM, TO, Direction, Side
from faultproxy.core.limits import HELD_PER_DIRECTION
from faultproxy.net import sockets
from faultproxy.net.legs import Leg, Way
from faultproxy.net.readiness import ERR, HUP, IN, OUT, look
from faultproxy.net.switchboard import Alarm

if TYPE_CHECKING:
    from faultproxy.net.conductor import Conductor


class Link:
    """Carries one connection. `core` is None where no fault has anything to do with it."""

    __slots__ = ("alarm", "conductor", "core", "epoch", "legs", "opened", "ordinal", "peer", "ways")

    def __init__(
        self, conductor: Conductor, *, ordinal: int, peer: str, client: socket.socket, core: Connection | None, now: float
    ) -> None:
        self.conductor = conductor
        self.ordinal = ordinal
        self.peer = peer
        self.core = core
        self.opened = now
        self.alarm = Alarm(conductor.board, self._tick)
        self.epoch = -1
        """Of the core, when it was last asked."""
        self.legs: dict[Side, Leg] = {"client": Leg("client", client)}
        self.ways: dict[Direction, Way] = {"c2s": Way(self, "c2s"), "s2c": Way(self, "s2c")}
        self.ways["c2s"].recv_into = client.recv_into
        self.ways["s2c"].send = client.send
        conductor.board.table[self.legs["client"].fd] = self.ways["c2s"]

    # ------------------------------------------------------------- opening

    def guard(self) -> None:
        """Until the upstream is dialled the client is not read, but its RST is noticed."""
        leg = self.legs["client"]
        if leg.sock is not None:  # a fault may have ended it already
            self._watch(leg, 0)

    def join(self, server: socket.socket) -> None:
        """The upstream is connected: both ways are open."""
        leg = self.legs["server"] = Leg("server", server)
        self.conductor.board.table[leg.fd] = self.ways["s2c"]
        self.ways["s2c"].recv_into = server.recv_into
        self.ways["c2s"].send = server.send
        for way in self.ways.values():
            way.reading = not way.paused
        for way in self.ways.values():
            self._interest(way)
        if self.core is not None:
            port = 0 if server.family == socket.AF_UNIX else server.getsockname()[1]
            self.conductor.tell(self, ev.Dialled(str(self.conductor.upstream), port))

    def not_dialled(self, why: str) -> None:
        """The upstream cannot be had; `why` as in `ev.DialFailed`."""
        if self.core is not None:
            self.conductor.tell(self, ev.DialFailed(why, self.conductor.orderly))
            return
        self.act([do.CloseLeg("client") if self.conductor.orderly else do.ResetLeg("client")])
        self.refresh()

    # ------------------------------------- what the switchboard reports

    def received(self, way: Way, size: int) -> None:
        """`size` bytes stand in the shared buffer, 0 for the FIN."""
        if size == 0:
            self._eof(way)
            return
        offset = way.count
        way.count = offset + size
        view = self.conductor.board.view[:size]
        core, direction = self.core, way.direction
        if core is None:
            self._write(way, view)
            return
        began = time.monotonic()
        hits = core.scan(direction, offset, view)
        if hits or way.busy or way.limit >= 0:
            self.conductor.tell(self, ev.Data(direction, offset, bytes(view), hits))
        else:
            self._write(way, view)
        way.digested(size, time.monotonic() - began)

    def unreadable(self, way: Way, error: OSError) -> None:
        """`recv` failed."""
        if not isinstance(error, BlockingIOError | InterruptedError):
            self._died(self.legs[ev.SOURCE[way.direction]], sockets.name_of(error))

    def unsent(self, way: Way, rest: memoryview, error: OSError | None) -> None:
        """`send` did not take all: the sink's buffer is full, or it is dead."""
        if error is not None and not isinstance(error, BlockingIOError | InterruptedError):
            self._died(self.legs[ev.SINK[way.direction]], sockets.name_of(error))
            return
        self._keep(way, bytes(rest))
        self._interest(way)

    def on_ready(self, way: Way, bits: int) -> None:
        """Something about the source of `way` other than bytes to be read."""
        leg = self.legs[ev.SOURCE[way.direction]]
        if bits & OUT:
            self._flush(leg)
            if self.finished:
                self.conductor.finished(self)
        if leg.sock is None:
            return
        if bits & IN and way.reading:
            self.conductor.board.read(way)
            return
        error = leg.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if bits & (ERR | HUP) else 0
        if error:
            self._died(leg, sockets.name_of(error))
            return
        if bits & HUP and look(leg.fd, 0):
            # Both FINs have passed this socket: nothing more can be told of it, and epoll would tell it for ever.
            self._unwatch(leg)
            leg.hung = True
        if bits & IN and way.alert:
            way.alert = False
            self._interest(way)
            self.conductor.tell(self, ev.Waiting(way.direction))

    # ------------------------------------------------------ what is told

    def act(self, actions: Sequence[do.Action]) -> None:
        """Carries out what the core has decided."""
        for action in actions:
            match action:
                case do.Send(direction, data, injected):
                    way = self.ways[direction]
                    if injected and way.kept + len(data) > HELD_PER_DIRECTION:
                        self.conductor.overflowed(self, len(data))
                    else:
                        self._write(way, data)
                case do.SendFin(direction):
                    self._fin(self.ways[direction])
                case do.Pause(direction):
                    self._pause(self.ways[direction], True)
                case do.Resume(direction):
                    self._pause(self.ways[direction], False)
                case do.ResetLeg(side):
                    self._reset(side)
                case do.CloseLeg(side, linger):
                    self._close(side, linger)
                case do.Filter(_, side) if (leg := self.legs.get(side)) is not None and leg.sock is not None:
                    self.conductor.filter(self, leg.sock, action)
                case _:
                    pass  # said, or about segments

    def refresh(self) -> None:
        """After the core has decided: how far each way may go unasked, and when to come back."""
        core = self.core
        if core is not None:
            deadline = core.deadline()
            if deadline is not None:
                self.alarm.by(deadline)
            if core.epoch != self.epoch:
                self.epoch = core.epoch
                for direction, way in self.ways.items():
                    way.limit = core.quiet_until(direction)
                    way.busy = core.busy(direction)
        if self.finished:
            self.conductor.finished(self)

    def abandon(self) -> None:
        """The run is over: closes both legs; with a RST where bytes that were promised can no longer be sent."""
        for side in tuple(self.legs):
            if self.ways[TO[side]].out:
                self._reset(side)
            else:
                leg = self.legs[side]
                if leg.lingers and leg.sock is not None:
                    sockets.unset_linger(leg.sock)
                    leg.lingers = False
                self._drop(leg)

    @property
    def finished(self) -> bool:
        """Whether no socket is left, and none is to come."""
        for leg in self.legs.values():
            if leg.sock is not None:
                return False
        return "server" in self.legs or self.core is None or self.core.over

    @property
    def kept(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self.ways["c2s"].kept + self.ways["s2c"].kept

    # ------------------------------------------------------------ the parts

    def _tick(self) -> None:
        core = self.core
        if core is None or core.over:
            return
        deadline = core.deadline()
        if deadline is not None and deadline > self.conductor.now():
            self.alarm.by(deadline)
        elif deadline is not None:
            self.conductor.tell(self, ev.Timer())

    def _write(self, way: Way, data: bytes | memoryview) -> None:
        leg = self.legs.get(ev.SINK[way.direction])
        if leg is None or leg.sock is None:
            return
        if way.out:
            self._keep(way, bytes(data))
            return
        try:
            sent = way.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._died(leg, sockets.name_of(error))
            return
        if sent < len(data):
            self._keep(way, bytes(data[sent:]))
            self._interest(way)

    def _keep(self, way: Way, data: bytes) -> None:
        if way.out is None:
            way.out = deque()
        way.out.append(data)
        way.kept += len(data)
        self.conductor.board.budget.held += len(data)

    def _flush(self, leg: Leg) -> None:
        way = self.ways[TO[leg.side]]
        out = way.out
        while out and leg.sock is not None:
            try:
                sent = leg.sock.send(out[0])
            except BlockingIOError:
                return
            except OSError as error:
                self._died(leg, sockets.name_of(error))
                return
            way.kept -= sent
            self.conductor.board.budget.held -= sent
            if sent == len(out[0]):
                out.popleft()
            else:
                out[0] = out[0][sent:]
        way.out = None
        self._sent_all(way, leg)
        self._interest(way)

    def _sent_all(self, way: Way, leg: Leg) -> None:
        if way.fin and not leg.fin_sent and leg.sock is not None:
            leg.fin_sent = True
            try:
                leg.sock.shutdown(socket.SHUT_WR)
            except OSError as error:
                self._died(leg, sockets.name_of(error))
                return
        if leg.closing:
            self._drop(leg)

    def _fin(self, way: Way) -> None:
        way.fin = True
        leg = self.legs.get(ev.SINK[way.direction])
        if leg is not None and not way.out:
            self._sent_all(way, leg)

    def _pause(self, way: Way, paused: bool) -> None:
        way.paused = way.alert = paused
        self._interest(way)

    def _reset(self, side: Side) -> None:
        leg = self.legs.get(side)
        if leg is not None and leg.sock is not None:
            sock = self._detach(leg)
            sockets.reset(sock)

    def _close(self, side: Side, linger: float | None) -> None:
        leg = self.legs.get(side)
        if leg is None or leg.sock is None:
            return
        if linger is not None:
            with contextlib.suppress(OSError):
                sockets.set_linger(leg.sock, linger)
            leg.lingers = linger > 0
        if self.ways[TO[side]].out and linger != 0:
            leg.closing = True
        else:
            self._drop(leg)

    def _drop(self, leg: Leg) -> None:
        if leg.sock is None:
            return
        if leg.lingers:
            # close() may block now, for as long as SO_LINGER says, and must hold up nobody else.
            self._unwatch(leg)
            self.conductor.close_slowly(self._detach(leg), self)
        else:
            self._detach(leg).close()

    def _detach(self, leg: Leg) -> socket.socket:
        # Whoever calls this closes the socket.
        sock, leg.sock = leg.sock, None
        assert sock is not None
        if leg.wants is not None:
            leg.wants = None
            self.conductor.board.readiness.closing(leg.fd)
        self.conductor.board.table.pop(leg.fd, None)
        self.ways[FROM[leg.side]].reading = False
        way = self.ways[TO[leg.side]]
        self.conductor.board.budget.held -= way.kept
        kept, way.out, way.kept = way.out, None, 0
        if kept:
            self._interest(way)  # its source was not read because of them
        return sock

    def _eof(self, way: Way) -> None:
        way.eof = True
        way.reading = False
        if self.core is not None:
            self.conductor.tell(self, ev.Eof(way.direction, way.count))
            self._interest(way)
        else:
            self._plain_eof(way)

    def _died(self, leg: Leg, why: str) -> None:
        if leg.sock is None:
            return
        self._drop(leg)
        if self.core is not None:
            self.conductor.tell(self, ev.PeerReset(leg.side, why))
        else:
            self._plain_reset()

    def _plain_eof(self, way: Way) -> None:
        c2s, s2c = self.ways["c2s"], self.ways["s2c"]
        if not (c2s.eof and s2c.eof):
            self._fin(way)
            self._interest(way)
            return
        if self.kept:
            self._fin(way)
        self._close("client", None)  # with nothing left to send, close() itself sends the second FIN
        self._close("server", None)
        if self.finished:
            self.conductor.finished(self)

    def _plain_reset(self) -> None:
        self._reset("client")
        self._reset("server")
        self.refresh()

    # ------------------------------------------------------------ interest

    def _interest(self, way: Way) -> None:
        source, sink = self.legs.get(ev.SOURCE[way.direction]), self.legs.get(ev.SINK[way.direction])
        if source is not None and source.sock is not None:
            way.reading = not (way.eof or way.paused or way.out) and "server" in self.legs
            self._watch(source, self._wanted(source))
        if sink is not None and sink.sock is not None:
            self._watch(sink, self._wanted(sink))

    def _wanted(self, leg: Leg) -> int:
        way = self.ways[FROM[leg.side]]
        wanted = IN if way.reading or (way.alert and not way.eof) else 0
        return wanted | OUT if self.ways[TO[leg.side]].out else wanted

    def _watch(self, leg: Leg, wanted: int) -> None:
        if wanted != leg.wants:
            readiness = self.conductor.board.readiness
            if leg.wants is None:
                if leg.hung and not wanted:
                    return
                readiness.watch(leg.fd, wanted)
            else:
                readiness.change(leg.fd, wanted)
            leg.wants = wanted

    def _unwatch(self, leg: Leg) -> None:
        if leg.wants is not None:
            self.conductor.board.readiness.forget(leg.fd)
            leg.wants = None
