"""What the live table shows."""

from __future__ import annotations

from faultproxy.cli.live import Rates, chosen, picture
from faultproxy.cli.summary import plain
from faultproxy.core.run import Run
from faultproxy.faults.stream.latency import Latency
from faultproxy.net.proxy import Proxy, Row, Snapshot


def row(ordinal: int, c2s: int = 0, s2c: int = 0, active: tuple[str, ...] = (), held: int = 0) -> Row:
    return Row(ordinal, f"127.0.0.1:{5000 + ordinal}", 1.0, "open", c2s, s2c, held, active)


def snapshot(*rows: Row, opened: int = 3) -> Snapshot:
    return Snapshot(opened, len(rows), 1, sum(r.c2s for r in rows), sum(r.s2c for r in rows), 0, "listening", rows)


def test_rates_are_bytes_a_second_between_two_pictures() -> None:
    rates = Rates()
    rates.update(snapshot(row(1, 1000)), 10.0)
    assert (rates.of(1), rates.of(0)) == ((0.0, 0.0), (0.0, 0.0))
    rates.update(snapshot(row(1, 3000, 500), row(2, 100)), 12.0)
    assert (rates.of(1), rates.of(2), rates.of(0)) == ((1000.0, 250.0), (50.0, 0.0), (1050.0, 250.0))
    rates.update(snapshot(), 13.0)  # their bytes are gone from this sum, which is no negative rate
    assert (rates.of(1), rates.of(0)) == ((0.0, 0.0), (0.0, 0.0))


def test_the_busiest_are_shown_then_the_hit_then_the_newest() -> None:
    rates = Rates()
    rates.update(snapshot(), 0.0)
    rates.update(snapshot(row(1), row(2, 9000), row(3, active=("slow",)), row(4), row(5)), 1.0)
    rows = [row(1), row(2, 9000), row(3, active=("slow",)), row(4), row(5)]
    assert [each.ordinal for each in chosen(rows, rates, 3)] == [2, 3, 5]
    assert chosen(rows, rates) == rows


def test_a_picture_says_how_things_stand() -> None:
    proxy = Proxy(
        [Latency.model_validate({"kind": "latency", "delay": "5ms"}).plan()], listen="127.0.0.1:0", upstream="127.0.0.1:1", seed=1
    )
    rates = Rates()
    rates.update(snapshot(), 0.0)
    now = snapshot(row(1), row(7, 2048, 10 * 2**20, ("latency",), held=4096), opened=7)
    rates.update(now, 2.0)
    lines = plain(picture(proxy, now, rates, 3.0)).splitlines()
    assert lines == [
        "proxy  127.0.0.1:0 listening  3.0 s  2 open, 7 opened, 1 without upstream  → 2 KiB (1 KiB/s)  ← 10 MiB (5 MiB/s)",
        "#  client          age  phase  → server           ← server            held  active faults",
        "1  127.0.0.1:5001  2 s  open        0 B                0 B",
        "7  127.0.0.1:5007  2 s  open      2 KiB  1 KiB/s    10 MiB  5 MiB/s  4 KiB  latency",
        "",
        "fault    kind     starts  active  fired  last act",
        "latency  latency       0              0",
    ]


def test_many_connections_are_told_by_their_number() -> None:
    proxy = Proxy([], listen="127.0.0.1:0", upstream="127.0.0.1:1", seed=1)
    proxy.run = Run([], 1, 0.0)
    many = snapshot(*(row(number) for number in range(1, 41)), opened=40)
    rates = Rates()
    rates.update(many, 1.0)
    lines = plain(picture(proxy, many, rates, 3.0)).splitlines()
    assert (len(lines), lines[-1]) == (18, "… and 25 more")
