"""Looks at a run: the kernel's sockets of both ends, the processes, the host's counters, the players. Each look is bounded in cost."""

from __future__ import annotations

import ipaddress
import socket
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from faultproxy.core.events import SIDES, Side
from faultproxy.errors import CapabilityError
from faultproxy.kernel import netstat, sockdiag
from faultproxy.kernel.sockdiag import Diag
from faultproxy.verify import windows
from faultproxy.verify.census import Census, Entry
from faultproxy.verify.figures import figures
from faultproxy.verify.process import Output
from faultproxy.verify.world import Label, Look, NotYet, Player, Seen, Unknown

GOT_FIN = {"CLOSE_WAIT", "LAST_ACK", "CLOSING", "TIME_WAIT"}
SENT_FIN = {"FIN_WAIT_1", "FIN_WAIT_2", "CLOSING", "LAST_ACK", "TIME_WAIT"}
NO_FIN_GOT = {"ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "SYN_SENT", "SYN_RECV"}

Ports = tuple[int, int]
"""The local and the remote one: what a socket is known by. 0: not known."""


@dataclass(frozen=True, slots=True)
class Program:
    """A process of the run, as far as it is looked at. `exit` None: it runs."""

    pid: int
    exit: int | None
    output: Output


@dataclass(slots=True)
class _End:
    """One end of one connection over time: what outlives its socket in the kernel, and what only a comparison can tell."""

    last: dict[str, Seen] = field(default_factory=dict)
    key: Ports = (0, 0)
    """Where its socket is, or was, in the kernel's table."""
    was_there: bool = False
    """Its socket has been seen; as long as it has not, a server's may still be to come."""
    probes: int = 0
    backoff: int = 0


@dataclass(slots=True)
class Place:
    """One proxy in the run: its census, and where client and server are to be found in the kernel's tables."""

    census: Census
    listen_port: int
    server_port: int
    intercepts: bool = False
    dialling: Callable[[], Mapping[int, int]] = dict
    """From which port of its own the proxy dials the server at the moment, by the port of the client that it does so for."""


class Observers:
    """Takes looks at what is needed, and at nothing else. `needs` are names of the vocabulary."""

    def __init__(
        self,
        needs: Collection[str],
        *,
        places: Collection[Place],
        players: Callable[[], Mapping[str, Player]],
        programs: Callable[[], Mapping[str, Program]],
    ) -> None:
        self._of_ends = {side: [name for name in needs if name.startswith(f"{side}.") and name.count(".") == 1] for side in SIDES}
        self._others = [name for name in needs if name not in self._of_ends["client"] + self._of_ends["server"]]
        self._places = places
        self._players = players
        self._programs = programs
        self._ends: dict[tuple[Label, Side], _End] = {}
        self._asks_kernel = any(self._of_ends.values()) or any(".sockets." in name for name in needs)
        self._local: dict[str, bool] = {}
        self._dialling: Mapping[int, int] = {}
        """`Place.dialling` of the place that is looked at."""
        self._before: dict[str, int] = {}
        """The host's counters when the run began."""
        self._earlier: set[Ports] | None = None
        """The pairs of ports that were there at the first look, as long as they are: the baseline's. None: before that look."""
        self.rows: list[Diag] = []
        """The sockets of the last look that belong to the run."""
        if any(name.startswith("host.") for name in needs):
            self._before = _counters()

    def look(self, now: float) -> Look:
        """Everything that is needed, as it is now. `now` in seconds of the run's clock."""
        found, why = self._sockets() if self._asks_kernel else ({}, "")
        others: dict[str, Seen] = {}
        connections: dict[Label, Mapping[str, Seen]] = {}
        counts: Counter[str] = Counter()
        for place in self._places:
            counts.update(place.census.count())
            self._dialling = place.dialling() if self._of_ends["server"] else {}
            for label, entry in place.census.entries.items():
                connections[label] = {
                    f"{side}.{name}": value
                    for side in SIDES
                    for name, value in self._end(place, entry, side, found, why).items()
                    if f"{side}.{name}" in self._of_ends[side]
                }
        others |= counts
        others |= self._elsewhere(found, why)
        return Look(now, connections, others, self._players())

    # ------------------------------------------------------------ sockets

    def _sockets(self) -> tuple[dict[Ports, Diag], str]:
        ports = {port for place in self._places for port in (place.listen_port, place.server_port) if port}
        try:
            self.rows = sockdiag.sockets(either_port=ports)
        except (CapabilityError, OSError) as error:
            return {}, str(error)
        found = {(row.local[1], row.remote[1]): row for row in self.rows}
        there = {_pair(row) for row in self.rows if row.state != "LISTEN"}
        self._earlier = there if self._earlier is None else self._earlier & there  # whoever has the ports again is somebody else
        return found, ""

    def _end(self, place: Place, entry: Entry, side: Side, found: Mapping[Ports, Diag], why: str) -> Mapping[str, Seen]:
        if not self._of_ends[side]:
            return {}
        end = self._ends.setdefault((entry.label, side), _End())
        if why:
            return self._all(side, Unknown(why))
        key, address = self._key(place, entry, side)
        if key[0] and key[1]:
            end.key = key  # a dial that fails is forgotten by whoever dialled, and its socket may outlive it
        if not end.key[0]:
            undone = entry.closed is None and not entry.failed
            return self._all(side, NotYet("it is not dialled yet" if undone else "it was never dialled"))
        if not self._is_local(address):
            return self._all(side, Unknown(f"the {side} at {address} is not on this machine"))
        row = found.get(end.key)
        end.was_there = end.was_there or row is not None or side == "client" or entry.reached
        if not end.was_there:
            # Its half is made by the SYN, which may be on its way, lost by a fault, or refused at a full queue: nothing is gone yet.
            return self._all(
                side, NotYet("the server has no socket for it yet" if entry.closed is None else "the server never had a socket")
            )
        end.last = {**end.last, **self._values(entry, side, row, end)}
        return end.last

    def _all(self, side: Side, seen: Seen) -> dict[str, Seen]:
        return dict.fromkeys((name.partition(".")[2] for name in self._of_ends[side]), seen)

    def _key(self, place: Place, entry: Entry, side: Side) -> tuple[Ports, str]:
        if side == "client":
            return (entry.peer.port, place.server_port if place.intercepts else place.listen_port), entry.peer.address
        own = entry.server_port or (self._dialling.get(entry.peer.port, 0) if entry.closed is None else 0)
        return (place.server_port, entry.peer.port if place.intercepts else own), "127.0.0.1"

    def _values(self, entry: Entry, side: Side, row: Diag | None, end: _End) -> dict[str, Seen]:
        state = "CLOSED" if row is None else row.state
        fate = entry.fate if side == "client" else None
        values: dict[str, Seen] = {
            "tcp_state": state,
            "fin_sent": state in SENT_FIN or bool(end.last.get("fin_sent")) or (side, "sent") in entry.fins,
            "fin_received": state in GOT_FIN
            or bool(end.last.get("fin_received"))
            or (state not in NO_FIN_GOT and (side, "received") in entry.fins),
            "rst_sent": (side, "sent") in entry.rsts,
            "rst_received": state == "CLOSED" and ((side, "received") in entry.rsts or (fate is not None and fate.reset)),
            "send_queue": 0 if row is None else row.send_queue,
            "recv_queue": 0 if row is None else row.recv_queue,
            "zero_window": row is not None and windows.is_closed(row),
        }
        info = None if row is None else row.info
        if info is not None and row is not None:
            if row.timer == "window_probe" and info.backoff > end.backoff:
                end.probes += info.backoff - end.backoff
            end.backoff = info.backoff if row.timer == "window_probe" else 0
            values |= {
                "bytes_sent": info.bytes_sent - info.bytes_retrans,
                "bytes_received": received(row),
                "retransmits": info.total_retrans,
                "unacked": info.unacked,
                "backoff": info.backoff,
                "rtt": info.rtt / 1e6,
            }
            if info.snd_wnd >= 0:
                values["peer_window"] = info.snd_wnd  # no word of the vocabulary: reports draw it
        elif row is not None and state == "SYN_RECV":
            values["retransmits"] = row.retransmits  # of its SYN-ACK: a handshake that is not complete has no TCP_INFO
        elif state == "CLOSED":
            values |= {"unacked": 0, "backoff": 0}
        if info is None and fate is not None:
            # TIME_WAIT, and what is gone, has no counters any more; the last look was some time before, but the program knows.
            values["bytes_received"] = max(fate.received, _number(end.last.get("bytes_received")))
        values["window_probes"] = end.probes
        return values

    def _is_local(self, address: str) -> bool:
        if address not in self._local:
            self._local[address] = _is_local(address)
        return self._local[address]

    # ------------------------------------------------------ everything else

    def _elsewhere(self, found: Mapping[Ports, Diag], why: str) -> dict[str, Seen]:
        values: dict[str, Seen] = {}
        programs = self._programs()
        counters = _counters() if self._before else {}
        for name in self._others:
            first, _, rest = name.partition(".")
            if rest.startswith("sockets."):
                values[name] = Unknown(why) if why else self._count(first, rest.removeprefix("sockets."))
            elif rest.startswith("process."):
                program = programs.get(first)
                values[name] = Unknown(f"the run starts no {first}") if program is None else _figure(program, rest.removeprefix("process."))
            elif first == "host":
                values[name] = _counter(rest, counters, self._before)
        return values

    def _count(self, side: str, state: str) -> int:
        total = 0
        for place in self._places:
            far = place.server_port if place.intercepts else place.listen_port
            for row in self.rows:
                if self._earlier is not None and _pair(row) in self._earlier:
                    continue
                at_server = row.local[1] == place.server_port
                at_client = row.remote[1] == far and row.local[1] != far
                total += row.state == state and (at_server if side == "server" else at_client)
        return total


def received(row: Diag) -> int:
    """Bytes of payload that have come, in their order; 0 where the kernel keeps no count.

    The kernel counts what `rcv_nxt` goes forward by (tcp_rcv_nxt_update in net/ipv4/tcp_input.c), and so a FIN as a byte, from the moment
    on at which nothing before it is missing any more. At that moment the state changes, too.
    """
    if row.info is None:
        return 0
    return row.info.bytes_received - (row.state in GOT_FIN)


def _pair(row: Diag) -> Ports:
    """What both ends of a connection have in common."""
    return min(row.local[1], row.remote[1]), max(row.local[1], row.remote[1])


def _figure(program: Program, name: str) -> Seen:
    match name:
        case "exit":
            return NotYet("it is still running") if program.exit is None else program.exit
        case "output":
            return str(program.output)
    if program.exit is not None:
        return Unknown("it has ended")
    found = figures(program.pid)
    return found.rss if name == "rss" else found.fds


def _counters() -> dict[str, int]:
    try:
        return netstat.counters()
    except CapabilityError:
        return {}


def _counter(name: str, now: Mapping[str, int], before: Mapping[str, int]) -> Seen:
    for key in (name, f"TcpExt.{name}", f"Tcp.{name}", f"IpExt.{name}", f"Ip.{name}"):
        if key in now:
            return now[key] - before.get(key, 0)
    return Unknown(f"this kernel counts no {name}" if now else "the host's counters cannot be read here")


def _number(seen: Seen | None) -> int:
    return seen if isinstance(seen, int) else 0


def _is_local(address: str) -> bool:
    if not address:
        return False
    found = ipaddress.ip_address(address.partition("%")[0])
    if found.is_loopback or (isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped and found.ipv4_mapped.is_loopback):
        return True
    try:
        with socket.socket(socket.AF_INET6 if found.version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((address, 0))
    except OSError:
        return False
    return True
