"""Packet faults: what they take, where they fit, and that they never pretend."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from pydantic import ValidationError

from faultproxy.core.shape import SHAPES, Shape
from faultproxy.faults import PACKET
from faultproxy.faults.base import Place
from faultproxy.faults.packet.drop import Drop
from faultproxy.faults.packet.segments import PacketFault
from faultproxy.faults.tables import BY_KIND, fault

TCP, UDP, INTERCEPT = Place(), Place(udp=True), Place(intercept=True)


def made(**keys: Any) -> PacketFault:
    found = BY_KIND[keys["kind"]].model_validate(keys)
    assert isinstance(found, PacketFault)
    return found


@pytest.mark.parametrize("kind", PACKET, ids=lambda kind: kind.__name__)
def test_the_example_loads_fits_and_can_run(kind: type[PacketFault]) -> None:
    example = kind.model_validate(tomllib.loads(kind.example))
    assert example.unfit(TCP) == ()
    assert fault(example.table()) == example
    assert example.cannot_run() == ""
    plan = example.plan()
    assert plan.packet is not None
    assert (plan.packet.taps, plan.directions) == (example.direction, example.ways())


def test_where_it_lays_hold() -> None:
    assert made(kind="drop", direction=["to_client", "from_server"]).taps() == ("to_client", "from_server")
    assert [made(kind="drop", direction=way).taps() for way in ("c2s", "s2c", "both")] == [("c2s",), ("s2c",), ("c2s", "s2c")]
    assert made(kind="forge", send="RST").taps() == ("c2s", "s2c")


WHOLE, BUNDLES, BACK = "whole", "bundles", "back"


@pytest.mark.parametrize(
    ("keys", "asks"),
    [
        ({"kind": "drop", "direction": "from_client"}, {BUNDLES}),
        ({"kind": "drop", "direction": "from_client", "share": 0.5}, set()),
        ({"kind": "drop", "direction": "from_client", "length": {"min": 1}}, set()),
        ({"kind": "drop", "direction": "from_client", "payload": "x"}, {WHOLE}),
        ({"kind": "drop", "direction": "to_client", "segments": "data"}, set()),
        ({"kind": "drop", "direction": "to_client", "segments": "ack"}, {WHOLE}),
        ({"kind": "drop", "direction": "to_client", "segments": "window_update"}, {WHOLE}),
        ({"kind": "drop", "direction": "from_client", "rewind": True}, {WHOLE}),
        ({"kind": "vanish", "direction": "to_client"}, {BUNDLES}),
        ({"kind": "mtu", "direction": "to_client", "size": "500B"}, set()),
        ({"kind": "forge", "direction": "to_client", "send": "RST"}, {BACK}),
        ({"kind": "delay", "direction": "to_client", "delay": "1s"}, {WHOLE}),
        ({"kind": "flags", "direction": "to_client", "set": "PSH"}, {WHOLE}),
    ],
)
def test_what_it_asks_of_whoever_feeds_it(keys: dict[str, Any], asks: set[str]) -> None:
    plan = made(**keys).packet_plan()
    assert {name for name in (WHOLE, BUNDLES, BACK) if getattr(plan, name)} == asks


@pytest.mark.parametrize(
    ("keys", "shapes"),
    [
        ({"kind": "vanish"}, (Shape(),)),
        ({"kind": "drop"}, (Shape(),)),
        ({"kind": "drop", "segments": ["ack", "fin"]}, (SHAPES["ack"], SHAPES["fin"])),
        ({"kind": "drop", "segments": ["syn", "data"], "flags": "PSH,!RST"}, (Shape(10, 20), Shape(8, 6, 1))),
        ({"kind": "drop", "segments": ["ack", "data"], "length": {"min": 1, "max": 9}}, (Shape(0, 2, 1, 9),)),
        ({"kind": "drop", "segments": ["ack", "keepalive"]}, None),
        ({"kind": "drop", "take": 1}, None),
        ({"kind": "drop", "share": 0.5}, None),
        ({"kind": "drop", "burst": {"enter": 0.5, "leave": 0.5}}, None),
        ({"kind": "drop", "payload": "x"}, None),
        ({"kind": "drop", "rewind": True}, None),
        ({"kind": "mtu", "size": "500B"}, None),
        ({"kind": "delay", "delay": "1s"}, None),
    ],
)
def test_what_a_socket_filter_can_do(keys: dict[str, Any], shapes: tuple[Shape, ...] | None) -> None:
    assert made(**keys, direction="from_client").packet_plan().shapes == shapes


def test_directions_of_taps() -> None:
    taps = {"from_client": ("c2s",), "to_server": ("c2s",), "from_server": ("s2c",), "to_client": ("s2c",)}
    assert {tap: made(kind="drop", direction=tap).ways() for tap in taps} == taps
    assert made(kind="vanish", direction=list(taps)).ways() == ("c2s", "s2c")
    assert [made(kind="drop", direction=way).ways() for way in ("c2s", "s2c", "both")] == [("c2s",), ("s2c",), ("c2s", "s2c")]
    assert made(kind="drop").ways() == ("c2s", "s2c")


@pytest.mark.parametrize(
    ("keys", "place", "reasons"),
    [
        ({"direction": "to_client"}, TCP, []),
        ({"direction": ["to_client", "from_server"]}, TCP, []),
        ({}, TCP, ["direction"]),
        ({"direction": "c2s"}, TCP, ["direction"]),
        ({"direction": "c2s"}, UDP, []),
        ({}, UDP, []),
        ({}, INTERCEPT, []),
        ({"direction": "to_client"}, UDP, ["direction"]),
        ({"direction": "to_client"}, INTERCEPT, ["direction"]),
        ({"segments": "ack", "flags": "ACK"}, UDP, ["segments", "flags"]),
        ({"rewind": True}, UDP, ["rewind"]),
        ({"direction": "to_client"}, Place(unix_legs=frozenset({"client"})), ["kind"]),
    ],
)
def test_where_a_drop_fits(keys: dict[str, Any], place: Place, reasons: list[str]) -> None:
    assert [key for key, _ in Drop.model_validate(keys).unfit(place)] == reasons


def test_udp_has_no_windows() -> None:
    assert [key for key, _ in made(kind="window", size="0B").unfit(UDP)] == ["kind"]


def test_choosing() -> None:
    drop = Drop.model_validate(
        {"segments": ["ack", "data"], "flags": "ack, !syn", "length": {"min": 1}, "payload": {"hex": "ff"}, "take": 2}
    )
    assert drop.segments == ("ack", "data")
    assert drop.flags == ("ACK", "!SYN")
    assert drop.length is not None
    assert (drop.length.min, drop.length.max, drop.take) == (1, None, 2)
    assert Drop.model_validate({"segments": "fin"}).segments == ("fin",)


@pytest.mark.parametrize(
    "keys",
    [
        {"kind": "drop", "direction": "sideways"},
        {"kind": "drop", "direction": []},
        {"kind": "drop", "direction": ["c2s", "to_client"]},
        {"kind": "drop", "segments": ["any", "ack"]},
        {"kind": "drop", "segments": ["ack", "ack"]},
        {"kind": "drop", "flags": "ACK,!ACK"},
        {"kind": "drop", "flags": ""},
        {"kind": "drop", "length": {"min": 3, "max": 1}},
        {"kind": "drop", "burst": {"enter": "0%", "leave": "1%"}},
        {"kind": "drop", "burst": {"enter": "1%", "leave": "1%"}, "share": 0.5},
        {"kind": "drop", "segments": "ack", "flags": "SYN"},
        {"kind": "drop", "segments": "ack", "length": {"min": 1}},
        {"kind": "corrupt", "segments": "ack"},
        {"kind": "corrupt", "length": {"max": 0}},
        {"kind": "delay", "delay": "0s"},
        {"kind": "duplicate", "copies": 0},
        {"kind": "reorder", "gap": 0},
        {"kind": "window", "size": 5},
        {"kind": "forge", "send": "RST", "direction": "from_client"},
        {"kind": "forge"},
        {"kind": "strip"},
        {"kind": "strip", "options": "mss", "mss": 500},
        {"kind": "flags"},
        {"kind": "flags", "set": "PSH", "clear": "PSH"},
        {"kind": "timestamps", "shift": 0},
        {"kind": "timestamps"},
        {"kind": "mtu", "size": "10B"},
        {"kind": "vanish", "segments": "ack"},
    ],
)
def test_what_cannot_be(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        made(**keys)
