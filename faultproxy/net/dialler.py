"""Dialling the upstream, for all connections, without a task for each; bounded in time, and outside the accept loop."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

import trio

from faultproxy.core.plan import Dial
from faultproxy.net import sockets
from faultproxy.net.addresses import Address
from faultproxy.net.readiness import OUT, look
from faultproxy.net.switchboard import Switchboard, Timer

Done = Callable[[socket.socket | None, str], None]
"""Told once: the connected socket, or None and why not (an errno's name, `timeout`, or what is wrong with the name)."""

Watch = Callable[[socket.socket, int, bool], None]
"""Called with a socket and the port that it dials, right before it does (False) and right after (True)."""

NAMES_KEPT = 2.0
"""Seconds for which a resolved host name is used again: a flood of connections asks once, a changed name is soon noticed."""

UNIX_RETRY = 0.01
"""Seconds until a unix socket whose queue is full is tried again: the kernel gives no event for it (connect(2), EAGAIN)."""

IP_BIND_ADDRESS_NO_PORT = 24  # ip(7): choose the port at connect, so that a source address costs no port of its own

Target = tuple[int, Any]
"""Address family, and the address as `socket.connect` takes it."""


class Dialler:
    """Makes attempts at one upstream."""

    def __init__(self, board: Switchboard, address: Address, timeout: float, nursery: trio.Nursery) -> None:
        self.board = board
        self.address = address
        self.timeout = timeout
        self._nursery = nursery
        self._known: tuple[float, list[Target]] | None = None
        self._asking: list[Callable[[list[Target], str], None]] = []
        """Who waits for the name to be resolved: a flood of connections asks once."""
        self._port = 0
        self._under_way: dict[Attempt, float] = {}
        """Attempts and their deadlines; all have the same time, so the first is the oldest."""
        self._watching = False
        if address.is_unix:
            self._known = (float("inf"), [(socket.AF_UNIX, address.path)])
        elif address.literal:
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            self._known = (float("inf"), [(family, (address.host, address.port))])

    def dial(self, how: Dial, rcvbuf: int | None, sndbuf: int | None, done: Done, watch: Watch | None = None) -> Attempt:
        """Begins to dial; `done` is called later, or at once. `watch` is shown each socket on the way."""
        attempt = Attempt(self, how, rcvbuf, sndbuf, done)
        attempt.watch = watch
        if how.delay > 0:
            attempt.begin_at(trio.current_time() + how.delay)
        else:
            attempt.begin()
        return attempt

    def targets(self, then: Callable[[list[Target], str], None]) -> None:
        """The addresses of the upstream, at once where they are known; else the name is resolved by a task."""
        if self._known is not None and trio.current_time() < self._known[0]:
            then(self._known[1], "")
            return
        self._asking.append(then)
        if len(self._asking) == 1:
            self._nursery.start_soon(self._resolve)

    def next_port(self, low: int, high: int) -> int:
        """The ports of a range, one after the other."""
        self._port = self._port + 1 if low <= self._port < high else low
        return self._port

    def begun(self, attempt: Attempt) -> None:
        """Its time runs: it is told when that is over, unless it has ended."""
        self._under_way[attempt] = trio.current_time() + self.timeout
        if not self._watching:
            self._watching = True
            self.board.call_at(self._under_way[attempt], self._sweep)

    def ended(self, attempt: Attempt) -> None:
        """Its time does not matter any more."""
        self._under_way.pop(attempt, None)

    def _sweep(self) -> None:
        # One timer for all: an entry each would outlive most connections.
        now = trio.current_time()
        for attempt, deadline in list(self._under_way.items()):
            if deadline > now:
                self.board.call_at(deadline, self._sweep)
                return
            attempt.late()
        self._watching = False

    async def _resolve(self) -> None:
        targets, why = await self._look_up()
        if targets:
            self._known = (trio.current_time() + NAMES_KEPT, targets)
        asking, self._asking = self._asking, []
        for then in asking:
            then(targets, why)

    async def _look_up(self) -> tuple[list[Target], str]:
        host = self.address.host
        try:
            with trio.fail_after(self.timeout):
                found = await trio.socket.getaddrinfo(host, self.address.port, type=socket.SOCK_STREAM)
        except trio.TooSlowError:
            return [], f"the name {host!r} was not resolved in time"
        except OSError as exc:
            return [], f"the name {host!r} is not known ({exc.strerror})"
        except ValueError as exc:  # UnicodeError: an empty label, or one of more than 63 characters, which IDNA cannot encode
            return [], f"{host!r} cannot be a host name ({exc})"
        return [(family, address) for family, _, _, _, address in found], ""


class Attempt:
    """One dial. It tries each address of the upstream in turn until its time is over."""

    __slots__ = (
        "_address",
        "_choices",
        "_dialler",
        "_done",
        "_how",
        "_over",
        "_rcvbuf",
        "_sndbuf",
        "_sock",
        "_taken",
        "_targets",
        "_timer",
        "_why",
        "watch",
    )

    def __init__(self, dialler: Dialler, how: Dial, rcvbuf: int | None, sndbuf: int | None, done: Done) -> None:
        self._dialler = dialler
        self._how = how
        self._rcvbuf, self._sndbuf = rcvbuf, sndbuf
        self._done = done
        self.watch: Watch | None = None
        """Shown each socket before and after it dials."""
        self._over = False
        self._sock: socket.socket | None = None
        self._address: Any = None
        self._targets: list[Target] = []
        self._timer: Timer | None = None
        self._choices = 1 if how.ports is None else how.ports[1] - how.ports[0] + 1
        """Source ports to try: one that can be bound may still be in use towards this very server."""
        self._taken = False
        """The last one was."""
        self._why = "no address"

    @property
    def port(self) -> int:
        """From which it dials just now; 0: from none."""
        if self._sock is None or self._sock.family == socket.AF_UNIX:
            return 0
        port: int = self._sock.getsockname()[1]
        return port

    @property
    def under_way(self) -> tuple[socket.socket, Any] | None:
        """The socket that dials just now, and the address that it dials; None: there is none."""
        return (self._sock, self._address) if self._sock is not None else None

    def begin_at(self, when: float) -> None:
        """Dials at that time of the trio clock."""
        self._timer = self._dialler.board.call_at(when, self.begin)

    def begin(self) -> None:
        """Dials now."""
        if not self._over:
            self._dialler.begun(self)
            self._dialler.targets(self._found)

    def cancel(self) -> None:
        """Gives up; nobody is told."""
        self._over = True
        self._dialler.ended(self)
        if self._timer is not None:
            self._dialler.board.call_off(self._timer)
        self._let_go(close=True)

    def late(self) -> None:
        """Its time is over."""
        self._why = "timeout"
        self._end(None)

    def _found(self, targets: list[Target], why: str) -> None:
        if why:
            self._why = why
        self._targets = targets[::-1]
        self._next()

    def _next(self) -> None:
        while not self._over:
            if not self._targets:
                self._end(None)
                return
            family, address = self._targets.pop()
            for _ in range(self._choices):
                self._taken = False
                if self._try(family, address):
                    return
                if not self._taken:
                    break

    def _try(self, family: int, address: Any) -> bool:
        # True: connected, or under way.
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            self._why = sockets.name_of(error)
            return False
        self._sock, self._address = sock, address
        try:
            sockets.tune(sock, self._rcvbuf, self._sndbuf)
            self._bind(sock)
            if self.watch is not None:
                self.watch(sock, address[1], False)
            code = sock.connect_ex(address)
            if self.watch is not None:
                self.watch(sock, address[1], True)
        except OSError as error:
            self._why = _why_not(error, self._how)
            self._let_go(close=True)
            return False
        board = self._dialler.board
        if code == 0 or (code == errno.EINPROGRESS and _is_connected(sock)):
            return self._connected()
        if code == errno.EINPROGRESS:
            board.handlers[sock.fileno()] = self._ready
            board.readiness.watch(sock.fileno(), OUT)
            return True
        self._why = sockets.name_of(code)
        self._taken = code == errno.EADDRNOTAVAIL
        self._let_go(close=True)
        if code == errno.EAGAIN and family == socket.AF_UNIX:
            self._targets.append((family, address))
            self._timer = board.call_at(trio.current_time() + UNIX_RETRY, self._next)
            return True
        return False

    def _bind(self, sock: socket.socket) -> None:
        how = self._how
        if how.ports is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            low, high = how.ports
            for left in range(high - low, -1, -1):
                try:
                    sock.bind((how.address, self._dialler.next_port(low, high)))
                except OSError as error:
                    if error.errno != errno.EADDRINUSE or not left:
                        raise
                else:
                    return
        elif how.address:
            sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((how.address, 0))

    def _ready(self, bits: int) -> None:
        assert self._sock is not None
        if not look(self._sock.fileno(), OUT):
            return  # meant for another; until it is connected or refused ours is not writable (connect(2))
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if not code and self._connected():
            return
        if code:
            self._why = sockets.name_of(code)
            self._let_go(close=True)
        self._next()

    def _connected(self) -> bool:
        sock = self._sock
        assert sock is not None
        try:
            # A dial to a port of this machine that nobody listens on can meet itself, when the kernel chooses that very port as its source.
            itself = sock.family != socket.AF_UNIX and sock.getsockname() == sock.getpeername()
        except OSError as error:  # ENOTCONN: the server has sent a RST since
            self._why = "ECONNRESET" if error.errno == errno.ENOTCONN else sockets.name_of(error)
        else:
            if not itself:
                self._end(sock)
                return True
            self._why = "ECONNREFUSED"
        self._let_go(close=True)
        return False

    def _end(self, sock: socket.socket | None) -> None:
        if self._over:
            return
        self._over = True
        self._dialler.ended(self)
        self._let_go(close=sock is None)
        self._done(sock, "" if sock is not None else self._why)

    def _let_go(self, close: bool) -> None:
        sock, self._sock = self._sock, None
        if sock is None:
            return
        fd = sock.fileno()
        if self._dialler.board.handlers.pop(fd, None) is not None:
            self._dialler.board.readiness.forget(fd)
        if close:
            sock.close()


def _why_not(error: OSError, how: Dial) -> str:
    if isinstance(error, socket.gaierror):  # bind() wants an address of the same family
        return f"it cannot be dialled from {how.address}, which is an address of another family"
    return sockets.name_of(error)


def _is_connected(sock: socket.socket) -> bool:
    # Within one machine the handshake is over when connect() returns, although it says EINPROGRESS: no need to wait for the event.
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def explain(why: str, address: Address, timeout: float) -> str:
    """Why a dial failed, for a person."""
    match why:
        case "ECONNREFUSED":
            return f"upstream {address} refused the connection: is the server running there?"
        case "timeout":
            return f"upstream {address} did not answer within {timeout:g} s"
        case "ENOENT":
            return f"upstream {address}: no such socket"
        case "EADDRNOTAVAIL":
            return f"upstream {address}: no local address or port left to dial from"
        case "EMFILE" | "ENFILE":
            return f"upstream {address}: no file descriptor left to dial with"
    if why.isupper() and hasattr(errno, why):
        return f"upstream {address}: {os.strerror(getattr(errno, why))} ({why})"
    return f"upstream {address}: {why}"
