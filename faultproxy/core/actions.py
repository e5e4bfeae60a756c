"""What the core can ask for. The set is closed: whoever carries actions out (`net`) handles each, and decides nothing.

Actions are carried out in order. `Started`, `Healed` and `Fired` only say what was decided and why;
`Pass`, `Change`, `Lose` and `Inject` are about segments, all others touch a socket.
"""

from __future__ import annotations

from dataclasses import dataclass

from faultproxy.core.events import Direction, Side, Tap
from faultproxy.core.shape import Shape


@dataclass(frozen=True, slots=True)
class Send:
    """Write `data` to the sink of `direction`, behind all that was sent before."""

    direction: Direction
    data: bytes
    injected: bool = False
    """A fault has made these bytes up. What was read is bounded, because reading stops; this is not, so it may be dropped at a bound."""


@dataclass(frozen=True, slots=True)
class SendFin:
    """Send a FIN in `direction`, behind all that was sent: `shutdown(SHUT_WR)` on the sink's leg. The other direction lives on."""

    direction: Direction


@dataclass(frozen=True, slots=True)
class ResetLeg:
    """End the leg to `side` with a RST, now; what the kernel has not sent is thrown away (`SO_LINGER {1, 0}`, then close)."""

    side: Side


@dataclass(frozen=True, slots=True)
class CloseLeg:
    """Close the leg to `side`, behind all that was sent. `linger`: SO_LINGER in seconds; None leaves it off (tcp(7), socket(7))."""

    side: Side
    linger: float | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop reading the source of `direction`; its kernel buffer fills, its window closes."""

    direction: Direction


@dataclass(frozen=True, slots=True)
class Resume:
    """Read the source of `direction` again."""

    direction: Direction


@dataclass(frozen=True, slots=True)
class Started:
    """`fault` is now active, because of `why`; `offset` is the byte behind which it begins, if bytes started it."""

    fault: str
    why: str
    offset: int | None = None
    by: str | None = None
    """How it lays hold of segments, if it does: `queue` or `socket filter`."""


@dataclass(frozen=True, slots=True)
class Healed:
    """`fault` has ended. `final`: it starts nothing, because the connection or the run has ended, or the fault starts again at once."""

    fault: str
    why: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class Fired:
    """`fault` has acted: `what` it did, to `size` bytes at `offset` of `direction`."""

    fault: str
    what: str
    direction: Direction | None = None
    offset: int | None = None
    size: int | None = None
    tap: Tap | None = None


@dataclass(frozen=True, slots=True)
class Pass:
    """Let the segment `ref` go on as it is."""

    tap: Tap
    ref: int


@dataclass(frozen=True, slots=True)
class Change:
    """Let the segment `ref` go on as `data`, a whole IP packet."""

    tap: Tap
    ref: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Lose:
    """The segment `ref` gets no further. `held`: a copy of it was kept, to be sent later."""

    tap: Tap
    ref: int
    held: bool = False


@dataclass(frozen=True, slots=True)
class Inject:
    """Send `data`, a whole IP packet, where the segments of `tap` go."""

    tap: Tap
    data: bytes


@dataclass(frozen=True, slots=True)
class Filter:
    """From now on the socket that faces `side` drops, of what comes in, all that fits one of `shapes`; none: no more, for `fault`."""

    fault: str
    side: Side
    shapes: tuple[Shape, ...]


Action = Send | SendFin | ResetLeg | CloseLeg | Pause | Resume | Started | Healed | Fired | Pass | Change | Lose | Inject | Filter
