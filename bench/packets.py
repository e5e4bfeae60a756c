"""What the packet plane costs, and how exactly it delays: cases of their own, with rivals of their own.

`relay` is faultproxy without a fault, and what the others are compared with. `idle` has a fault at all four taps that waits to be started
by hand: every segment goes through the queue, and none is decided about. `one` and `ten` have as many faults that are active, look at
every segment, and let it pass: they spare the first thousand million.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bench import process
from bench.cases import SUBJECT, Case, Metric, Sample, Target, Visit
from bench.load.common import HOST
from bench.process import BenchError, python
from bench.rivals import Direct, Fault, Faultproxy, Rival, Running, no_packets

_TAPS = 'direction=["from_client","to_client","from_server","to_server"]'
_SPARES = "skip=1000000000"
_TEN = (
    *("drop", "drop segments=data", "drop segments=ack", "drop flags=ACK,!SYN", "drop length={min=1}"),
    *("delay delay=1s", "duplicate", "flags set=PSH", "window size=1KiB", "corrupt bits=1"),
)
_DELAY = 0.05


@dataclass(frozen=True, slots=True)
class Counted:
    """Somebody whose queued packets are counted, which only the real root may do."""

    rival: Rival

    @property
    def name(self) -> str:
        return self.rival.name

    def missing(self, fault: Fault | None) -> str | None:
        if not os.access(process.QUEUES, os.R_OK):
            return f"packets are counted in {process.QUEUES}, which only the real root may read"
        return self.rival.missing(fault)

    @contextmanager
    def run(self, upstream: int, fault: Fault | None, folder: Path) -> Iterator[Running]:
        with self.rival.run(upstream, fault, folder) as running:
            yield running


@dataclass(frozen=True, slots=True)
class OnPort:
    """A program that stands in nobody's way, and drops each RST among the segments of a port; it has begun when it has said `ready`."""

    name: str
    command: tuple[str, ...]
    ready: str

    def missing(self, fault: Fault | None) -> str | None:
        return no_packets() or ("scapy is not installed" if self.name == "scapy" and find_spec("scapy") is None else None)

    @contextmanager
    def run(self, upstream: int, fault: Fault | None, folder: Path) -> Iterator[Running]:
        log = folder / f"{self.name}.log"
        command = python(*(word.replace("PORT", str(upstream)) for word in self.command))
        with process.server(command, upstream, log) as pid:
            deadline = time.monotonic() + process.READY_WITHIN
            while self.ready not in (said := log.read_text(encoding="utf-8", errors="replace")):
                if time.monotonic() > deadline:
                    raise BenchError(f"{self.name} has not begun after {process.READY_WITHIN:.0f} s: {said[-200:].strip() or 'no word'}")
                time.sleep(0.02)
            yield Running(upstream, pid)


def _plane(command: str) -> Sequence[Rival]:
    ten = tuple(f"{words} name=rule-{number} {_TAPS} {_SPARES}" for number, words in enumerate(_TEN, 1))
    return (
        Direct(),
        Faultproxy(command, "relay"),
        Faultproxy(command, "idle", (f"drop {_TAPS} manual=true",)),
        Faultproxy(command, "one", (f"drop {_TAPS} {_SPARES}",)),
        Faultproxy(command, "ten", ten),
    )


def _counted(command: str) -> Sequence[Rival]:
    return tuple(rival if isinstance(rival, Direct) else Counted(rival) for rival in _plane(command))


def _delaying(command: str) -> Sequence[Rival]:
    words = f"delay delay={_DELAY * 1e3:g}ms direction="
    return (Direct(), *(Faultproxy(command, tap, (words + tap,)) for tap in ("to_client", "from_client")))


def _unchosen(command: str) -> Sequence[Rival]:
    return (Counted(Faultproxy(command, segments=(f"drop {_TAPS} connections={{{_SPARES.replace('=', ' = ')}}}",))),)


def _droppers(command: str) -> Sequence[Rival]:
    intercepts = ("faultproxy", "run", "--intercept", f"{HOST}:PORT", "--fault", "drop segments=rst direction=both")
    return (
        Counted(OnPort("scapy", ("bench.load.scapy_queue", "PORT"), "ready")),
        Counted(OnPort(SUBJECT, intercepts, "intercepting")),
    )


