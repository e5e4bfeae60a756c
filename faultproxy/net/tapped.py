"""Connections whose segments are in our hand: which flow belongs to whom, from the first SYN to the last ACK."""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from faultproxy.core.actions import Action
from faultproxy.core.connection import Connection
from faultproxy.core.events import Standing, Tap
from faultproxy.core.header import Packet
from faultproxy.core.limits import CONNECTIONS, EMBRYOS, LASTING
from faultproxy.kernel.nfqueue import INPUT, OUTPUT
from faultproxy.net.switchboard import Alarm

Key = tuple[int, bytes]
"""A netfilter hook; then source and destination address, source and destination port, as they stand in the packet. Ports alone would not
do: two clients on two addresses may have the same one."""

PORTS = struct.Struct("!HH")

_MOST = CONNECTIONS + EMBRYOS + LASTING
"""A proxy has no more. Of connections that are intercepted nobody closes a socket here: where both ends have given up without a word, as
after `vanish`, they would add up. The oldest is forgotten."""


def ends(packet: Packet) -> bytes:
    """The addresses and ports of a packet, as in a Key."""
    raw, at = packet.raw, packet.tcp_at
    return (raw[12:20] if raw[0] >> 4 == 4 else raw[8:40]) + raw[at : at + 4]


def back(ends: bytes) -> bytes:
    """Those of what comes back."""
    size = len(ends) // 2 - 2
    return ends[size:-4] + ends[:size] + ends[-2:] + ends[-4:-2]


def reverse(key: Key) -> Key:
    """The other way of the same connection, met at the other hook."""
    hook, there = key
    return (INPUT if hook == OUTPUT else OUTPUT), back(there)


def reaches(packet: Packet, address: str, port: int) -> bool:
    """Whether it goes to who listens at that address and port; ``"::"`` is all of this machine's addresses, ``"0.0.0.0"`` all of IPv4."""
    if packet.dport != port:
        return False
    there = packet.destination
    return address == "::" or (":" not in there if address == "0.0.0.0" else there == plain(address))


def told(data: bytes) -> int:
    """The length of a packet as its header tells it, of which we have a copy of the beginning."""
    return (data[2] << 8 | data[3]) if data[0] >> 4 == 4 else 40 + (data[4] << 8 | data[5])


def plain(address: str) -> str:
    """A listener for both families names IPv4 clients as ``::ffff:10.0.0.1``; a link-local address comes with its zone."""
    return address.partition("%")[0].removeprefix("::ffff:") if ":" in address else address


class Flow:
    """One way of one TCP connection, met at `tap`."""

    __slots__ = ("idle", "key", "tap", "tapped", "unseen")

    def __init__(self, tapped: Tapped, tap: Tap, key: Key) -> None:
        self.tapped = tapped
        self.tap = tap
        self.key = key
        self.idle = False
        """No fault acts there now: a segment that neither opens nor closes the connection may pass unasked."""
        self.unseen: bytes | None = None
        """The latest that did."""

    def begins_with(self, syn: Packet) -> bool:
        """Whether it is the SYN of that connection, and not of one that has come after it with the same ports."""
        packets = self.tapped.core.packets
        return packets is None or packets.begun(self.tap) in (None, syn.seq)


class Tapped:
    """A connection whose segments are watched."""

    __slots__ = ("alarm", "core", "epoch", "flows", "name", "ordinal", "patient", "stands", "waiting", "wants")

    def __init__(self, core: Connection, ordinal: int, name: str) -> None:
        self.core = core
        self.ordinal = ordinal
        self.name = name
        self.alarm: Alarm
        """Rings when the core wants to be asked again."""
        self.flows: list[Flow] = []
        self.stands: list[Standing] = []
        """What the core is to be told before anything else."""
        self.epoch = -1
        self.patient = False
        """Whether our own sockets go on without an answer (`sockets.endure`)."""
        self.wants = (False, False)
        """Whether its faults want segments copied whole, and one by one."""
        self.waiting: list[Action] | None = []
        """What is to be done to sockets as soon as there are any; None: there are."""

    @property
    def gone(self) -> bool:
        """Whether nobody has anything to do with it any more."""
        return self.core.over and not self.core.lasting


