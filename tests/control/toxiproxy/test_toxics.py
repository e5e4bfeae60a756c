"""Toxics as our faults."""

from __future__ import annotations

from typing import Any

import pytest

from faultproxy.control.toxiproxy.decode import LARGEST
from faultproxy.control.toxiproxy.toxics import KINDS, Toxic, Unsound, attributes


def toxic(type_: str, *, stream: str = "downstream", name: str = "t", toxicity: float = 1.0, **figures: int) -> Toxic:
    """A toxic that is left at its defaults but for these figures."""
    return Toxic(name, type_, stream, toxicity, attributes(type_) | figures)


def table(given: Toxic) -> dict[str, Any] | None:
    """Our fault of it, as a scenario file has it, without what it has in any case."""
    fault = given.fault()
    assert fault is None or (fault.name, fault.table()["direction"]) == ("t", given.direction)
    return None if fault is None else {key: value for key, value in fault.table().items() if key not in ("name", "direction")}


@pytest.mark.parametrize(
    ("given", "ours"),
    [
        (toxic("latency", latency=200, jitter=50), {"kind": "latency", "delay": "200ms", "jitter": "50ms", "fin": False}),
        (toxic("latency", jitter=50), {"kind": "latency", "delay": "0s", "jitter": "50ms", "fin": False}),
        (toxic("latency"), None),
        (toxic("bandwidth", rate=10), {"kind": "bandwidth", "rate": "80kbit/s"}),
        (toxic("slow_close", delay=1000), {"kind": "hold_fin", "hold": "1s"}),
        (toxic("slow_close"), {"kind": "hold_fin", "hold": "0s"}),
        (toxic("timeout", timeout=300), {"kind": "blackhole", "ends": "close", "ends_after": "300ms"}),
        (toxic("timeout"), {"kind": "blackhole", "ends": "close"}),
        (toxic("reset_peer", timeout=300), {"kind": "blackhole", "ends_after": "300ms"}),
        (toxic("reset_peer"), {"kind": "blackhole", "ends_after": "0s"}),
        (
            toxic("slicer", average_size=100, size_variation=20, delay=1500),
            {"kind": "slice", "size": "100B", "variation": "20B", "interval": "1.5ms"},
        ),
        (toxic("slicer", average_size=1), {"kind": "slice", "size": "1B"}),
        (toxic("limit_data", bytes=100), {"kind": "close", "allow": "100B", "both_legs": True}),
        (toxic("limit_data"), {"kind": "close", "allow": "0B", "both_legs": True}),
        (toxic("noop"), None),
    ],
    ids=lambda value: f"{value.type} {dict(value.attributes)}" if isinstance(value, Toxic) else "",
)
def test_each_toxic_is_one_fault_at_most(given: Toxic, ours: dict[str, Any] | None) -> None:
    given.check()
    assert table(given) == ours


def test_no_rate_is_a_stall_which_may_stand_beside_the_rate_that_it_takes_over_from() -> None:
    stall, rate = toxic("bandwidth").fault(), toxic("bandwidth", rate=1).fault()
    assert stall is not None
    assert rate is not None
    assert (stall.kind, stall.name, rate.name) == ("stall_reads", "t~stall", "t")
    other = toxic("bandwidth", rate=1, name="t~stall").fault()
    assert other is not None
    assert other.name == "t~~stall", "no other toxic's fault has the same name"


@pytest.mark.parametrize(("stream", "direction"), [("upstream", "c2s"), ("downstream", "s2c"), ("UpStream", "c2s")])
def test_streams_are_directions(stream: str, direction: str) -> None:
    assert toxic("noop", stream=stream).direction == direction


def test_toxicity_is_the_share_of_connections() -> None:
    assert table(toxic("latency", latency=1, toxicity=0.25)) == {
        "kind": "latency",
        "delay": "1ms",
        "fin": False,
        "connections": {"share": 0.25},
    }
    nobody = toxic("latency", latency=1, toxicity=0.0).fault()
    assert nobody is not None
    assert nobody.plan().selection.count.share == 0


@pytest.mark.parametrize("type_", sorted(KINDS))
def test_however_large_a_figure_is_it_is_taken(type_: str) -> None:
    figures = dict.fromkeys(KINDS[type_].attributes, LARGEST)
    if type_ == "slicer":
        figures["size_variation"] = 0
    given = Toxic("t", type_, "upstream", 1.0, figures)
    given.check()
    fault = given.fault()
    assert fault is None or fault.plan()


@pytest.mark.parametrize("type_", sorted(set(KINDS) - {"slicer"}))
def test_figures_left_out_are_harmless(type_: str) -> None:
    toxic(type_).check()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (toxic("latency", latency=-1), "attribute latency must be 0 or more, not -1"),
        (toxic("latency", jitter=-(2**63)), f"attribute jitter must be 0 or more, not {-(2**63)}"),
        (toxic("bandwidth", rate=-5), "attribute rate must be 0 or more, not -5"),
        (toxic("noop", toxicity=7.0), "toxicity must be from 0 to 1, not 7: it is the share of connections that the toxic hits"),
        (toxic("noop", toxicity=-3.0), "toxicity must be from 0 to 1, not -3: it is the share of connections that the toxic hits"),
        (toxic("slicer"), "attribute average_size must be 1 or more: a slicer cuts pieces of that many bytes"),
        (
            toxic("slicer", average_size=10, size_variation=10),
            "attribute size_variation must be less than average_size, which is 10, not 10",
        ),
    ],
    ids=lambda value: value.type if isinstance(value, Toxic) else "",
)
def test_figures_that_cannot_be_meant_are_told(given: Toxic, said: str) -> None:
    with pytest.raises(Unsound) as caught:
        given.check()
    assert str(caught.value) == said
