"""Which sockets are ready: one epoll for all of them, itself a descriptor that trio waits on; where there is none, a trio task each.

Interest is level-triggered and given as epoll's bits (IN, OUT). Errors and hang-ups (ERR, HUP) are reported whatever the interest, by
epoll alone: without it, a peer's RST is noticed only when its socket is read or written.
"""

from __future__ import annotations

import select
from typing import Protocol

import trio

IN, OUT, ERR, HUP = 0x1, 0x4, 0x8, 0x10  # EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP (epoll_ctl(2))

FD_SETSIZE = 1024
"""select(2) takes no descriptor from this number on."""

Ready = list[tuple[int, int]]
"""Descriptors and their bits."""


def look(fd: int, interest: int) -> int:
    """What holds of one descriptor now. Events come in batches, and one may be meant for a socket that is closed by now, and whose
    number another has inherited: so it is worth a second look before anything final is done.
    """
    poll = select.poll()
    poll.register(fd, interest)
    return sum(bits for _, bits in poll.poll(0))


class Readiness(Protocol):
    """Watches descriptors."""

    def watch(self, fd: int, interest: int) -> None:
        """Begins to watch."""

    def change(self, fd: int, interest: int) -> None:
        """Changes the interest in a descriptor that is watched."""

    def forget(self, fd: int) -> None:
        """Stops watching."""

    def closing(self, fd: int) -> None:
        """Stops watching a descriptor that is about to be closed."""

    def poll(self) -> Ready:
        """What is ready now; does not wait."""

    def pause(self, seconds: float) -> Ready:
        """What is ready, after blocking the whole thread for at most so long (a millisecond or so)."""

    async def wait(self) -> None:
        """Waits until something may be ready."""

    def close(self) -> None:
        """Watches nothing more."""


class EpollReadiness:
    """One inner epoll. `wait` costs one trio wake-up, however many sockets are ready."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._fd = self._epoll.fileno()
        self.watch = self._epoll.register
        self.change = self._epoll.modify

    def forget(self, fd: int) -> None:
        """Stops watching."""
        self._epoll.unregister(fd)

    def closing(self, fd: int) -> None:
        """Nothing to do: what is closed leaves the epoll by itself (epoll(7))."""

    def poll(self) -> Ready:
        """A batch of what is ready."""
        return self._epoll.poll(0, 256)

    def pause(self, seconds: float) -> Ready:
        """A batch, waiting in the kernel: by epoll_wait(2) for whole milliseconds, by select(2), one call more, for what is in between."""
        if seconds <= 0 or (seconds * 1000).is_integer() or self._fd >= FD_SETSIZE:
            return self._epoll.poll(max(seconds, 0.0), 256)
        return self._epoll.poll(0, 256) if select.select((self._fd,), (), (), seconds)[0] else []

    async def wait(self) -> None:
        """Waits for the epoll itself."""
        await trio.lowlevel.wait_readable(self._fd)

    def close(self) -> None:
        """Closes the epoll; the sockets are not touched."""
        self._epoll.close()


class TaskReadiness:
    """A trio task for each interest: for systems without epoll."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._scopes: dict[tuple[int, int], trio.CancelScope] = {}
        self._ready: dict[int, int] = {}
        self._wake = trio.Event()
        self._taken = trio.Event()

    def watch(self, fd: int, interest: int) -> None:
        """Begins to watch."""
        self.change(fd, interest)

    def change(self, fd: int, interest: int) -> None:
        """Starts and ends tasks as the interest wants."""
        for bit in (IN, OUT):
            scope = self._scopes.get((fd, bit))
            if interest & bit and scope is None:
                self._scopes[fd, bit] = scope = trio.CancelScope()
                self._nursery.start_soon(self._watch, fd, bit, scope)
            elif not interest & bit and scope is not None:
                scope.cancel()
                del self._scopes[fd, bit]

    def forget(self, fd: int) -> None:
        """Ends its tasks."""
        self.change(fd, 0)
        self._ready.pop(fd, None)

    closing = forget

    def poll(self) -> Ready:
        """What the tasks have seen and somebody still wants."""
        ready = [(fd, bits & self._interest(fd)) for fd, bits in self._ready.items()]
        self._ready.clear()
        self._taken.set()
        self._taken = trio.Event()
        return [(fd, bits) for fd, bits in ready if bits]

    def pause(self, seconds: float) -> Ready:
        """By poll(2): the tasks cannot run meanwhile."""
        if self._ready:
            return self.poll()
        poll = select.poll()
        for fd in {fd for fd, _ in self._scopes}:
            poll.register(fd, self._interest(fd))
        # An error or a hang-up belongs to whatever is wanted, as it does to the tasks.
        return [(fd, self._interest(fd) & (bits if not bits & (ERR | HUP) else IN | OUT)) for fd, bits in poll.poll(seconds * 1000)]

    async def wait(self) -> None:
        """Waits for any of the tasks."""
        await self._wake.wait()
        self._wake = trio.Event()

    def close(self) -> None:
        """Ends all tasks."""
        for scope in self._scopes.values():
            scope.cancel()
        self._scopes.clear()

    def _interest(self, fd: int) -> int:
        return sum(bit for bit in (IN, OUT) if (fd, bit) in self._scopes)

    async def _watch(self, fd: int, bit: int, scope: trio.CancelScope) -> None:
        with scope:
            while not scope.cancel_called:  # then the descriptor may be closed, which trio must not be asked about
                try:
                    await (trio.lowlevel.wait_readable if bit == IN else trio.lowlevel.wait_writable)(fd)
                except trio.BusyResourceError:  # the task that watched before us has not left yet
                    await trio.lowlevel.checkpoint()
                    continue
                except (trio.ClosedResourceError, OSError):
                    return
                self._ready[fd] = self._ready.get(fd, 0) | bit
                self._wake.set()
                await self._taken.wait()
