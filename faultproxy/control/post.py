"""One proxy of a fleet: it listens or does not, and has faults either way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import trio

from faultproxy import __version__
from faultproxy.control.errors import Bounded, Taken, Unfit, Unknown
from faultproxy.core.actions import Action
from faultproxy.core.connection import Connection
from faultproxy.core.journal import Entries, Entry, Header, text
from faultproxy.core.plan import Sockets
from faultproxy.core.run import FaultStats, Happening
from faultproxy.errors import CapabilityError, FaultproxyError, ScenarioError
from faultproxy.faults.base import Fault
from faultproxy.net import addresses
from faultproxy.net.proxy import Proxy, Row, Snapshot, mechanisms

ENTRIES = 10_000
"""Journal entries kept for each proxy, the newest."""
FAULTS = 100
"""Faults that one proxy may have."""
MESSAGES = 100
"""Messages kept for each proxy, the newest."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A proxy as it is asked for. `orderly`: who cannot be connected to the upstream gets a FIN rather than a RST."""

    name: str
    listen: str
    upstream: str
    enabled: bool = True
    faults: tuple[Fault, ...] = ()
    sockets: Sockets = Sockets()
    fail_open: bool = True
    orderly: bool = False


class Post:
    """A proxy with a name. `enable`, `disable` and `move` are over when the listener is, everything else at once: no peer is waited for."""

    def __init__(
        self,
        spec: Spec,
        nursery: trio.Nursery,
        *,
        seed: int,
        max_connections: int | None,
        tell: Callable[[Entry], None],
        turned: Callable[[], None] = lambda: None,
    ) -> None:
        self.spec = spec
        self.name = spec.name
        self.listen = spec.listen
        """As given; once it has listened, as bound: a port for 0, an address for a name."""
        self.upstream = spec.upstream
        self.faults: dict[str, Fault] = {fault.name: fault for fault in spec.faults}
        self.proxy: Proxy | None = None
        """While it listens."""
        self.messages: deque[str] = deque(maxlen=MESSAGES)
        self._seed = seed
        self._max_connections = max_connections
        self._nursery = nursery
        self._tell = tell
        self._turned = turned
        """To be called when it has begun or ceased to listen."""
        self._lock = trio.Lock()
        self._retired = False
        self._scope = trio.CancelScope()
        self._ended = trio.Event()
        self._header: Header | None = None
        self._lines: deque[Entry] = deque(maxlen=ENTRIES)

    @property
    def enabled(self) -> bool:
        """Whether it listens."""
        return self.proxy is not None

    # ---------------------------------------------------------- the listener

    async def enable(self) -> None:
        """Listens; nothing if it does already. Raises ListenError, or CapabilityError where a packet fault cannot run here."""
        async with self._lock:
            self._usable()
            if self.proxy is None:
                await self._start()

    async def disable(self) -> None:
        """Listens no more, and closes all connections with a FIN."""
        async with self._lock:
            await self._stop()

    async def retire(self) -> None:
        """As `disable`, for good: whoever still wants it to listen, because he asked before it was taken out, is told Unknown."""
        self._retired = True
        await self.disable()

    async def move(self, listen: str | None = None, upstream: str | None = None) -> None:
        """Listens elsewhere, or connects to another upstream; all connections are closed. Raises ListenError, and nothing has changed."""
        async with self._lock:
            self._usable()
            before = (self.listen, self.upstream)
            after = (self.listen if listen is None else listen, self.upstream if upstream is None else upstream)
            if self.proxy is None:
                addresses.parse(after[0], "listen")
                self.listen, self.upstream = after
                return
            scope, ended = self._scope, self._ended
            other = addresses.parse(after[0], "listen").port != addresses.parse(before[0]).port
            if not other:  # one port cannot be bound twice: the old one has to go first
                await self._stop()
            self.listen, self.upstream = after
            try:
                await self._start()
            except BaseException as error:
                self.listen, self.upstream = before
                if not other and isinstance(error, FaultproxyError):
                    await self._start()
                raise
            if other:
                scope.cancel()
                await ended.wait()

    def _usable(self) -> None:
        if self._retired:
            raise Unknown(f"there is no proxy {self.name!r} any more: it was removed meanwhile")

    async def _start(self) -> None:
        spec, faults = self.spec, dict(self.faults)
        plans = mechanisms([fault.plan() for fault in faults.values()], None)
        header = Header(
            self._seed,
            [fault.table() for fault in faults.values()],
            "",
            self.name,
            __version__,
            sockets=spec.sockets,
            filtered=[plan.name for plan in plans if plan.filtered],
            tells_all=True,
        )
        lines: deque[Entry] = deque(maxlen=ENTRIES)
        entries: list[Entries] = []

        def watch(now: float, connection: Connection | None, what: Happening, actions: Sequence[Action]) -> None:
            if not entries:
                self._header, self._lines = replace(header, start=proxy.run.clock_start), lines
                entries.append(Entries(proxy.run.clock_start, self.name))
            entry = entries[0].entry(now, connection, what, actions)
            if entry is not None:
                lines.append(entry)
                self._tell(entry)

        proxy = Proxy(
            plans,
            listen=self.listen,
            upstream=_address(self.upstream),
            seed=self._seed,
            sockets=spec.sockets,
            watch=watch,
            notify=self.messages.append,
            max_connections=self._max_connections,
            name=self.name,
            fail_open=spec.fail_open,
            tells_all=True,
            orderly=spec.orderly,
            farewell=0.0,
        )
        scope, ended = trio.CancelScope(), trio.Event()
        await self._nursery.start(self._serve, proxy, scope, ended)
        try:
            self._catch_up(proxy, faults)
        except BaseException:
            scope.cancel()
            with trio.CancelScope(shield=True):
                await ended.wait()
            raise
        self.proxy, self._scope, self._ended = proxy, scope, ended
        self.listen = proxy.address
        self._turned()

    def _catch_up(self, proxy: Proxy, before: Mapping[str, Fault]) -> None:
        # What was ordered while the listener was being bound, it does not know of yet.
        for name in before:
            if name not in self.faults:
                proxy.remove(name)
        for name, fault in list(self.faults.items()):
            if name not in before:
                proxy.add(fault.plan(), fault.table())
                self.faults[name] = self.faults.pop(name)  # which is now the last there, too
            elif fault is not before[name]:
                self._exchange(proxy, fault)

    async def _serve(self, proxy: Proxy, scope: trio.CancelScope, ended: trio.Event, *, task_status: trio.TaskStatus[None]) -> None:
        started = False
        try:
            with scope:
                async with trio.open_nursery() as nursery:
                    await nursery.start(proxy.serve)
                    started = True
                    task_status.started()
        except BaseExceptionGroup as group:
            error = _known(group)
            if not started:
                if error is None:
                    raise
                raise error from error.__cause__  # the reason it has itself: what the kernel said
            if error is None and not isinstance(group, ExceptionGroup):  # it is told to end
                raise
            # Whatever it was, it is this proxy's: the others go on.
            self.messages.append(f"{self.name} has ended: {error or f'a mistake of faultproxy itself: {_first(group)!r}'}")
        finally:
            ended.set()
            if self.proxy is proxy:
                self.proxy = None
            self._turned()

    async def _stop(self) -> None:
        if self.proxy is not None:
            self._scope.cancel()
            await self._ended.wait()

    # ------------------------------------------------------------ the faults

    def add(self, fault: Fault) -> None:
        """A fault behind all others, for connections that are open too. Raises Taken, Bounded; Unfit: segments cannot be touched here."""
        if fault.name in self.faults:
            raise Taken(f"{self.name} has a fault called {fault.name!r} already: give yours another name")
        if len(self.faults) >= FAULTS:
            raise Bounded(f"{self.name} has {FAULTS} faults already: remove one")
        self._check(fault)
        if self.proxy is not None:
            with _capable(fault):
                self.proxy.add(fault.plan(), fault.table())
        self.faults[fault.name] = fault

    def change(self, fault: Fault) -> None:
        """The fault of that name has other figures from now on, and keeps what it holds. Where it starts otherwise, or acts in other
        directions, it is a new one: the old one heals, and this one stands behind all others. Raises Unknown, Unfit.
        """
        self._fault(fault.name)
        self._check(fault)
        if self.proxy is not None:
            with _capable(fault):
                self._exchange(self.proxy, fault)
        self.faults[fault.name] = fault

    def _exchange(self, proxy: Proxy, fault: Fault) -> None:
        try:
            proxy.change(fault.plan(), fault.table())
        except ValueError:
            proxy.remove(fault.name)
            del self.faults[fault.name]
            proxy.add(fault.plan(), fault.table())
            self.faults[fault.name] = fault

    def remove(self, name: str, *, drain: bool = False) -> None:
        """Heals a fault and takes it out; with `drain`, bytes that it holds until a certain time keep that time. Raises Unknown."""
        self._fault(name)
        if self.proxy is not None:
            self.proxy.remove(name, drain=drain)
        del self.faults[name]

    def order(self, name: str, *, heal: bool = False) -> None:
        """Starts a fault wherever it applies, or heals it, which then rests until it is started again. Raises Unknown, Unfit."""
        self._fault(name)
        self._listening().order(name, heal=heal)

    def heal_all(self) -> None:
        """Everything heals, and rests until it is started again. Raises Unfit."""
        for name in self.faults:
            self._listening().order(name, heal=True)

    def _check(self, fault: Fault) -> None:
        """Raises Unfit for a fault that cannot be here."""
        if fault.plane == "packet" and any(address.startswith("unix:") for address in (self.listen, self.upstream)):
            raise Unfit(f"{fault.name!r} acts on segments, and a unix socket has none: it needs TCP on both legs")

    def _fault(self, name: str) -> Fault:
        if name not in self.faults:
            raise Unknown(f"{self.name} has no fault {name!r}; it has: {', '.join(self.faults) or 'none'}")
        return self.faults[name]

    # --------------------------------------------------------- connections

    def kill(self, ordinal: int) -> None:
        """Ends a connection with a RST to both ends. Raises Unknown."""
        if self.proxy is None or not self.proxy.kill(ordinal):
            raise Unknown(f"{self.name} has no open connection {ordinal}")

    def connection(self, ordinal: int) -> Row:
        """One connection that is open. Raises Unknown."""
        row = self.proxy.row(ordinal) if self.proxy is not None else None
        if row is None:
            raise Unknown(f"{self.name} has no open connection {ordinal}")
        return row

    def snapshot(self) -> Snapshot:
        """How things stand; all zero while it does not listen."""
        return self.proxy.snapshot() if self.proxy is not None else Snapshot(0, 0, 0, 0, 0, 0, "disabled", ())

    @property
    def stats(self) -> list[FaultStats]:
        """What each fault has done since the proxy listens."""
        return self.proxy.run.stats if self.proxy is not None else []

    def journal(self) -> list[str]:
        """The header and the newest entries, a line each without LF; of the last time that it listened."""
        if self._header is None:
            return []
        return [text(entry).rstrip("\n") for entry in (self._header.entry(), *self._lines)]

    def _listening(self) -> Proxy:
        if self.proxy is None:
            raise Unfit(f"{self.name} does not listen: enable it first")
        return self.proxy


@contextmanager
def _capable(fault: Fault) -> Iterator[None]:
    # Where packet faults cannot run, the kernel's reason is the caller's answer.
    try:
        yield
    except CapabilityError as error:
        raise Unfit(f"{fault.name!r} cannot act on segments here: {error}") from error
    except OSError as error:
        raise Unfit(f"{fault.name!r} cannot act on segments now, because the kernel refuses it: {error}") from error


def _address(upstream: str) -> addresses.Address:
    try:
        return addresses.parse(upstream, "upstream")
    except ScenarioError:  # whoever connects is told: the name is not known
        return addresses.Address(upstream, 0)


def _known(group: BaseExceptionGroup[BaseException]) -> FaultproxyError | None:
    known = group.subgroup(FaultproxyError)
    error = _first(known) if known is not None else None
    return error if isinstance(error, FaultproxyError) else None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
