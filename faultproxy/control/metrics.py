"""`/metrics`: what a scrape finds, in Prometheus' text format or as OpenMetrics, on a registry of its own.

Everything is read from the fleet when somebody asks, so that counting costs nothing in between. Labels are bounded: proxies beyond the
first `PROXIES` are summed up as `other`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import trio
from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from faultproxy import __version__
from faultproxy.control.fleet import Fleet
from faultproxy.control.post import Post
from faultproxy.errors import CapabilityError
from faultproxy.net import insight
from faultproxy.net.proxy import Snapshot

PROXIES = 100
"""Proxies with a label of their own."""
OTHER = "other"
LEGS = 500
"""Connections whose TCP_INFO is read in one go: 2 ms."""
SAMPLED = 5.0
"""Seconds for which what was read of the legs is good."""
BEAT = 0.1
"""Seconds between two looks at how late we are."""
Named = tuple[str, Post, Snapshot]
"""A proxy by its label, and how it stands."""
LATENESS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The registry, and the task that measures how late the event loop is."""

    def __init__(self, fleet: Fleet) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(FleetCollector(fleet))
        ProcessCollector(registry=self.registry)
        self._lag = Histogram(
            "faultproxy_loop_lag_seconds",
            "How late the event loop wakes who wants to be woken: the time for which everybody waits for somebody's turn",
            buckets=LATENESS,
            registry=self.registry,
        )

    async def beat(self) -> None:
        """Measures until cancelled."""
        while True:
            due = trio.current_time() + BEAT
            await trio.sleep_until(due)
            self._lag.observe(max(0.0, trio.current_time() - due))

    async def answer(self, request: Request) -> Response:
        """Starlette's endpoint: OpenMetrics 1.0 to who asks for it, else Prometheus' text format 0.0.4."""
        if "application/openmetrics-text" in request.headers.get("accept", ""):
            text: bytes = openmetrics.generate_latest(self.registry)  # type: ignore[no-untyped-call]
            return Response(text, headers={"content-type": openmetrics.CONTENT_TYPE_LATEST})
        return Response(generate_latest(self.registry), headers={"content-type": CONTENT_TYPE_PLAIN_0_0_4})


class FleetCollector(Collector):
    """Reads a fleet. Nothing is kept but the last look at the legs, which costs a system call each."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._resent: Counter[str] = Counter()
        self._looked = -math.inf

    def collect(self) -> Iterator[Metric]:
        """Every family, each once."""
        named = list(self._named())
        yield InfoMetricFamily("faultproxy", "The program", value={"version": __version__, "seed": str(self._fleet.seed)})
        yield _gauge("faultproxy_proxies", "Proxies, enabled or not", (), {(): len(self._fleet.posts)})
        yield from self._of_connections(named)
        yield from self._of_faults(named)
        yield from self._of_segments(named)
        yield from self._as_toxiproxy(named)

    def _named(self) -> Iterator[Named]:
        for number, (name, post) in enumerate(self._fleet.posts.items()):
            yield (name if number < PROXIES else OTHER), post, post.snapshot()

    def _of_connections(self, named: Iterable[Named]) -> Iterator[Metric]:
        opened, opening, failed, held = (Counter[tuple[str, ...]]() for _ in range(4))
        carried = Counter[tuple[str, ...]]()
        for label, _, now in named:
            opened[(label,)] += now.opened
            opening[(label,)] += now.open
            failed[(label,)] += now.failed
            held[(label,)] += now.held
            carried[label, "c2s"] += now.c2s
            carried[label, "s2c"] += now.s2c
        yield _counter("faultproxy_connections_opened", "Connections that clients have opened", ("proxy",), opened)
        yield _gauge("faultproxy_connections_open", "Connections that are open now", ("proxy",), opening)
        yield _counter("faultproxy_connections_failed", "Connections for which the upstream could not be dialled", ("proxy",), failed)
        yield _counter("faultproxy_bytes", "Bytes read: c2s from clients, s2c from servers", ("proxy", "direction"), carried)
        yield _gauge("faultproxy_held_bytes", "Bytes that faults hold now", ("proxy",), held)

    def _of_faults(self, named: Iterable[Named]) -> Iterator[Metric]:
        active, starts, fired = (Counter[tuple[str, ...]]() for _ in range(3))
        for label, post, _ in named:
            for stats in post.stats:
                key = (label, stats.kind)
                active[key] += stats.where
                starts[key] += stats.starts
                fired[key] += stats.fired
        of = ("proxy", "kind")
        yield _gauge("faultproxy_faults_active", "Places (connections, listeners) in which faults of a kind are active now", of, active)
        yield _counter("faultproxy_faults_started", "How often faults of a kind have started", of, starts)
        yield _counter("faultproxy_faults_fired", "How often faults of a kind have acted", of, fired)

    def _of_segments(self, named: Iterable[Named]) -> Iterator[Metric]:
        waiting, overflow = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
        for label, post, _ in named:
            if post.proxy is not None:
                queue = insight.queue(post.proxy)
                waiting[(label,)] += queue.waiting
                overflow[(label,)] += queue.overflow
        resent: dict[tuple[str, ...], int] = {(label,): count for label, count in self._retransmits(named).items()}
        yield _gauge("faultproxy_retransmits", "Segments resent so far on the legs that are open now; at most 5 s old", ("proxy",), resent)
        yield _gauge("faultproxy_packet_queue_depth", "Segments that wait for a verdict", ("proxy",), waiting)
        yield _counter("faultproxy_packet_queue_overflow", "Segments that went past all faults, or were lost", ("proxy",), overflow)

    def _retransmits(self, named: Iterable[Named]) -> Counter[str]:
        now = trio.current_time()
        if now - self._looked >= SAMPLED:
            self._resent, self._looked, most = Counter(), now, LEGS
            for label, post, snapshot in named:
                self._resent[label] += 0
                if post.proxy is not None and most > 0:
                    try:
                        self._resent[label] += insight.retransmits(post.proxy, most)
                    except CapabilityError:
                        break  # no Linux: nobody knows
                    most -= snapshot.open
        return self._resent

    def _as_toxiproxy(self, named: Iterable[Named]) -> Iterator[Metric]:
        # Its `upstream` is the direction to the server.
        labels = ("direction", "listener", "proxy", "upstream")
        received, sent = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
        for label, post, now in named:
            listener, upstream = (post.listen, post.upstream) if label != OTHER else (OTHER, OTHER)
            for direction, count in (("upstream", now.c2s), ("downstream", now.s2c)):
                received[direction, listener, label, upstream] += count
                sent[direction, listener, label, upstream] += count
        yield _counter("toxiproxy_proxy_received_bytes", "Bytes read, under the name that Toxiproxy has for it", labels, received)
        yield _counter("toxiproxy_proxy_sent_bytes", "The same, whatever has become of them since", labels, sent)


def _gauge(name: str, what: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], int]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _counter(name: str, what: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], int]) -> Metric:
    family = CounterMetricFamily(name, what, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family
