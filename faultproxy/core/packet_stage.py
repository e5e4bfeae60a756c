"""The contract between the core and a packet fault: what passes a packet stage, and what the stage may do with it.

A packet stage is one fault at one tap of one connection. Segments come to it one by one; it answers with what goes on now: the segment
itself, changed or not, copies of it (`Packet.copy`), segments of its own making (`header.make`), `Lost` for one that gets no further, and
`Act` for what is to be told. A segment that is in no answer is held: the stage keeps it and gives it back later, from `due` or
`heal`. It never sees a socket, a queue or a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from faultproxy.core.events import Tap
from faultproxy.core.header import Packet
from faultproxy.core.match import Pattern
from faultproxy.core.rng import Chance
from faultproxy.core.shape import Shape
from faultproxy.core.stage import Act
from faultproxy.core.track import Leg


@dataclass(frozen=True, slots=True)
class Lost:
    """The segment gets no further."""

    packet: Packet


@dataclass(frozen=True, slots=True)
class Broken:
    """The segment goes on with a checksum that is wrong, past all other faults: whatever they did, its receiver will discard it."""

    packet: Packet


Item = Packet | Lost | Broken | Act
Items = Sequence[Item]
NOTHING: Items = ()


class PacketStage:
    """One fault at one tap of one connection; this one lets everything pass. Override what the fault changes.

    Methods are called only between `start` (or `inherit`) and `heal`. `heal` is always called, unless somebody inherits, at the latest when
    the connection's last segment has gone by: it returns all that is held, in order.

    It may stand at a connection that has been open for a while. What only its opening shows is then told by this machine's kernel, where
    that knows it (`events.Standing`); numbers that nobody has told are None.
    """

    def start(self, now: float) -> Items:
        """The fault begins. Segments that it returns are sent."""
        return NOTHING

    def known(self, now: float) -> Items:
        """Numbers of the leg have been told that nobody knew as the fault began. Segments that it returns are sent."""
        return NOTHING

    def packet(self, packet: Packet, matched: bool, now: float) -> Items:
        """A segment arrives. `matched`: the fault's payload pattern is in it, or the fault has none."""
        return (packet,)

    def deadline(self) -> float | None:
        """When `due` wants to be called; None: not at all."""
        return None

    def due(self, now: float) -> Items:
        """What `deadline` promised has come."""
        return NOTHING

    def heal(self, now: float) -> Items:
        """The fault ends: give back what is held, in order, and be ready to start again."""
        return NOTHING

    def inherit(self, before: PacketStage) -> bool:
        """Stand in for `before`, a stage of the same fault with other figures, while that is active: it is neither healed nor this started.

        Takes over what it holds, with the times at which that was to leave. False: that cannot be, or there is nothing to take over; then
        `before` is healed and this one started.
        """
        return False


PacketStageMaker = Callable[[Tap, Chance, Leg], PacketStage]
"""Makes the stage of one tap of one connection, from its stream of chance and what is seen of the leg."""


@dataclass(frozen=True, slots=True)
class PacketPlan:
    """What the core and whoever feeds it need to know of a packet fault."""

    taps: tuple[Tap, ...]
    stage: PacketStageMaker
    payload: Pattern | None = None
    """Only segments with these bytes are of interest to it; looked for in each segment by itself."""
    whole: bool = False
    """It reads or changes payloads, changes headers, or sends something again later: segments must be copied whole."""
    bundles: bool = False
    """It treats all alike and counts nothing, so that offloaded bundles of segments (GSO) may come as one."""
    back: bool = False
    """It must see the other way of its leg too, to know its numbers."""
    shapes: tuple[Shape, ...] | None = None
    """All that it does is to drop what fits one of these, by its header alone: on incoming segments, a socket filter can do it."""
