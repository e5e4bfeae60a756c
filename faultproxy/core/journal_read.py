"""Reads the lines of a journal back. Whatever a line should have and has not is a ValueError that says so: files get damaged and edited."""

from __future__ import annotations

import json
from collections.abc import Set
from dataclasses import fields
from typing import Any, cast

from faultproxy.core import events as ev
from faultproxy.core.events import DIRECTIONS, SIDES, TAPS, Direction, Side, Tap
from faultproxy.core.header import Packet
from faultproxy.core.journal import VERSION, Entry, Header
from faultproxy.core.limits import READ_SIZE
from faultproxy.core.plan import Peer, Sockets

MOST_PAYLOAD = 2**20
"""No payload of a segment, bundles included, comes near it."""

_STANDING = ("begun", "begun_back", "unacked", "window_back", "scale", "scale_back")


def parse(line: str) -> Entry:
    """One line."""
    if not line.strip():
        raise ValueError("an empty line")
    try:
        entry = json.loads(line, parse_constant=_no_number)
    except RecursionError as exc:
        raise ValueError("not JSON that anybody would write") from exc
    except ValueError as exc:
        raise ValueError(f"not JSON ({exc})") from exc
    if not isinstance(entry, dict):
        raise ValueError("not a JSON object")
    return entry


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def header(entry: Entry) -> Header:
    """The header's line."""
    version = get(entry, Header.MARK, int)
    if version != VERSION:
        raise ValueError(
            f"it has version {version} of the format, and this faultproxy reads {VERSION}: replay it with the one that wrote it"
        )
    sizes = get(entry, "sockets", dict)
    if not all(value is None or isinstance(value, int) for value in sizes.values()) or sizes.keys() - {f.name for f in fields(Sockets)}:
        raise ValueError("`sockets` holds something else than buffer sizes")
    return Header(
        seed=get(entry, "seed", int),
        faults=get(entry, "faults", list),
        scenario=get(entry, "scenario", str, ""),
        proxy=get(entry, "proxy", str, ""),
        program=get(entry, "program", str, ""),
        start=get(entry, "start", (int, float)),
        sockets=Sockets(**sizes),
        filtered=get(entry, "filtered", list, []),
        tells_all=get(entry, "tells_all", bool, False),
    )


def peer(entry: Entry) -> Peer:
    """Who connected."""
    role = entry.get("role", "outsider")
    if role not in ("outsider", "crowd", "probe"):
        raise ValueError(f"unknown role {role!r}")
    return Peer(get(entry, "address", str), _count(entry, "port"), role, get(entry, "name", str, ""), get(entry, "number", int, 0))


def event(name: str, entry: Entry, faults: Set[str]) -> ev.Event:
    """The event of that name."""
    match name:
        case "dialled":
            return ev.Dialled(get(entry, "address", str), get(entry, "port", int, 0))
        case "dial_failed":
            return ev.DialFailed(get(entry, "why", str), get(entry, "orderly", bool, False))
        case "data":
            return _data(entry, faults)
        case "eof":
            return ev.Eof(_direction(entry), _count(entry, "offset"))
        case "peer_reset":
            return ev.PeerReset(_side(entry), get(entry, "why", str))
        case "waiting":
            return ev.Waiting(_direction(entry))
        case "timer":
            return ev.Timer()
        case "forgotten":
            return ev.Forgotten()
        case "seen":
            matched = get(entry, "matched", list, [])
            packet = _packet(entry)
            return ev.Seen(_tap(entry), packet, tuple(fault({"fault": name}, faults) for name in matched), packet.ref)
        case "noted":
            return ev.Noted(_tap(entry), _packet(entry))
        case "standing":
            numbers = {key: get(entry, key, int) for key in _STANDING}
            return ev.Standing(_tap(entry), _packet(entry), **numbers)
        case "filtered":
            return ev.Filtered(fault(entry, faults), _side(entry), _count(entry, "count"))
    raise ValueError(f"unknown event {name!r}")


def fault(entry: Entry, faults: Set[str]) -> str:
    """The fault that the entry names."""
    name: str = get(entry, "fault", str)
    if name not in faults:
        raise ValueError(f"the header has no fault {name!r}")
    return name


def _data(entry: Entry, faults: Set[str]) -> ev.Data:
    size = _count(entry, "size")
    if size > READ_SIZE:
        raise ValueError(f"`size` is {size}, but no more than {READ_SIZE} bytes are read at once")
    hits = [ev.Hit(fault(hit, faults), _count(hit, "offset"), get(hit, "why", str)) for hit in get(entry, "hits", list, [])]
    return ev.Data(_direction(entry), _count(entry, "offset"), bytes(size), tuple(hits))


def _tap(entry: Entry) -> Tap:
    if entry.get("tap") not in TAPS:
        raise ValueError(f"`tap` must be one of {', '.join(TAPS)}")
    return cast(Tap, entry["tap"])


def _packet(entry: Entry) -> Packet:
    size = _count(entry, "size")
    if size > MOST_PAYLOAD:
        raise ValueError(f"`size` is {size}, but no IP packet is that long")
    raw = bytes.fromhex(get(entry, "header", str)) + bytes(size)
    ref = get(entry, "ref", int) if "ref" in entry else None
    copied = _count(entry, "copied") if "copied" in entry else len(raw)
    return Packet(raw[:copied], length=len(raw), ref=ref, outbound=get(entry, "outbound", bool))


def _direction(entry: Entry) -> Direction:
    if entry.get("direction") not in DIRECTIONS:
        raise ValueError("`direction` must be c2s or s2c")
    return cast(Direction, entry["direction"])


def _side(entry: Entry) -> Side:
    if entry.get("side") not in SIDES:
        raise ValueError("`side` must be client or server")
    return cast(Side, entry["side"])


def _count(entry: Entry, key: str) -> int:
    value: int = get(entry, key, int)
    if value < 0:
        raise ValueError(f"`{key}` is below zero")
    return value


def get(entry: Entry, key: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
    """The value of `key`, which must be of that kind; `default` if it is missing."""
    value = entry.get(key, default) if isinstance(entry, dict) else None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"`{key}` is missing" if value is None else f"`{key}` is {value!r}")
    return value
