"""The HTTP server: hypercorn's worker for one connection, in an accept loop of ours.

hypercorn's own loop accepts without a bound, and at the end it waits for ever for a caller that does not read what it has asked for. Here
so many connections are served at once, the others wait in the listener's queue, and at the end those that have not left are closed. And it
is HTTP/1.1 only: a stream of HTTP/2 whose caller is gone before it has read all waits for ever to be read, and keeps its place.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from faultproxy.control.security import Asgi
from faultproxy.errors import ListenError
from faultproxy.net.addresses import Address

IDLE = 20.0
"""Seconds that a connection may say nothing, and may take for the head of a request."""
STUCK = 60.0
"""Seconds in which a caller must take `PORTION` bytes of what is written to him; else his connection is closed, and his place another's."""
PORTION = 16384
FAREWELL = 1.0
"""Seconds at the end in which answers that are being written may still leave."""
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Handle = Callable[[trio.SocketStream], Awaitable[None]]


async def listen(host: str, port: int) -> list[trio.SocketListener]:
    """Listens on each address of `host`; port 0: any. Raises ListenError."""
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OverflowError as error:
        raise ListenError(f"--port {port}: expected a number from 0 to 65535") from error
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: "somebody listens there already: end it, or choose another with --port",
            errno.EACCES: "ports below 1024 need a privilege: choose another with --port",
            errno.EADDRNOTAVAIL: "this machine has no such address: `ip address` lists those that it has",
        }
        # trio puts several addresses' errors into a group, and a name that cannot be resolved comes as a gaierror.
        causes = getattr(error.__cause__, "exceptions", (error,))
        reason = next((reasons[each.errno] for each in causes if each.errno in reasons), causes[0].strerror or str(error))
        raise ListenError(f"the control API cannot listen on {Address(host, port)}: {reason}") from error


def address_of(listener: trio.SocketListener) -> Address:
    """Where it listens."""
    host, port = listener.socket.getsockname()[:2]
    return Address(host, port)


async def serve(
    app: Asgi,
    listeners: Sequence[trio.SocketListener],
    *,
    connections: int,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answers until cancelled; then all connections are closed, whatever their peers do. `connections` are served at once."""
    config = Config()
    config.errorlog = None  # what goes wrong in the app, the app says
    config.include_server_header = False
    config.keep_alive_timeout = IDLE
    context = WorkerContext(None)
    room = trio.Semaphore(connections)
    streams: dict[trio.SocketStream, trio.CancelScope] = {}
    left = trio.Event()

    async def handle(stream: trio.SocketStream) -> None:
        # Shielded, because a handler that is cancelled would still wait to write what its caller does not read: the end closes its socket.
        with trio.CancelScope(shield=True) as scope:
            streams[stream] = scope
            try:
                # What goes wrong between hypercorn and a strange caller concerns that connection alone.
                with contextlib.suppress(Exception):
                    await _Caller(ASGIWrapper(app), config, context, ConnectionState({}), stream)  # type: ignore[arg-type]
            finally:
                del streams[stream]
                left.set()
                room.release()

    async with trio.open_nursery() as nursery:
        try:
            for listener in listeners:
                nursery.start_soon(_accept, listener, room, nursery, handle)
            task_status.started()
            await trio.sleep_forever()
        finally:
            for listener in listeners:
                listener.socket.close()
            await context.terminated.set()
            with trio.move_on_after(FAREWELL, shield=True):
                while streams:
                    left = trio.Event()
                    await left.wait()
            for stream, scope in list(streams.items()):
                stream.socket.close()
                scope.cancel()


async def _accept(listener: trio.SocketListener, room: trio.Semaphore, handlers: trio.Nursery, handle: Handle) -> None:
    while True:
        await room.acquire()
        try:
            stream = await listener.accept()
        except OSError as error:
            room.release()
            if error.errno not in EXHAUSTED:
                raise
            await trio.sleep(0.1)
            continue
        except BaseException:
            room.release()
            raise
        handlers.start_soon(handle, stream)


class _Caller(TCPServer):
    """One connection. Once its caller has ended it, it is over as soon as nothing is being answered any more."""

    _left = False

    async def run(self) -> None:
        """Serves it to its end."""
        try:
            local, remote = (name()[:2] for name in (self.stream.socket.getsockname, self.stream.socket.getpeername))
            async with TaskGroup() as group:
                self._task_group = group
                self.protocol = _Http11(  # type: ignore[assignment]
                    self.app, self.config, self.context, group, ConnectionState(self.state), False, remote, local, self.protocol_send
                )
                await self.idle_task.restart(group, self._idle_timeout)
                await self._read_data()
                self._left = True
                await self.idle_task.stop()
        except OSError:
            pass
        finally:
            await self._close()

    async def protocol_send(self, event: Event) -> None:
        """As hypercorn's, which would wait for ever."""
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        async with self.send_lock:
            try:
                for start in range(0, len(event.data), PORTION):
                    with trio.fail_after(STUCK, shield=True):
                        await self.stream.send_all(event.data[start : start + PORTION])
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
                self.stream.socket.close()
                await self.protocol.handle(Closed())

    async def _idle_timeout(self) -> None:
        # Nobody is left who could say something: to wait for that would only keep the place from another.
        if not self._left:
            await super()._idle_timeout()


class _Http11(H11Protocol):
    """HTTP/1.1. Who would rather speak HTTP/2 is answered as if nothing had been said of it (RFC 9110, 7.8)."""

    async def _check_protocol(self, event: Any) -> None:
        pass
