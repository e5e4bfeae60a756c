"""A playbook of segments: what is met at which tap at which time, and what must follow. Segments are written as tcpdump shows them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from faultproxy.core import shape
from faultproxy.core.actions import Action, Change, Fired, Inject, Lose, Pass
from faultproxy.core.events import FLOW, Direction, Tap
from faultproxy.core.header import Packet, checksum
from faultproxy.core.packets import Packets
from faultproxy.core.plan import FaultPlan
from faultproxy.core.rng import Chance, stream
from tests.core.playbook import fault

ISN = {"c2s": 0xFFFFFF00, "s2c": 5_000}
"""Initial sequence numbers: the client's wraps round after 255 bytes, as it sooner or later must."""
_PORTS = {"c2s": (40_000, 6_379), "s2c": (6_379, 40_000)}
_LOOPBACK = bytes((127, 0, 0, 1))
_LETTERS = {"F": shape.FIN, "S": shape.SYN, "R": shape.RST, "P": shape.PSH, ".": shape.ACK, "U": shape.URG, "E": shape.ECE, "W": shape.CWR}

__all__ = ["PacketPlaybook", "clock", "fault", "met", "play", "sack", "segment"]

MSS_1460 = bytes((2, 4, 5, 180))
WSCALE_7 = bytes((1, 3, 3, 7))
SACK_OK = bytes((1, 1, 4, 2))


def clock(value: int, echo: int = 0) -> bytes:
    """The timestamp option."""
    return bytes((1, 1, 8, 10)) + struct.pack("!II", value, echo)


def sack(left: int, right: int, way: Direction = "c2s") -> bytes:
    """A SACK block for bytes of that way."""
    return bytes((1, 1, 5, 10)) + struct.pack("!II", (ISN[way] + left) % 2**32, (ISN[way] + right) % 2**32)


def segment(
    at: Tap,
    flags: str,
    seq: int = 0,
    ack: int = 0,
    data: bytes = b"",
    *,
    window: int = 500,
    options: bytes = b"",
    broken: bool = False,
) -> bytes:
    """An IPv4 packet with ``flags`` such as "P.", its checksum right unless `broken`. Numbers count from the SYN: the first byte is 1."""
    way = FLOW[at]
    bits = sum(_LETTERS[letter] for letter in flags)
    ours, theirs = ISN[way], ISN["s2c" if way == "c2s" else "c2s"]
    told = (theirs + ack) % 2**32 if bits & shape.ACK else 0
    offset = (20 + len(options)) // 4 << 4

    def tcp(total: int) -> bytes:
        return struct.pack("!HHIIBBHHH", *_PORTS[way], (ours + seq) % 2**32, told, offset, bits, window, total, 0) + options + data

    size = 20 + len(options) + len(data)
    right = checksum(_LOOPBACK * 2 + struct.pack("!HH", 6, size) + tcp(0))

    def ip(total: int) -> bytes:
        return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + size, 0, 0x4000, 64, 6, total, _LOOPBACK, _LOOPBACK)

    return ip(checksum(ip(0))) + tcp(right ^ 0x5555 if broken else right)


def met(at: Tap, flags: str, seq: int = 0, ack: int = 0, data: bytes = b"", **keys: Any) -> Packet:
    """The same as somebody met it who waits for no verdict."""
    return Packet(segment(at, flags, seq, ack, data, **keys), outbound=at.startswith("to_"))


class PacketPlaybook:
    """The packet faults of one connection. They start at 0 unless `idle`. `log` has everything that was decided, with its time."""

    def __init__(self, *plans: FaultPlan, seed: int = 1, idle: bool = False) -> None:
        packet_plans = [(plan.name, plan.packet) for plan in plans if plan.packet is not None]
        chances: dict[tuple[str, str], Chance] = {(tap, name): stream(seed, tap, name) for name, plan in packet_plans for tap in plan.taps}
        self.packets = Packets(packet_plans, chances, self._note)
        self.log: list[tuple[float, Action]] = []
        self.refs = 0
        self._now = 0.0
        for plan in () if idle else plans:
            self.packets.start(plan.name, 0.0)

    def until(self, time: float) -> PacketPlaybook:
        """Lets the time pass up to then, with every timer on the way."""
        while (deadline := self.packets.deadline()) is not None and deadline <= time:
            self._now = max(self._now, deadline)
            self.packets.due(self._now)
        self._now = time
        return self

    def push(self, time: float, at: Tap, *what: Any, **keys: Any) -> PacketPlaybook:
        """A segment (see `segment`) is met; its verdicts name it by its number, counted from 1."""
        self.until(time)
        self.refs += 1
        packet = Packet(segment(at, *what, **keys), ref=self.refs, outbound=at.startswith("to_"))
        self.packets.push(at, packet, self.packets.scan(at, packet), time)
        return self

    def start(self, time: float, name: str) -> PacketPlaybook:
        """That fault begins."""
        self.until(time)
        self.packets.start(name, time)
        return self

    def heal(self, time: float, name: str) -> PacketPlaybook:
        """That fault ends."""
        self.until(time)
        self.packets.heal(name, time)
        return self

    @property
    def done(self) -> list[tuple[float, Action]]:
        """What is to be carried out."""
        return [(time, action) for time, action in self.log if not isinstance(action, Fired)]

    @property
    def fired(self) -> list[tuple[float, str]]:
        """What is said."""
        return [(time, action.what) for time, action in self.log if isinstance(action, Fired)]

    def verdicts(self) -> dict[int, list[Action]]:
        """Every verdict, by the segment's number."""
        found: dict[int, list[Action]] = {ref: [] for ref in range(1, self.refs + 1)}
        for _, action in self.log:
            if isinstance(action, Pass | Change | Lose):
                found[action.ref].append(action)
        return found

    def left(self, at: Tap) -> list[tuple[float, bytes | int]]:
        """What has left the tap: the number of a segment that passed as it was, or else the bytes."""
        found: list[tuple[float, bytes | int]] = []
        for time, action in self.log:
            match action:
                case Pass(tap, ref) if tap == at:
                    found.append((time, ref))
                case Change(tap=tap, data=data) | Inject(tap=tap, data=data) if tap == at:
                    found.append((time, data))
        return found

    def _note(self, action: Action) -> None:
        self.log.append((self._now, action))


def play(kind: str, arrivals: Sequence[tuple[Any, ...]], /, *, heal: float | None = None, **keys: Any) -> PacketPlaybook:
    """One fault that is there from the start, and segments with their times; then all the time in the world, or a heal."""
    book = PacketPlaybook(fault(kind, **keys))
    for time, *what in arrivals:
        book.push(time, *what)
    return book.until(3600.0) if heal is None else book.heal(heal, keys.get("name", kind))
