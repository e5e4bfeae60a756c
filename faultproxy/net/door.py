"""Accepting: the listener in the switchboard, and all the reasons for which nobody is accepted for a while."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

import trio

from faultproxy.core.limits import ACCEPT_RETRY
from faultproxy.core.plan import Listening
from faultproxy.net.readiness import IN
from faultproxy.net.sockets import Port
from faultproxy.net.switchboard import Switchboard

BATCH = 64
"""Connections accepted in one turn."""


class Door:
    """The listener. `admit` gets each accepted socket and its address; `room` says whether there is room for one more."""

    def __init__(
        self,
        board: Switchboard,
        port: Port,
        *,
        admit: Callable[[socket.socket, Any], None],
        room: Callable[[], bool],
        knocked: Callable[[], None],
        notify: Callable[[str], None],
    ) -> None:
        self._board = board
        self._port = port
        self._admit = admit
        self._room = room
        self._knocked = knocked
        self._notify = notify
        self._state = Listening()
        self._watched: int | None = None
        self._waiting_told = False
        self._out_of_descriptors = False
        self._starving = False
        """It has been said, and nobody could be accepted since."""
        self._full = False
        self._shut = False

    def open(self) -> None:
        """Begins to accept from a port that is open."""
        self._renew()

    def close(self) -> None:
        """Listens no more, whatever is still decided about it."""
        self._shut = True
        self._unwatch()
        self._port.close()

    @property
    def state(self) -> str:
        """In one word: listening, refusing, stalled, full, starved (of descriptors)."""
        if self._state.closed:
            return "refusing"
        if self._state.stalled:
            return "stalled"
        return "starved" if self._out_of_descriptors else "full" if self._full else "listening"

    def become(self, state: Listening) -> None:
        """Takes the state that the faults of the listener want."""
        if state == self._state or self._shut:
            return
        before, self._state = self._state, state
        self._waiting_told = False
        if state.closed:
            self._unwatch()
            self._port.refuse()
        elif before.closed:
            self._port.open(state.backlog)
        elif state.backlog != before.backlog and self._port.listener is not None:
            self._port.open_again(state.backlog)
        self._renew()

    def vacated(self) -> None:
        """A connection has ended: there may be room, and descriptors, again."""
        if self._full or self._out_of_descriptors:
            self._out_of_descriptors = False
            self._renew()

    def _renew(self) -> None:
        listener = self._port.listener
        full = not self._room()
        if full and not self._full:
            self._notify("as many connections as may be are open: not accepting until one ends (see --max-connections)")
        self._full = full
        silent = self._state.stalled and self._waiting_told
        if self._shut or listener is None or full or self._out_of_descriptors or silent:
            self._unwatch()
        elif self._watched is None:
            self._watched = listener.fileno()
            self._board.handlers[self._watched] = self._on_ready
            self._board.readiness.watch(self._watched, IN)

    def _unwatch(self) -> None:
        if self._watched is not None:
            del self._board.handlers[self._watched]
            self._board.readiness.forget(self._watched)
            self._watched = None

    def _on_ready(self, bits: int) -> None:
        listener = self._port.listener
        if listener is None:
            return
        if self._state.stalled:
            self._waiting_told = True
            self._renew()
            self._knocked()
            return
        for _ in range(BATCH):
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._starve(error)
                    return
                continue  # ECONNABORTED and the like: that client is gone already (accept(2))
            self._starving = False
            self._admit(sock, address)
            if self._port.listener is not listener or self._state.stalled:
                return
            if not self._room():
                self._renew()
                return

    def _starve(self, error: OSError) -> None:
        self._out_of_descriptors = True
        self._renew()
        if not self._starving:
            self._starving = True
            self._notify(f"no file descriptor left ({error.strerror}): not accepting until one is free (raise the limit with ulimit -n)")
        self._board.call_at(trio.current_time() + ACCEPT_RETRY, self.vacated)
