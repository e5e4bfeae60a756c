"""What is measured: each case is a load, what it finds, and what faultproxy is to reach."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench import process
from bench.process import BenchError, program, python
from bench.rivals import Fault, Rival, Running

Upstream = Literal["echo", "bulk", "nginx"]
SUBJECT = "faultproxy"
"""Whom the targets are for, where they do not say."""

Sample = dict[str, float]
"""What one turn found, by the metric's name."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One turn of one rival. `fault` is None for those who were asked for none, the direct way among them."""

    rival: Running
    fault: Fault | None
    seconds: float
    folder: Path
    core: int | None = None
    """Where the client is to run; None leaves it to the scheduler."""

    def load(self, module: str, *arguments: object, spare: float = 15.0) -> Sample:
        """Run a client of `bench.load` against the rival and return what it reports; it may take `spare` seconds more than it measures."""
        command = python(f"bench.load.{module}", self.rival.port, *arguments)
        found: Sample = json.loads(process.output(command, self.seconds + spare, self.folder / "load.log", self.core))
        return found


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that a case finds, and how it is shown."""

    name: str
    unit: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What faultproxy is to reach: in the metric's own unit, or as a ratio to a rival measured in the same round."""

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    to: str | None = None
    of: str = SUBJECT
    """Who is to reach it."""


@dataclass(frozen=True, slots=True)
class Case:
    """`seconds` is how long each turn measures; `rounds` bounds how many there are, where one more would tell nothing new."""

    name: str
    title: str
    upstream: Upstream
    seconds: float
    metrics: tuple[Metric, ...]
    run: Callable[[Visit], Sample]
    targets: tuple[Target, ...] = ()
    fault: Fault | None = None
    rounds: int = 99
    fresh: bool = False
    """Start everybody anew for each turn, because what is measured does not come back."""
    apart: bool = False
    """Keep client and server on two cores, and leave only the rival to the scheduler.

    Where one waits for the other, a wake-up on another core costs more than the work; left alone, the scheduler puts them together in
    one turn and apart in the next, and the numbers jump by a factor of four.
    """
    without: tuple[str, ...] = ()
    """Rivals for whom the question has no meaning."""
    rivals: Callable[[str], Sequence[Rival]] | None = None
    """Who is measured in place of everybody, given the command that starts faultproxy."""
    compare: Callable[[dict[str, Sample]], None] | None = None
    """Adds to the samples of a round, by rival, what only all of them together tell."""


def _round_trip(size: int) -> Case:
    return Case(
        name=f"rtt-{size}",
        title=f"Round trip of {size} bytes, one connection",
        upstream="echo",
        seconds=0.8,
        metrics=(Metric("p50", "us"), Metric("p99", "us")),
        run=lambda visit: visit.load("pingpong", size, visit.seconds),
        targets=(Target("p50", at_most=1.35, to="socat"),),
        apart=True,
    )


