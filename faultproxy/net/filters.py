"""Socket filters on our own legs: set, taken off, and asked now and then how much they have dropped."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from faultproxy.core import events as ev
from faultproxy.core.actions import Filter
from faultproxy.core.events import Side
from faultproxy.kernel import sockfilter
from faultproxy.net.switchboard import Switchboard

if TYPE_CHECKING:
    from faultproxy.net.link import Link

ASK_EVERY = 0.05
"""Seconds between two looks at how many segments a filter has dropped: the kernel tells nobody by itself."""

Tell = Callable[["Link", ev.Filtered], None]


class Filters:
    """All socket filters of one proxy. `tell` hears what they have dropped."""

    def __init__(self, board: Switchboard, tell: Tell) -> None:
        self._board = board
        self._tell = tell
        self._set: dict[tuple[int, Side], _Watched] = {}

    def set(self, link: Link, sock: socket.socket, action: Filter) -> None:
        """Lets a leg's socket drop what fits `action.shapes`; none: nothing any more. Raises CapabilityError where it may not."""
        key = (id(link), action.side)
        old = self._set.pop(key, None)
        if old is not None:
            old.look()
            old.on = False
        if not action.shapes:
            sockfilter.detach(sock)
            return
        watched = self._set[key] = _Watched(link, sock, action.fault, action.side, self._tell)
        sockfilter.attach(sock, sockfilter.assemble(action.shapes))
        self._again(key, watched)

    def _again(self, key: tuple[int, Side], watched: _Watched) -> None:
        if not watched.on:
            return
        if not watched.look():
            if self._set.get(key) is watched:
                del self._set[key]
            return
        self._board.call_at(trio.current_time() + ASK_EVERY, lambda: self._again(key, watched))


class _Watched:
    def __init__(self, link: Link, sock: socket.socket, fault: str, side: Side, tell: Tell) -> None:
        self.link, self.sock, self.fault, self.side, self.tell = link, sock, fault, side, tell
        self.counted = sockfilter.drops(sock)
        self.on = True

    def look(self) -> bool:
        """Tells what is new. False: the socket is closed."""
        if self.sock.fileno() < 0:
            return False
        count = sockfilter.drops(self.sock)
        if count > self.counted:
            new, self.counted = count - self.counted, count
            self.tell(self.link, ev.Filtered(self.fault, self.side, new))
        return True
