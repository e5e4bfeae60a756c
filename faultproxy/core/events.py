"""What can happen to a connection, as the core is told. Times are seconds on the run's own clock and never part of an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faultproxy.core.header import Packet

Direction = Literal["c2s", "s2c"]
"""`c2s` is client to server, `s2c` server to client."""

Side = Literal["client", "server"]
"""An end of the connection, and the leg of the proxy that faces it."""

DIRECTIONS: tuple[Direction, Direction] = ("c2s", "s2c")
SIDES: tuple[Side, Side] = ("client", "server")
SOURCE: dict[Direction, Side] = {"c2s": "client", "s2c": "server"}
SINK: dict[Direction, Side] = {"c2s": "server", "s2c": "client"}
FROM: dict[Side, Direction] = {"client": "c2s", "server": "s2c"}
"""The direction whose bytes come from that side."""
TO: dict[Side, Direction] = {"client": "s2c", "server": "c2s"}
"""The direction whose bytes go to that side."""

Tap = Literal["from_client", "to_client", "from_server", "to_server", "c2s", "s2c"]
"""Where a segment is met: at one of the four taps of a proxied connection, which is two; or, where nobody stands between (`intercept`),
in one of its directions."""

TAPS: tuple[Tap, ...] = ("from_client", "to_client", "from_server", "to_server", "c2s", "s2c")
INTERCEPTED: tuple[Tap, Tap] = ("c2s", "s2c")
LEGS: tuple[tuple[Tap, Tap], ...] = (("from_client", "to_client"), ("from_server", "to_server"), ("c2s", "s2c"))
"""The taps of each TCP connection, the two ways of it."""
SENDER: dict[Tap, Side | None] = {
    "from_client": "client",
    "from_server": "server",
    "c2s": "client",
    "s2c": "server",
    "to_client": None,
    "to_server": None,
}
"""Who sends what is met there; None: the proxy itself."""
FLOW: dict[Tap, Direction] = {
    "from_client": "c2s",
    "to_server": "c2s",
    "from_server": "s2c",
    "to_client": "s2c",
    "c2s": "c2s",
    "s2c": "s2c",
}
"""In which direction it travels."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A trigger of `fault` was met right before byte `offset` of the direction it was watched in."""

    fault: str
    offset: int
    why: str


@dataclass(frozen=True, slots=True)
class Dialled:
    """The upstream has accepted: the server's leg is up. `address` is the one dialled, `port` our own of that leg (0: it has none)."""

    address: str
    port: int = 0


@dataclass(frozen=True, slots=True)
class DialFailed:
    """The upstream could not be reached; `why` is the errno's name or `timeout`. The client gets a RST or, `orderly`, a FIN."""

    why: str
    orderly: bool = False


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes were read: `data` stands at `offset` of what `direction`'s source has sent. `hits` were found in it by `Connection.scan`."""

    direction: Direction
    offset: int
    data: bytes
    hits: tuple[Hit, ...] = ()


@dataclass(frozen=True, slots=True)
class Eof:
    """The source of `direction` has sent its FIN, behind byte `offset`."""

    direction: Direction
    offset: int


@dataclass(frozen=True, slots=True)
class PeerReset:
    """The leg to `side` is dead: its peer sent a RST (`ECONNRESET`, `EPIPE`), or the kernel gave it up (`ETIMEDOUT`, …)."""

    side: Side
    why: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Bytes (or a FIN) wait in the kernel while `direction` is not being read. Told once for each pause."""

    direction: Direction


@dataclass(frozen=True, slots=True)
class Timer:
    """The time named by `deadline()` has come."""


@dataclass(frozen=True, slots=True)
class Order:
    """Somebody outside (the API, a fixture, a fault of another connection) starts or heals `fault`.

    `by_hand`: a person or a program does. It then starts however often it has, and once healed it stays so until a hand starts it again.
    """

    fault: str
    heal: bool
    why: str
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class RunEnds:
    """The run is over: everything heals, and a heal starts nothing."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A segment is met at `tap`. `matched` names the faults whose `payload` pattern is in it; `ref` is the packet's, until its verdict."""

    tap: Tap
    packet: Packet
    matched: tuple[str, ...] = ()
    ref: int | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """Segments have gone by at `tap` while no fault acted there; `packet` is the latest. It has its verdict already."""

    tap: Tap
    packet: Packet


@dataclass(frozen=True, slots=True)
class Standing:
    """Segments of a leg that has been open for a while are going to be met: how it stands, as this machine's kernel knows it.

    `packet` is the acknowledgement that it would send now, at `tap` (to_client or to_server). `begun` is the number of its own SYN and
    `begun_back` of the peer's, `unacked` its first byte that is not acknowledged, `window_back` the window that the peer has announced;
    `scale` and `scale_back` are by how many bits windows are scaled, -1 where that was not agreed on.
    """

    tap: Tap
    packet: Packet
    begun: int
    begun_back: int
    unacked: int
    window_back: int
    scale: int
    scale_back: int


@dataclass(frozen=True, slots=True)
class Filtered:
    """The socket filter of `fault` has dropped `count` more segments that came from `side`."""

    fault: str
    side: Side
    count: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Nobody can follow the connection any longer: everything heals, and a heal starts nothing."""


Event = Forgotten | Seen | Noted | Standing | Filtered | Dialled | DialFailed | Data | Eof | PeerReset | Waiting | Timer | Order | RunEnds
