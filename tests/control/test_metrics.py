"""What a scrape finds, and that the dashboard asks for nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from faultproxy.control import metrics
from tests.control.harness import Daemon, ask, connect, daemon

pytestmark = pytest.mark.live
DASHBOARD = Path(__file__).parent.parent.parent / "deploy" / "grafana-dashboard.json"
LATE = {"kind": "latency", "delay": "1ms"}
OPEN = {"accept": "application/openmetrics-text; version=1.0.0"}


async def scrape(here: Daemon) -> dict[tuple[str, str], float]:
    """Each sample by its name and what its labels say of the proxy, the direction and the kind."""
    answer = await here.api.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found: dict[tuple[str, str], float] = {}
    for family in plain(answer.text):
        for sample in family.samples:
            labels = sample.labels
            found[sample.name, " ".join(labels[key] for key in ("proxy", "direction", "kind") if key in labels)] = sample.value
    return found


async def test_what_is_counted() -> None:
    async with daemon() as here:
        stream = await connect(await here.made("a", faults=[LATE]))
        await ask(stream)
        found = await scrape(here)
        assert found["faultproxy_connections_opened_total", "a"] == 1
        assert found["faultproxy_connections_open", "a"] == 1
        assert found["faultproxy_connections_failed_total", "a"] == 0
        assert found["faultproxy_bytes_total", "a c2s"] == 4
        assert found["faultproxy_faults_active", "a latency"] == 1
        assert found["faultproxy_faults_fired_total", "a latency"] >= 1
        assert found["faultproxy_retransmits", "a"] == 0
        assert found["faultproxy_packet_queue_depth", "a"] == 0
        assert found["toxiproxy_proxy_received_bytes_total", "a upstream"] == 4
        assert found["process_open_fds", ""] > 3
        assert ("faultproxy_loop_lag_seconds_count", "") in found
        await stream.aclose()


async def test_as_openmetrics_for_who_asks() -> None:
    async with daemon() as here:
        answer = await here.api.get("/metrics", headers=OPEN)
        assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        assert answer.text.endswith("# EOF\n")
        assert "faultproxy_connections_opened" in {family.name for family in openmetrics(answer.text)}  # type: ignore[no-untyped-call]


async def test_labels_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "PROXIES", 2)
    async with daemon() as here:
        for name in "abcd":
            stream = await connect(await here.made(name))
            await ask(stream)
            await stream.aclose()
        found = await scrape(here)
        opened = {labels: value for (name, labels), value in found.items() if name == "faultproxy_connections_opened_total"}
        assert opened == {"a": 1, "b": 1, "other": 2}


async def test_every_metric_of_the_dashboard_exists() -> None:
    text = DASHBOARD.read_text(encoding="utf-8")
    asked = {
        name
        for panel in json.loads(text)["panels"]
        for target in panel.get("targets", ())
        for name in re.findall(r"[a-z_]{8,}_[a-z]+", target["expr"])
    }
    asked = {name for name in asked if name.startswith(("faultproxy_", "process_", "toxiproxy_"))}
    async with daemon() as here:
        await here.made("a", faults=[LATE])
        names = {name for name, _ in await scrape(here)}
    assert len(asked) >= 12
    assert asked <= names
