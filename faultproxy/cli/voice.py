"""How `run` speaks: event lines for a pipe, objects for a machine, hardly at all. The live table is `live.py`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence

import trio

from faultproxy.cli.lines import Lines
from faultproxy.cli.summary import Summary, plain
from faultproxy.core.actions import Action, Fired, Healed, Started
from faultproxy.core.connection import Connection
from faultproxy.core.journal import Header, Journal, text
from faultproxy.core.limits import STARTS_SHOWN
from faultproxy.core.run import Happening, Knock, Watch
from faultproxy.net.intercept import AnyProxy, Intercept

DRAIN = 3.0
"""Seconds that a reader has at the end to take what is left."""
CLOSINGS = 0.1
"""Seconds between two looks at which connections are still there."""


class Voice:
    """Says the essential only (`--quiet`): what listens where, what a person must know, the summary."""

    def __init__(self) -> None:
        self.lines = Lines(sys.stdout.fileno(), lambda count: f"({count} lines left out: nobody reads them as fast as they come)\n")

    def say(self, line: str) -> None:
        """One line of the heading."""
        self.lines.put(line + "\n")

    def listening(self, proxy: AnyProxy, upstream: str, named: bool) -> None:
        """That proxy can be connected to."""
        what = f"intercepting {upstream}" if isinstance(proxy, Intercept) else f"listening on {proxy.address}, upstream {upstream}"
        self.say(f"{proxy.name + ': ' if named else ''}{what}")

    def watch(self, header: Header, clock: Callable[[], float], named: bool) -> Watch | None:
        """What is to be told of each decision of a proxy."""
        return None

    def notify(self, message: str) -> None:
        """Something that a person should know."""
        self.say(message)

    async def serve(self, proxies: Sequence[AnyProxy]) -> None:
        """Speaks until cancelled."""
        await self.lines.serve()

    async def ended(self, summary: Summary | None) -> None:
        """The last words."""
        if summary is not None:
            self.lines.put(plain(summary.show()))
        await self.lines.drain(DRAIN)


class Machine(Voice):
    """`--json`: each event as in the journal, then the summary, one object a line."""

    def __init__(self) -> None:
        self.lines = Lines(sys.stdout.fileno(), lambda count: text({"event": "left_out", "lines": count}))

    def say(self, line: str) -> None:
        """A machine needs no heading."""

    def listening(self, proxy: AnyProxy, upstream: str, named: bool) -> None:
        """As an event of its own."""
        self.lines.put(
            text({"event": "listening", "proxy": proxy.name, "address": proxy.address, "upstream": upstream, "seed": proxy.seed})
        )

    def watch(self, header: Header, clock: Callable[[], float], named: bool) -> Watch | None:
        """The journal's own lines."""
        return Journal(header, self.lines.put, named=named, clock=clock, buffer=0)

    def notify(self, message: str) -> None:
        """As an event of its own."""
        self.lines.put(text({"event": "message", "text": message}))

    async def ended(self, summary: Summary | None) -> None:
        """The summary object."""
        if summary is not None:
            self.lines.put(text(summary.json()))
        await self.lines.drain(DRAIN)


class Events(Voice):
    """A line for each connection and each fault that starts or heals; of each sort so many, then they are only counted."""

    def __init__(self) -> None:
        super().__init__()
        self._said: Counter[str] = Counter()
        self._logs: list[_Log] = []

    def watch(self, header: Header, clock: Callable[[], float], named: bool) -> Watch | None:
        """Lines with the time on the clock of the run."""
        log = _Log(self._tell, clock, f"{header.proxy}: " if named else "")
        self._logs.append(log)
        return log

    def notify(self, message: str) -> None:
        """Bounded like the others: an upstream that refuses does so for everybody."""
        self._tell("message", message)

    async def serve(self, proxies: Sequence[AnyProxy]) -> None:
        """Looks for connections that have ended, too: of those that no fault concerns nobody tells."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.lines.serve)
            while True:
                await trio.sleep(CLOSINGS)
                for proxy, log in zip(proxies, self._logs, strict=False):
                    log.look(proxy)

    def _tell(self, sort: str, line: str) -> None:
        self._said[sort] += 1
        if self._said[sort] <= STARTS_SHOWN:
            self.say(line)
        elif self._said[sort] == STARTS_SHOWN + 1:
            self.say(f"(more than {STARTS_SHOWN} lines like the last one: from here on they are only counted)")


class _Log:
    """What happens in one proxy, in lines."""

    def __init__(self, tell: Callable[[str, str], None], clock: Callable[[], float], prefix: str) -> None:
        self._tell = tell
        self._clock = clock
        self._prefix = prefix
        self._open: set[int] = set()
        self._fired: set[str] = set()

    def __call__(self, now: float, connection: Connection | None, what: Happening, actions: Sequence[Action]) -> None:
        if isinstance(what, Knock):
            self._open.add(what.ordinal)
            source = f" from {what.peer.address}:{what.peer.port}" if what.peer.address else ""
            self._line(now, "opened", what.ordinal, f"opened{source}")
        ordinal = connection.ordinal if connection is not None else None
        for action in actions:
            match action:
                case Started(fault, why):
                    self._line(now, "started", ordinal, f"{fault} started ({why})")
                case Healed(fault, why):
                    self._line(now, "healed", ordinal, f"{fault} healed ({why})")
                case Fired(fault, act) if fault not in self._fired:
                    self._fired.add(fault)
                    self._line(now, "fired", ordinal, f"{fault} fired for the first time: {act}")
        if what == "close" and ordinal is not None:
            self._closed(ordinal, now)

    def look(self, proxy: AnyProxy) -> None:
        """Tells of those connections that are open no more."""
        if not self._open:
            return
        snapshot = proxy.snapshot()
        listed = {row.ordinal for row in snapshot.rows}
        # Where not all are listed, those that are are the newest.
        oldest = 0 if len(listed) == snapshot.open else min(listed, default=0)
        for ordinal in sorted(number for number in self._open if number >= oldest and number not in listed):
            self._closed(ordinal, trio.current_time())

    def _closed(self, ordinal: int, now: float) -> None:
        if ordinal in self._open:
            self._open.discard(ordinal)
            self._line(now, "closed", ordinal, "closed")

    def _line(self, now: float, sort: str, ordinal: int | None, words: str) -> None:
        place = "listener" if ordinal is None else f"connection {ordinal}"
        self._tell(sort, f"{now - self._clock():10.3f} s  {self._prefix}{place}: {words}")