def _http(connections: int, whole_seconds: int, *targets: Target) -> Case:
    def run(visit: Visit) -> Sample:
        seconds = max(1, round(visit.seconds))
        command = [program("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", f"http://127.0.0.1:{visit.rival.port}/"]
        said = process.output(command, seconds + 15, visit.folder / "load.log")
        rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
        if rate is None or "Non-2xx" in said:
            raise BenchError(f"wrk found no clean rate: {said.strip().splitlines()[-1]}")
        return {"rate": float(rate[1])}

    return Case(
        name=f"http-{connections}",
        title=f"HTTP requests over {connections} keep-alive connections (wrk, nginx with one worker)",
        upstream="nginx",
        seconds=whole_seconds,  # wrk takes no others
        metrics=(Metric("rate", "/s"),),
        run=run,
        targets=targets,
    )


def _bulk(direction: str, connections: int) -> Case:
    return Case(
        name=f"bulk-{direction}-{connections}",
        title=f"Bulk {direction}, {connections} connection{'s' if connections > 1 else ''}",
        upstream="bulk",
        seconds=0.6,
        metrics=(Metric("rate", "MB/s"),),
        run=lambda visit: visit.load("bulk", direction, connections, visit.seconds),
        targets=(Target("rate", at_least=0.9, to="socat"),),
    )


_IDLE = 2000


def _memory(visit: Visit) -> Sample:
    pid = visit.rival.pid
    if pid is None:
        raise BenchError("there is no process to look at")
    visit.load("idle", 64)  # what is loaded or set up once is not the connections'
    before = process.resident(pid)
    with process.holder(python("bench.load.idle", visit.rival.port, _IDLE), 60, visit.folder / "load.log"):
        return {"each": (_settled(pid) - before) / _IDLE / 1024}


def _settled(pid: int) -> int:
    """The memory once it has not grown for a while."""
    size, since = process.resident(pid), time.monotonic()
    deadline = since + 3
    while (now := time.monotonic()) < min(since + 0.3, deadline):
        time.sleep(0.05)
        if (grown := process.resident(pid)) > size:
            size, since = grown, now
    return size


def _delay(connections: int, rate: float) -> Callable[[Visit], Sample]:
    """The round trip's error against what the fault asks for. Nothing may come early, so an early answer is told apart."""

    def run(visit: Visit) -> Sample:
        watched = () if visit.rival.pid is None else (visit.rival.pid,)
        found = visit.load("paced", connections, rate, visit.seconds, *watched)
        least, middle, high = _expected(visit.fault)
        return {
            "p50": found["p50"] - middle,
            "p99": found["p99"] - high,
            "early": max(0.0, least - found["least"]),
            "rate": found["rate"],
            "cpu": found["cpu"],
        }

    return run


def _expected(fault: Fault | None) -> tuple[float, float, float]:
    """The least, the median and the 99th percentile that a round trip should have, in ms.

    A delay is uniform in `delay` ± `jitter` in each direction; the sum of two such has a triangular distribution, whose upper
    hundredth begins at its end less 2·jitter·√0.02.
    """
    if fault is None:
        return 0.0, 0.0, 0.0
    ways, delay, jitter = len(fault.directions), fault.delay * 1e3, fault.jitter * 1e3
    high = ways * (delay + jitter) - (2 * jitter * 0.02**0.5 if ways == 2 else 2 * jitter * 0.01)
    return ways * (delay - jitter), ways * delay, high


_METERED = 1e6


def _bandwidth(visit: Visit) -> Sample:
    return visit.load("meter", 100, _METERED, visit.seconds, 0 if visit.fault else _METERED)


_DELAY = (Metric("p50", "ms", "p50 error"), Metric("p99", "ms", "p99 error"), Metric("early", "ms"), Metric("rate", "msg/s"))

CASES: tuple[Case, ...] = (
    _round_trip(64),
    _round_trip(16384),
    _http(64, 2, Target("rate", at_least=1.6, to="socat")),
    _http(512, 1),
    _bulk("c2s", 1),
    _bulk("s2c", 1),
    _bulk("c2s", 8),
    _bulk("s2c", 8),
    Case(
        name="connect",
        title="Connect, one byte each way, close; one after the other",
        upstream="echo",
        seconds=0.8,
        metrics=(Metric("rate", "/s"),),
        run=lambda visit: visit.load("churn", visit.seconds),
        targets=(Target("rate", at_least=0.7, to="direct"),),
        apart=True,
    ),
    Case(
        name="memory",
        title=f"Memory for each of {_IDLE} idle connections",
        upstream="echo",
        seconds=1.0,
        metrics=(Metric("each", "KiB"),),
        run=_memory,
        targets=(Target("each", at_most=4.0),),
        rounds=2,
        fresh=True,
        without=("direct", "socat"),
    ),
    Case(
        name="latency",
        title="Error of 50 ms latency c2s, 100 connections, 1000 messages/s",
        upstream="echo",
        seconds=2.0,
        metrics=_DELAY,
        run=_delay(100, 10),
        targets=(Target("p99", at_most=2.0),),
        fault=Fault(("c2s",), delay=0.05),
        rounds=3,
    ),
    Case(
        name="bandwidth",
        title="Error of 1 MB/s bandwidth s2c on each of 100 connections",
        upstream="bulk",
        seconds=2.5,
        metrics=(Metric("p50", "%", "p50 error"), Metric("p99", "%", "p99 error"), Metric("rate", "MB/s")),
        run=_bandwidth,
        targets=(Target("p99", at_most=2.0),),
        fault=Fault(("s2c",), rate=_METERED),
        rounds=3,
    ),
    Case(
        name="crowd",
        title="1000 connections, 20 messages/s each way on each, 50 ms ± 10 ms latency both ways",
        upstream="echo",
        seconds=3.0,
        metrics=(*_DELAY, Metric("cpu", "% CPU")),
        run=_delay(1000, 20),
        fault=Fault(("c2s", "s2c"), delay=0.05, jitter=0.01),
        rounds=3,
    ),
)
