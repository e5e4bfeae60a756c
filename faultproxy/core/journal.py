"""The journal: all that reached a run and all that was decided, one JSON object a line, so that it can be read, kept and replayed.

The first line of each proxy is its header (`Header`): format version, seed, the faults as tables, the socket buffers. Each further line
is what the run was told and what it answered::

    {"time": 0.0133, "connection": 1, "event": "data", "direction": "c2s", "offset": 0, "size": 14, "actions": [{"do": "send", …}]}

`time` is seconds since the clock of the run started, and is written whole: rounded, a deadline missed by half a microsecond would
replay differently. `connection` is the ordinal of an outsider, `"name number"` for a member of a crowd or a probe, and 0 for the
listener. `event` says what happened (`connect`, `open`, `dial`, `dialled`, `data`, `eof`, `order`, …), the other keys are its own.
The bytes themselves are never written, only where they stood and how many there were: what they started is in `hits`. Of a segment there
is its header, in hexadecimal, and how long its payload was; what was found in that is in `matched`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar

from faultproxy.core.actions import Action
from faultproxy.core.connection import Connection
from faultproxy.core.header import Packet
from faultproxy.core.limits import JOURNAL_BUFFER
from faultproxy.core.plan import Sockets
from faultproxy.core.run import Happening, Knock

VERSION = 1
"""Raised whenever a reader of the version before would misread a line."""

Entry = dict[str, Any]
"""One line, as JSON has it."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a run is made of. `faults` are tables as in a scenario file, in plain JSON; `start` is when its clock started."""

    MARK: ClassVar[str] = "faultproxy.journal"

    seed: int
    faults: Sequence[Mapping[str, Any]]
    scenario: str = ""
    proxy: str = ""
    program: str = ""
    start: float = 0.0
    sockets: Sockets = field(default_factory=Sockets)
    filtered: Sequence[str] = ()
    """The packet faults that a socket filter carries out."""
    tells_all: bool = False
    """Connections that no fault concerns are in it, too (`Run.tells_all`)."""

    def entry(self) -> Entry:
        """The header's line."""
        mine = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("sockets", "filtered", "tells_all")}
        rare: Entry = {"filtered": list(self.filtered)} if self.filtered else {}
        rare |= {"tells_all": True} if self.tells_all else {}
        return {self.MARK: VERSION, **mine, "sockets": asdict(self.sockets), **rare}


def text(entry: Entry) -> str:
    """An entry as one line, with its LF."""
    return json.dumps(entry, ensure_ascii=False, separators=(", ", ": ")) + "\n"


class Journal:
    """Writes the journal of one run: give it to the run as its `watch`.

    `write` takes whole lines. They are kept up to `buffer` characters, so call `flush` now and then, and at the end. With `named`, each
    line says which proxy it belongs to, for several in one file. `clock` is asked when the first event comes for the start of the run's
    clock, where the header is made before it is known.
    """

    def __init__(
        self,
        header: Header,
        write: Callable[[str], None],
        *,
        named: bool = False,
        clock: Callable[[], float] | None = None,
        buffer: int = JOURNAL_BUFFER,
    ) -> None:
        self._header = header
        self._clock = clock
        self._named = named
        self._entries: Entries | None = None
        self._write = write
        self._lines: list[str] = []
        self._room = buffer
        self._buffer = buffer

    def __call__(self, now: float, connection: Connection | None, what: Happening, actions: Sequence[Action]) -> None:
        """`core.run.Watch`."""
        entry = (self._entries or self._begin()).entry(now, connection, what, actions)
        if entry is not None:
            self._keep(text(entry))

    def flush(self) -> None:
        """Hands over all lines so far."""
        if self._lines:
            lines, self._lines, self._room = self._lines, [], self._buffer
            self._write("".join(lines))

    def _begin(self) -> Entries:
        header = self._header if self._clock is None else replace(self._header, start=self._clock())
        self._entries = Entries(header.start, header.proxy if self._named else "")
        self._keep(text(header.entry()))
        return self._entries

    def _keep(self, line: str) -> None:
        self._lines.append(line)
        self._room -= len(line)
        if self._room < 0:
            self.flush()


class Entries:
    """Turns what a run tells its watch into entries, and gives connections their names."""

    def __init__(self, start: float, proxy: str = "") -> None:
        self._start = start
        self._proxy = proxy
        self._labels: dict[Connection, int | str] = {}
        self._again: Counter[str] = Counter()
        self._knocking: int | str = 0

    def entry(self, now: float, connection: Connection | None, what: Happening, actions: Sequence[Action]) -> Entry | None:
        """The entry, or None where nothing was asked and nothing decided."""
        if connection is None and not actions and what in ("timer", "waiting"):
            return None
        if isinstance(what, Knock):
            label = self._knocking = self._label(what)
        elif connection is None:
            label = 0
        elif what == "close":
            label = self._labels.pop(connection, 0)
        else:
            label = self._labels.setdefault(connection, self._knocking)
        entry: Entry = {"time": now - self._start, "connection": label}
        if self._proxy:
            entry["proxy"] = self._proxy
        entry |= _knock(what) if isinstance(what, Knock) else happening(what)
        if actions:
            entry["actions"] = [action_entry(action) for action in actions]
        return entry

    def _label(self, knock: Knock) -> int | str:
        peer = knock.peer
        if peer.role == "outsider":
            return knock.ordinal
        name = f"{peer.name} {peer.number}"
        self._again[name] += 1
        return name if self._again[name] == 1 else f"{name} ({self._again[name]})"


def happening(what: Happening) -> Entry:
    """What happened, as an entry without time and place."""
    if isinstance(what, str):
        return {"event": what}
    entry: Entry = {"event": snake(type(what).__name__)}
    for item in fields(what):
        value = getattr(what, item.name)
        if isinstance(value, bytes):
            entry["size"] = len(value)
        elif isinstance(value, Packet):
            entry |= _segment(value)
        elif item.name == "matched":
            if value:
                entry["matched"] = list(value)
        elif item.name in ("ref", "by_hand", "drain", "orderly", "filtered"):
            if value is not None and value is not False:
                entry[item.name] = value
        elif item.name == "hits":
            if value:
                entry["hits"] = [asdict(hit) for hit in value]
        else:
            entry[item.name] = value
    return entry


def _segment(packet: Packet) -> Entry:
    entry: Entry = {"header": packet.raw[: packet.data_at].hex(), "size": packet.length - packet.data_at, "outbound": packet.outbound}
    if not packet.whole:
        entry["copied"] = len(packet.raw)
    return entry


def _knock(knock: Knock) -> Entry:
    peer = knock.peer
    entry: Entry = {"event": "connect", "address": peer.address, "port": peer.port}
    return entry if peer.role == "outsider" else entry | {"role": peer.role, "name": peer.name, "number": peer.number}


def action_entry(action: Action) -> Entry:
    """An action; bytes are told by their number, and what is not so is left out."""
    entry: Entry = {"do": snake(type(action).__name__)}
    for item in fields(action):
        value = getattr(action, item.name)
        if isinstance(value, bytes):
            entry["size"] = len(value)
        elif item.name == "shapes":
            entry["shapes"] = [asdict(shape) for shape in value]
        elif value is not None and value is not False:
            entry[item.name] = value
    return entry


def snake(name: str) -> str:
    """``"PeerReset"`` is written ``"peer_reset"``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
