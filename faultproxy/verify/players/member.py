"""One player and his connections: carries out what his part wants, and tells it, and the books, what becomes of it.

All players hang on one switchboard (`net.switchboard`), by callbacks: a trio task for each would cost five times as much a message.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from faultproxy.core.plan import Peer
from faultproxy.net.readiness import IN, OUT, look
from faultproxy.net.sockets import name_of
from faultproxy.net.switchboard import Alarm, Switchboard
from faultproxy.verify.players.dialling import UNDER_WAY, Enroll, Target, dial
from faultproxy.verify.players.fate import RESETS, Fate
from faultproxy.verify.players.parts import PARTS, Actions, Close, Deaf, Fin, Part, Send
from faultproxy.verify.players.script import Script
from faultproxy.verify.players.tally import Tally

RDHUP = 0x2000
"""EPOLLRDHUP (epoll_ctl(2)): the peer has sent a FIN, or all is over. It shows what happens to a socket that is not read."""

READ = 64 * 1024
"""Bytes read at once."""
UNSENT = 64 * 1024
"""Bytes that may wait for the kernel: what is asked beyond that, of a server that does not read, is not sent."""
PACE = 0.0001
"""Seconds between two dials: 2,000 players need a fifth of a second, and nobody's listen queue is overrun."""
AGAIN = 1.0
"""Seconds until somebody who says nothing twice, and could not connect, tries again."""
QUEUE_FULL = 0.01
"""Seconds until a unix socket is tried again whose queue is full: connect(2) says EAGAIN where TCP would wait."""


@dataclass(slots=True)
class Crew:
    """What all players have in common. `now` is the run's clock."""

    board: Switchboard
    target: Target
    now: Callable[[], float]
    enroll: Enroll
    _slot: float = field(default=0.0)

    def turn(self) -> float:
        """When whoever wants to dial now may do so, by the trio clock: in the order in which they ask."""
        self._slot = max(trio.current_time(), self._slot + PACE)
        return self._slot


