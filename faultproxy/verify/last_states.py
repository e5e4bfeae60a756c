"""The sockets of a run as they were at last, a line for each connection: the client's, both of the proxy's, the server's.

Connections whose sockets are in the same states are told together, so that a crowd of a thousand is a few lines, and the one that is
different is seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from faultproxy.kernel.sockdiag import Diag
from faultproxy.verify import windows
from faultproxy.verify.census import Census, Entry
from faultproxy.verify.telling import named
from faultproxy.verify.world import Label

NO_SOCKET = "no socket"
"""The kernel has none (any more), or it is another machine's."""

Row = Diag | None
Rows = tuple[Row, Row, Row, Row]
"""Of the client, of the proxy to the client, of the proxy to the server, of the server."""


class Place(Protocol):
    """Where one proxy's sockets are found: as in `observers.Place`."""

    @property
    def census(self) -> Census: ...
    @property
    def listen_port(self) -> int: ...
    @property
    def server_port(self) -> int: ...
    @property
    def intercepts(self) -> bool: ...


def lines(rows: Iterable[Diag], places: Iterable[Place], *, first: Collection[Label] = ()) -> list[str]:
    """``"leavers 1 and 2: client FIN_WAIT_2 | proxy CLOSE_WAIT, ESTABLISHED | server ESTABLISHED (recv queue 17..20)"``

    Those of `first` come first, behind all others the probes. What no connection of the run explains (those of before, a server's own)
    comes last, counted by state.
    """
    found = {(row.local[1], row.remote[1]): row for row in rows}
    groups: dict[tuple[str, ...], list[tuple[Entry, Rows]]] = {}
    places = list(places)
    left = dict(found)
    for place in places:
        for entry in place.census.entries.values():
            keys = _keys(place, entry)
            each = (found.get(keys[0]), found.get(keys[1]), found.get(keys[2]), found.get(keys[3]))
            for key in keys:
                left.pop(key, None)
            states = (entry.peer.name, *(row.state if row is not None else "" for row in each), "intercepted" * place.intercepts)
            groups.setdefault(states, []).append((entry, each))

    def rank(group: tuple[object, list[tuple[Entry, Rows]]]) -> tuple[bool, bool]:
        members = [entry for entry, _ in group[1]]
        return not any(entry.label in first for entry in members), members[0].is_probe

    told = [_group(states, members) for states, members in sorted(groups.items(), key=rank)]
    return told + _others(left.values(), places)


def _keys(place: Place, entry: Entry) -> tuple[tuple[int, int], ...]:
    client, own, listen, server = entry.peer.port, entry.server_port, place.listen_port, place.server_port
    if place.intercepts:
        return (client, server), (0, 0), (0, 0), (server, client)
    return (client, listen), (listen, client), (own, server), (server, own)


def _group(states: tuple[str, ...], members: Sequence[tuple[Entry, Rows]]) -> str:
    who = named(entry.label for entry, _ in members)
    columns = [[rows[place] for _, rows in members] for place in range(4)]
    if not any(states[1:5]):
        return f"{who}: {NO_SOCKET}"
    client, near, far, server = (_sockets(column) for column in columns)
    return f"{who}: client {client}{'' if states[5] else f' | proxy {near}, {far}'} | server {server}"


def _sockets(rows: Sequence[Row]) -> str:
    there = [row for row in rows if row is not None]
    if not there:
        return NO_SOCKET
    figures = [_figures(row) for row in there]
    names = dict.fromkeys(name for each in figures for name in each)
    notes = [f"{name} {_range([each.get(name, 0) for each in figures])}" for name in names]
    if stuck := sum(windows.is_closed(row) for row in there):
        notes.insert(0, "zero window" if stuck == len(there) else f"zero window of {stuck}")
    return there[0].state + (f" ({', '.join(notes)})" if notes else "")


def _figures(row: Diag) -> Mapping[str, int]:
    # Only what is not 0, and nothing of a socket that only remembers.
    info = row.info
    figures = {
        "send queue": row.send_queue,
        "recv queue": row.recv_queue,
        "unacked": info.unacked if info is not None else 0,
        "retransmits": info.total_retrans if info is not None else 0,
        "backoff": info.backoff if info is not None else 0,
    }
    return {name: value for name, value in figures.items() if value}


def _range(values: Sequence[int]) -> str:
    least, most = min(values), max(values)
    return str(most) if least == most else f"{least}..{most}"


def _others(rows: Iterable[Diag], places: Sequence[Place]) -> list[str]:
    listen = {place.listen_port for place in places}
    servers = {place.server_port for place in places}
    counts: dict[str, Counter[str]] = {"client": Counter(), "proxy": Counter(), "server": Counter()}
    queues = []
    for row in rows:
        where = "server" if row.local[1] in servers else "proxy" if row.local[1] in listen or row.remote[1] in servers else "client"
        if row.state == "LISTEN":
            if row.recv_queue:
                queues.append(f"the {where} has not accepted {row.recv_queue} that knocked (its queue takes {row.send_queue})")
        elif row.state != "TIME_WAIT":  # which is what is left of every connection that ended well
            counts[where][row.state] += 1
    shown = [f"{where} {', '.join(f'{count} {state}' for state, count in each.items())}" for where, each in counts.items() if each]
    return queues + ([f"others: {' | '.join(shown)}"] if shown else [])
