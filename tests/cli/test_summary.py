"""What is told at the end of a run."""

from __future__ import annotations

from faultproxy.cli.summary import Part, Summary, plain
from faultproxy.core.run import FaultStats
from faultproxy.net.proxy import Snapshot

SNAPSHOT = Snapshot(opened=2, open=0, failed=1, c2s=2048, s2c=10, held=0, listening="listening", rows=())
STATS = (FaultStats("slow", "latency", starts=2, fired=7, heals=2, chosen=2, last="delayed"), FaultStats("fin", "hold_fin"))
SUMMARY = Summary(3.21, 7, "faultproxy run x --seed 7", [Part("proxy", SNAPSHOT, STATS, ["fin"], {"fin": "fin: hold_fin both; …"})])


def test_for_people() -> None:
    assert plain(SUMMARY.show()) == (
        "3.2 s, 2 connections (1 without upstream), 2 KiB from clients, 10 B from the server\n"
        "fault  kind      starts  active  fired  last act\n"
        "slow   latency        2              7  delayed\n"
        "fin    hold_fin       0              0\n"
        "never fired: fin: hold_fin both; …\n"
        "to repeat it: faultproxy run x --seed 7\n"
    )


def test_for_machines() -> None:
    assert SUMMARY.json() == {
        "event": "summary",
        "seconds": 3.21,
        "seed": 7,
        "proxies": [
            {
                "proxy": "proxy",
                "opened": 2,
                "failed": 1,
                "c2s": 2048,
                "s2c": 10,
                "faults": [
                    {"name": "slow", "kind": "latency", "starts": 2, "fired": 7, "heals": 2, "chosen": 2, "last": "delayed"},
                    {"name": "fin", "kind": "hold_fin", "starts": 0, "fired": 0, "heals": 0, "chosen": 0, "last": ""},
                ],
                "never_fired": ["fin"],
            }
        ],
        "again": "faultproxy run x --seed 7",
    }


def test_several_proxies_are_named() -> None:
    two = Summary(1.0, 1, "again", [Part(name, SNAPSHOT, (), [], {}) for name in ("db", "cache")])
    assert [line.partition(":")[0] for line in plain(two.show()).splitlines()] == ["db", "cache", "to repeat it"]
