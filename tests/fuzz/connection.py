"""A connection on which packet faults of every kind act while bent packets go by."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from faultproxy.core.actions import Action, Change, Fired, Inject, Lose, Pass
from faultproxy.core.events import Tap
from faultproxy.core.header import Malformed, Packet
from faultproxy.core.packets import Packets
from faultproxy.core.reassembly import Reassembly
from faultproxy.core.rng import Chance
from faultproxy.faults.tables import fault

_PROXIED: tuple[Tap, ...] = ("from_client", "to_client", "from_server", "to_server")
_INTERCEPTED: tuple[Tap, ...] = ("c2s", "s2c")
_SENT: tuple[Tap, ...] = ("to_client", "to_server")

_TABLES: tuple[dict[str, Any], ...] = (
    {"kind": "drop", "segments": "data", "share": 0.2},
    {"kind": "drop", "segments": "ack", "rewind": True},
    {"kind": "drop", "burst": {"enter": 0.1, "leave": 0.3}},
    {"kind": "drop", "payload": "Host:", "take": 3},
    {"kind": "delay", "delay": "5ms", "jitter": "4ms", "distribution": "pareto"},
    {"kind": "delay", "segments": ["fin", "retransmission"], "delay": "1s"},
    {"kind": "duplicate", "share": 0.3, "copies": 2},
    {"kind": "duplicate", "segments": "data", "delay": "20ms"},
    {"kind": "reorder", "share": 0.3, "gap": 3},
    {"kind": "corrupt", "checksum": "broken", "share": 0.3},
    {"kind": "corrupt", "checksum": "fixed", "bits": 5},
    {"kind": "window", "size": "0B"},
    {"kind": "window", "size": "1000B"},
    {"kind": "strip", "options": ["sack", "timestamps", "wscale"]},
    {"kind": "strip", "mss": 536},
    {"kind": "flags", "clear": "PSH", "set": "URG"},
    {"kind": "timestamps", "shift": -100000, "echo_shift": 7},
    {"kind": "mtu", "size": "576B"},
    {"kind": "vanish"},
)
_FORGED = tuple({"kind": "forge", "send": what, "sequence": how} for what in ("RST", "FIN", "ACK", "SYN") for how in ("exact", "blind"))


class Connection:
    """A connection, proxied or intercepted, with a handful of faults that start and heal as chance has it."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._now = 0.0
        self._verdicts: Counter[int] = Counter()
        self._given = 0
        self._expected: dict[int, Tap] = {}
        self._taps = random.choice((_PROXIED, _PROXIED, _INTERCEPTED))
        self._read = {tap: Reassembly() for tap in self._taps}
        plans = []
        for number, table in enumerate(random.choices((*_TABLES, *_FORGED), k=5)):
            named = fault(table | {"name": f"{table['kind']}-{number}", "direction": self._direction(table["kind"])})
            plan = named.plan().packet
            assert plan is not None
            plans.append((named.name, plan))
        self.names = tuple(name for name, _ in plans)
        chances: dict[tuple[str, str], Chance] = {(tap, name): random.random for tap in self._taps for name in self.names}
        self._packets = Packets(plans, chances, self._carry_out)
        for name in self.names:
            self._packets.start(name, self._now)

    def push(self, packet: Packet) -> None:
        """The packet is met somewhere; time goes on; faults come and go."""
        random, packets = self._random, self._packets
        tap = random.choice(self._taps)
        self._read[tap].feed(packet)
        if random.random() < 0.9:
            packet.ref = len(self._expected) + 1
            self._expected[packet.ref] = tap
        ref, packet.outbound = packet.ref, tap in _SENT or tap == "c2s"  # intercepted, where the client runs
        packets.push(tap, packet, packets.scan(tap, packet), self._now)
        assert ref is None or not packet.outbound or self._verdicts[ref] == 1, "a segment on its way out waits"
        assert len(self._expected) - self._given == packets.held
        self._now += random.random() * 0.01
        deadline = packets.deadline()
        if deadline is not None and deadline <= self._now:
            packets.due(self._now)
        if random.random() < 0.01:
            name = random.choice(self.names)
            packets.heal(name, self._now)
            if random.random() < 0.8:
                packets.start(name, self._now)

    def end(self) -> None:
        """Everything heals. Raises AssertionError if not every segment has had one verdict by now."""
        for name in self.names:
            self._packets.heal(name, self._now)
        assert (self._packets.held, self._packets.deadline()) == (0, None)
        assert self._verdicts == Counter(dict.fromkeys(self._expected, 1))

    def _direction(self, kind: str) -> str | list[Tap]:
        if self._taps == _INTERCEPTED:
            return self._random.choice(("c2s", "s2c", "both"))
        taps = _SENT if kind == "forge" else _PROXIED
        return self._random.sample(taps, self._random.randint(1, len(taps)))

    def _carry_out(self, action: Action) -> None:
        match action:
            case Pass(tap, ref) | Change(tap, ref) | Lose(tap, ref):
                self._verdicts[ref] += 1
                self._given += 1
                assert self._expected[ref] == tap
            case Inject(tap):
                assert tap in self._taps
            case Fired(name):
                assert name in self.names
            case _:
                raise AssertionError(f"a packet fault cannot ask for {action}")
        if isinstance(action, Change | Inject):
            try:
                Packet(action.data)
            except Malformed as exc:
                raise AssertionError(f"{action.data.hex()} would be sent: {exc}") from exc