def taps_of(tapped: Tapped, key: Key, *, met_here: bool) -> tuple[tuple[Tap, Key], ...]:
    """Where the segments of a client's connection are met whose SYN was met by that key; `met_here`: as it came in by the loopback."""
    if tapped.core.packets is None or not tapped.core.packets.intercepted:
        return ("from_client", key), ("to_client", reverse(key))
    # Both ends on this machine: each segment is met once, where it comes in. Otherwise the far end's come in and ours go out.
    hook = INPUT if met_here or key[0] == OUTPUT else OUTPUT
    return ("c2s", key), ("s2c", (hook, back(key[1])))


@dataclass(slots=True)
class Register:
    """All connections that are tapped. `untap` is told which flows nobody wants to see any more."""

    untap: Callable[[Sequence[Key]], None]
    forget: Callable[[Tapped], None]
    """Told of one that had to give way to others."""
    flows: dict[Key, Flow] = field(default_factory=dict)
    by_core: dict[int, Tapped] = field(default_factory=dict)
    embryos: OrderedDict[tuple[str, int], Tapped | int] = field(default_factory=OrderedDict)
    """Connections of which a SYN was seen, by the client's address and port: tapped, or the number that it got where no fault chose it."""
    lasting: OrderedDict[int, Tapped] = field(default_factory=OrderedDict)
    passed_by: OrderedDict[tuple[str, int], int] = field(default_factory=OrderedDict)
    """With `intercept`, of the connections that no fault chose: the numbers of their SYNs, by the client's address and port."""

    def pass_by(self, address: str, port: int, number: int) -> None:
        """A SYN has been seen, and nobody has to do with what follows."""
        self.passed_by.pop((address, port), None)
        self.passed_by[address, port] = number
        if len(self.passed_by) > EMBRYOS:
            self.passed_by.popitem(last=False)

    def expect(self, address: str, port: int, what: Tapped | int) -> None:
        """A SYN has been seen: it is to be accepted soon."""
        self.embryos.pop((address, port), None)
        self.embryos[address, port] = what
        if len(self.embryos) > EMBRYOS:
            _, oldest = self.embryos.popitem(last=False)
            if isinstance(oldest, Tapped):
                self.forget(oldest)

    def add(self, tapped: Tapped) -> None:
        """From now on it is known."""
        self.by_core[id(tapped.core)] = tapped
        if len(self.by_core) > _MOST:
            self.forget(next(iter(self.by_core.values())))

    def watch(self, tapped: Tapped, tap: Tap, key: Key) -> None:
        """A flow of it is met at `tap`. An older connection with the same ports gives way."""
        old = self.flows.get(key)
        if old is not None and old.tapped is not tapped:
            old.tapped.flows.remove(old)
        flow = Flow(tapped, tap, key)
        self.flows[key] = flow
        tapped.flows.append(flow)

    def unwatch(self, flow: Flow) -> Key:
        """A flow is not met any more; its key, of which the rules are to be told."""
        flow.tapped.flows.remove(flow)
        if self.flows.get(flow.key) is flow:
            del self.flows[flow.key]
        return flow.key

    def outlast(self, tapped: Tapped) -> None:
        """Its sockets are closed, its segments still matter."""
        self.lasting[id(tapped)] = tapped
        if len(self.lasting) > LASTING:
            self.forget(self.lasting.popitem(last=False)[1])

    def remove(self, tapped: Tapped) -> None:
        """It is gone."""
        tapped.alarm.off()
        keys = [flow.key for flow in tapped.flows if self.flows.get(flow.key) is flow]
        for key in keys:
            del self.flows[key]
        tapped.flows.clear()
        self.untap(keys)
        self.by_core.pop(id(tapped.core), None)
        self.lasting.pop(id(tapped), None)