class Member:
    """One player: `start` lets him dial, again where his script says so, until `stop`."""

    __slots__ = (
        "_alarm", "_crew", "_deaf", "_dialled", "_fate", "_fin_due", "_fin_sent", "_interest", "_opened", "_part", "_peer", "_script",
        "_sock", "_tally", "_unsent",
    )  # fmt: skip

    def __init__(self, crew: Crew, script: Script, tally: Tally, peer: Peer) -> None:
        self._crew = crew
        self._script = script
        self._tally = tally
        self._peer = peer
        self._fate = Fate()
        self._alarm = Alarm(crew.board, self._rang)
        self._sock: socket.socket | None = None
        self._part: Part | None = None
        self._unsent = bytearray()
        self._fin_due = self._fin_sent = self._deaf = False
        self._interest = 0
        self._dialled = self._opened = 0.0

    def start(self) -> None:
        """Dials when it is his turn."""
        self._crew.board.call_at(self._crew.turn(), self._dial)

    def stop(self) -> None:
        """Closes, and counts nothing more."""
        self._alarm.off()
        self._let_go()

    # ------------------------------------------------------------------ connecting

    def _dial(self) -> None:
        crew = self._crew
        self._dialled = crew.now()
        self._fate = Fate()
        try:
            self._sock, code = dial(crew.target, self._peer, self._enroll)
        except OSError as error:
            self._unconnected(error.errno or 0)
            return
        if code == errno.EAGAIN and crew.target.is_unix:
            self._let_go()
            crew.board.call_at(trio.current_time() + QUEUE_FULL, self._dial)
        elif code not in UNDER_WAY:
            self._unconnected(code)
        else:
            crew.board.handlers[self._sock.fileno()] = self._connecting
            crew.board.readiness.watch(self._sock.fileno(), OUT)

    def _connecting(self, bits: int) -> None:
        sock, crew = self._sock, self._crew
        assert sock is not None
        if not look(sock.fileno(), OUT):
            return  # meant for another, who had this number before
        if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._unconnected(code)
            return
        self._opened = crew.now()
        self._tally.opened()
        self._part = PARTS[self._script.behaviour](self._script, self._tally)
        crew.board.handlers[sock.fileno()] = self._ready
        self._interest = OUT
        self._do(self._part.opened(self._opened))

    def _enroll(self, port: int, peer: Peer) -> None:
        self._fate = self._crew.enroll(port, peer) or Fate()

    def _unconnected(self, code: int) -> None:
        name = name_of(code)
        self._fate.unconnected = code not in RESETS  # which may as well be the end of one that was accepted
        self._fate.reset = code in RESETS
        self._let_go()
        self._tally.erred(name)
        self._tally.failed(self._dialled, f"connect() failed with {name}")
        self._start_later(self._script.every if self._script.reopens and self._script.every is not None else AGAIN)

    def _start_later(self, every: float) -> None:
        # At once only where the next question is due already: that is also what keeps a refused dial from being tried in a tight loop.
        self._crew.board.call_at(trio.current_time() + max(0.0, self._dialled + every - self._crew.now()), self.start)

    # ------------------------------------------------------------------ connected

    def _ready(self, bits: int) -> None:
        if bits & OUT:
            self._send()
        if bits & ~OUT and self._sock is not None:
            if self._deaf:
                self._over_unread()
            else:
                self._read()

    def _read(self) -> None:
        assert self._sock is not None
        assert self._part is not None
        try:
            data = self._sock.recv(READ)
        except BlockingIOError:
            return
        except OSError as error:
            self._broken(error)
            return
        if data:
            self._fate.received += len(data)
            self._do(self._part.received(data, self._crew.now()))
        else:
            self._over("the server closed", by_server=not self._fin_sent)

    def _rang(self) -> None:
        if self._part is not None:
            self._do(self._part.due(self._crew.now()))

    def _do(self, actions: Actions) -> None:
        """Carries out; the last thing that is done for an event, for it may close."""
        for action in actions:
            if type(action) is Send:
                if len(self._unsent) < UNSENT:
                    self._unsent += action.data
            elif type(action) is Fin:
                self._fin_due = True
            elif type(action) is Deaf:
                self._deaf = True
            elif type(action) is Close:
                self._over("closed", by_server=False)
                return
        if actions:
            self._send()
        else:
            self._settle()

    def _send(self) -> None:
        sock, part = self._sock, self._part
        assert sock is not None
        assert part is not None
        if self._unsent:
            try:
                del self._unsent[: sock.send(self._unsent)]
            except BlockingIOError:
                pass
            except OSError as error:
                self._broken(error)
                return
            if not self._unsent:
                for action in part.drained(self._crew.now()):
                    assert type(action) is Send
                    self._unsent += action.data
        if self._fin_due and not self._unsent:
            self._fin_due, self._fin_sent = False, True
            try:
                sock.shutdown(socket.SHUT_WR)
            except OSError as error:
                self._broken(error)
                return
        self._settle()

    def _settle(self) -> None:
        # What is waited for follows from what there is to do.
        assert self._sock is not None
        assert self._part is not None
        interest = (RDHUP if self._deaf else IN) | (OUT if self._unsent else 0)
        if interest != self._interest:
            self._interest = interest
            self._crew.board.readiness.change(self._sock.fileno(), interest)
        when = self._part.deadline()
        if when is not None:
            self._alarm.by(trio.current_time() + when - self._crew.now())

    # ------------------------------------------------------------------ the end

    def _broken(self, error: OSError) -> None:
        name = name_of(error)
        self._fate.reset = error.errno in RESETS
        self._tally.erred(name)
        self._over(f"the connection broke with {name}", by_server=error.errno in RESETS)

    def _over_unread(self) -> None:
        # The kernel knows how it ended; what is not read is not lost, and nobody closes for a player who does nothing.
        sock = self._sock
        assert sock is not None
        if not look(sock.fileno(), RDHUP):
            return  # meant for another
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._tally.erred(name_of(code))
            self._fate.reset = code in RESETS
        self._crew.board.readiness.forget(sock.fileno())
        del self._crew.board.handlers[sock.fileno()]
        self._ended("the server closed", by_server=not code or code in RESETS)

    def _over(self, why: str, *, by_server: bool) -> None:
        self._ended(why, by_server=by_server)
        self._let_go()
        if self._script.reopens and self._script.every is not None:
            self._start_later(self._script.every)

    def _ended(self, why: str, *, by_server: bool) -> None:
        assert self._part is not None
        self._alarm.off()
        self._part.lost(why)
        self._part = None
        self._tally.closed(self._opened, self._crew.now(), by_server=by_server)

    def _let_go(self) -> None:
        sock, self._sock = self._sock, None
        self._part = None
        self._unsent.clear()
        self._fin_due = self._fin_sent = self._deaf = False
        if sock is not None:
            if self._crew.board.handlers.pop(sock.fileno(), None) is not None:
                self._crew.board.readiness.closing(sock.fileno())
            sock.close()