def _trips(visit: Visit) -> Sample:
    """`each`: all that the process took, for each packet; `cpu` and `packets` are for a round trip."""
    pid = visit.rival.pid
    if pid is None:
        return visit.load("pingpong", 64, visit.seconds) | {"each": 0.0, "packets": 0.0, "extra": 0.0}
    used, count = process.cpu_time(pid), process.queued(pid)
    found = visit.load("pingpong", 64, visit.seconds)
    used, count = process.cpu_time(pid) - used, process.queued(pid) - count
    cpu, packets = used / found["trips"] * 1e6, count / found["trips"]
    return found | {"cpu": cpu, "packets": packets, "each": cpu / packets if packets else 0.0, "extra": 0.0}


def _extra(found: dict[str, Sample]) -> None:
    """What a round trip costs beyond the plain relay, for each of its packets."""
    relay = found.get("relay")
    for sample in found.values() if relay is not None else ():
        if relay is not None and sample["packets"]:
            sample["extra"] = (sample["cpu"] - relay["cpu"]) / sample["packets"]


def _late(visit: Visit) -> Sample:
    """The round trip's error; the delay is met once on the way. Nothing may come early."""
    found = visit.load("paced", 100, 20, visit.seconds)
    wanted = 0.0 if visit.rival.pid is None else _DELAY * 1e3
    return found | {"p50": found["p50"] - wanted, "p99": found["p99"] - wanted, "early": max(0.0, wanted - found["least"])}


def _met(visit: Visit) -> Sample:
    """Packets that come to the queue, of a connection that no fault chose."""
    pid = visit.rival.pid
    assert pid is not None
    before = process.queued(pid)
    found = visit.load("pingpong", 64, visit.seconds)
    return {"queued": process.queued(pid) - before, "messages": found["trips"]}


def _pace(visit: Visit) -> Sample:
    pid = visit.rival.pid
    assert pid is not None
    used, before = process.cpu_time(pid), process.queued(pid)
    found = visit.load("many", 64, 64, visit.seconds)
    count = process.queued(pid) - before
    if not count:
        raise BenchError("no packet has come to its queue")
    return {"rate": found["rate"] * count / found["trips"], "cpu": (process.cpu_time(pid) - used) / count * 1e6}


CASES: tuple[Case, ...] = (
    Case(
        name="packets-trip",
        title="Round trip of 64 bytes through the packet queue, one connection, each segment by itself",
        upstream="echo",
        seconds=1.5,
        metrics=(
            *(Metric("p50", "us"), Metric("p99", "us"), Metric("packets", "/trip", "queued")),
            *(Metric("each", "us", "CPU of a packet, all in"), Metric("extra", "us", "CPU of a packet beyond the relay")),
        ),
        run=_trips,
        targets=(
            Target("extra", at_most=25.0, of="idle"),
            Target("extra", at_most=35.0, of="ten"),
            Target("p50", at_most=2.2, to="relay", of="idle"),
            Target("p50", at_most=2.2, to="relay", of="one"),
        ),
        apart=True,
        rivals=_counted,
        compare=_extra,
    ),
    Case(
        name="packets-bulk",
        title="Bulk c2s through the packet queue, one connection",
        upstream="bulk",
        seconds=1.0,
        metrics=(Metric("rate", "MB/s"),),
        run=lambda visit: visit.load("bulk", "c2s", 1, visit.seconds),
        targets=(Target("rate", at_least=0.45, to="relay", of="idle"),),
        rivals=_plane,
    ),
    Case(
        name="packets-script",
        title="Segments on which is decided whether they are a RST, 64 connections",
        upstream="echo",
        seconds=1.5,
        metrics=(Metric("rate", "packets/s"), Metric("cpu", "us", "CPU of a packet, all in")),
        run=_pace,
        targets=(Target("rate", at_least=10.0, to="scapy"),),
        rivals=_droppers,
    ),
    Case(
        name="packets-delay",
        title="Error of 50 ms delay of segments, 100 connections, 2000 messages/s",
        upstream="echo",
        seconds=2.0,
        metrics=(Metric("p50", "ms", "p50 error"), Metric("p99", "ms", "p99 error"), Metric("early", "ms"), Metric("rate", "msg/s")),
        run=_late,
        targets=(Target("p99", at_most=2.0, of="to_client"), Target("p99", at_most=2.0, of="from_client")),
        rounds=3,
        rivals=_delaying,
    ),
    Case(
        name="packets-unchosen",
        title="Packets that come to the queue of a connection that no fault chose",
        upstream="echo",
        seconds=0.5,
        metrics=(Metric("queued", "packets"), Metric("messages", "")),
        run=_met,
        targets=(Target("queued", at_most=1.0),),
        rounds=2,
        rivals=_unchosen,
    ),
)
