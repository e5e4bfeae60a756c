"""Socket options, and the listener's sockets. Sources: socket(7), tcp(7), unix(7)."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
import stat
import struct
from dataclasses import dataclass

from faultproxy.core.limits import BACKLOG, CONNECTIONS, DESCRIPTORS_SPARE
from faultproxy.errors import ListenError
from faultproxy.net.addresses import Address

TCP_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", 18)
ENDURANCE = 3_600_000
"""Milliseconds for which our own sockets try again where a peer's segments are in our hand."""

LARGEST_SEGMENT = 32767
"""The most that TCP_MAXSEG takes."""

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER {on, 0 s}: close() then sends a RST and drops what is unsent."""


def tune(sock: socket.socket, rcvbuf: int | None = None, sndbuf: int | None = None) -> None:
    """Non-blocking, TCP_NODELAY, and the buffers if given (bytes; the kernel doubles them for its own use)."""
    sock.setblocking(False)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffers(sock, rcvbuf, sndbuf)


def buffers(sock: socket.socket, rcvbuf: int | None, sndbuf: int | None) -> None:
    """SO_RCVBUF and SO_SNDBUF; before `listen` or `connect`, or the window scale is settled already."""
    if rcvbuf is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    if sndbuf is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)


def reset(sock: socket.socket) -> None:
    """Ends the connection with a RST (on a unix socket, which has none, with a plain close)."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


def set_linger(sock: socket.socket, seconds: float) -> None:
    """SO_LINGER; the kernel knows whole seconds only, so a part of one counts as one."""
    whole = int(seconds) + (seconds != int(seconds))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, whole))


def unset_linger(sock: socket.socket) -> None:
    """close() returns at once, and the kernel goes on sending what is unsent."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))


def endure(sock: socket.socket, on: bool = True) -> None:
    """Our own sockets take part in what is done to segments: they must not give up before the peer does (TCP_USER_TIMEOUT, tcp(7)).

    It may be set and, `on` False, taken back while the connection is open.
    """
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, ENDURANCE if on else 0)


def limit_segments(sock: socket.socket) -> None:
    """Before `listen` or `connect`: no segment above TCP_MAXSEG either way, for the kernel copies no whole packet of 64 KiB to a queue."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, LARGEST_SEGMENT)


def ask(sock: socket.socket, on: bool) -> None:
    """Asks the peer each second by keep-alive whether it still knows this connection (a RST says no), or asks no more."""
    with contextlib.suppress(OSError):  # closed meanwhile
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, on)
        if on and hasattr(socket, "TCP_KEEPIDLE"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)


def name_of(error: OSError | int) -> str:
    """The errno's name: ``"ECONNRESET"``."""
    code = error if isinstance(error, int) else error.errno
    return errno.errorcode.get(code or 0, str(code))


def connection_limit(wanted: int | None = None) -> int:
    """How many connections the open-file limit allows, which is raised as far as the user may; at most `wanted`, or limits.CONNECTIONS."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    allowed = CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, (soft - DESCRIPTORS_SPARE) // 2)
    return min(wanted or CONNECTIONS, allowed)


@dataclass(slots=True)
class Port:
    """A listening address that can be closed and opened again: a second socket, bound but not listening, keeps the port meanwhile.

    While only that one is there the kernel answers every SYN with a RST, which is what "connection refused" is.
    """

    address: Address
    rcvbuf: int | None = None
    sndbuf: int | None = None
    whole: bool = False
    """Segments must be small enough to be copied whole."""
    listener: socket.socket | None = None
    _keeper: socket.socket | None = None
    _file: bool = False

    def open(self, backlog: int | None = None) -> socket.socket:
        """Listens. The first time it settles the address: port 0 and host names become what was bound. Raises ListenError."""
        try:
            if self._keeper is None and not self.address.is_unix:
                self._keep()
            self.listener = self._listen(BACKLOG if backlog is None else backlog)
        except OSError as exc:
            self.close()
            raise ListenError(f"cannot listen on {self.address}: {_reason(exc, self.address)}") from exc
        return self.listener

    def open_again(self, backlog: int | None) -> None:
        """Changes the length of the queue of the listener that is open (`listen` may be called again)."""
        if self.listener is not None:
            self.listener.listen(BACKLOG if backlog is None else backlog)

    def limit_segments(self) -> None:
        """Segments of connections that are accepted from now on must be small enough to be copied whole."""
        if not self.whole and not self.address.is_unix:
            self.whole = True
            if self.listener is not None:
                limit_segments(self.listener)

    def refuse(self) -> None:
        """Stops listening and keeps the port; who waits in the queue is reset."""
        if self.listener is not None:
            self.listener.close()
            self.listener = None

    def close(self) -> None:
        """Gives the address back; a unix socket's file is removed."""
        if self._file:
            self._file = False
            with contextlib.suppress(OSError):
                os.unlink(self.address.path)
        self.refuse()
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None

    def _keep(self) -> None:
        family, host = _resolve(self.address.host, self.address.port)
        keeper = socket.socket(family, socket.SOCK_STREAM)
        self._keeper = keeper
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind((host, self.address.port))
        self.address = Address(host, keeper.getsockname()[1])

    def _listen(self, backlog: int) -> socket.socket:
        if self.address.is_unix:
            _clear_stale(self.address.path)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        else:
            assert self._keeper is not None
            listener = socket.socket(self._keeper.family, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            buffers(listener, self.rcvbuf, self.sndbuf)
            if self.whole:
                limit_segments(listener)
            listener.bind(self.address.path if self.address.is_unix else (self.address.host, self.address.port))
            self._file = self.address.is_unix
            listener.listen(backlog)
        except OSError:
            listener.close()
            raise
        listener.setblocking(False)
        return listener


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return found[0][0], str(found[0][4][0])


def _clear_stale(path: str) -> None:
    # A socket that nobody listens on is what a killed process left; one that somebody does is taken.
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EEXIST, "there is a file of that name already, and it is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # where the queue of a living one is full, connect() would wait
        try:
            probe.connect(path)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass
    raise OSError(errno.EADDRINUSE, "another program listens on it")


def _reason(exc: OSError, address: Address) -> str:
    if isinstance(exc, socket.gaierror):
        return f"the host name {address.host!r} is not known ({exc.strerror})"
    if address.is_unix:
        return exc.strerror or str(exc)
    match exc.errno:
        case errno.EADDRINUSE:
            return "the port is taken by another program (port 0 lets the kernel choose a free one)"
        case errno.EACCES | errno.EPERM:
            return "not permitted (ports below 1024 need privileges)"
        case errno.EADDRNOTAVAIL:
            return f"{address.host} is not an address of this machine"
    return exc.strerror or str(exc)
