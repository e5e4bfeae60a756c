"""What the page's scripts are given: results in a compact form, of bounded size.

A mark is a list ``[time, from, to, what, size, count, fault, lost, note]``; `from` and `to` are the first letters of client, proxy
and server, `fault` is a place in the list of faults or -1, and what is as usual at the end is left out. A curve is a list of times and
a list of values. Times are seconds of the run's clock, to the microsecond.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from faultproxy.verify.outcome import Finding, Mark, Result, Track
from faultproxy.verify.reports.account import groups
from faultproxy.verify.reports.whole import BAD, clean

BUDGET = 8_000_000
"""Bytes that the marks and curves of all connections may take. A browser opens ten times as much, but a build server keeps every page."""
MARK, POINT = 40, 14
"""Bytes that one of them takes, about."""
MEMBERS = 1000
"""Connections that are listed of one expectation."""
SPAN = 20_000
"""Characters kept of one program's output, the last."""

_TURN = {way: turn for turn, way in enumerate((("client", "proxy"), ("proxy", "server"), ("server", "proxy"), ("proxy", "client")))}
_USUAL = ("", "", "data", 0, 1, -1, 0, "")
"""A mark without its time, as it is most often."""


def drawings(results: Sequence[Result]) -> list[dict[str, Any]]:
    """All results, for the page."""
    kept = _within_budget(results)
    return [_result(result, kept[place]) for place, result in enumerate(results)]


def _result(result: Result, kept: set[int]) -> dict[str, Any]:
    names = {fault.name: place for place, fault in enumerate(result.faults)}
    return {
        "scenario": clean(result.scenario),
        "title": clean(result.title),
        "outcome": result.outcome,
        "seconds": round(result.seconds, 3),
        "seed": result.seed,
        "again": clean(result.again),
        "reason": clean(result.reason),
        "covers": [clean(row) for row in result.covers],
        "findings": _findings(result.findings),
        "faults": [
            {
                "name": clean(fault.name),
                "kind": clean(fault.kind),
                "words": clean(fault.words),
                "starts": fault.starts,
                "fired": fault.fired,
                "heals": fault.heals,
                "bands": [[_time(start), _time(heal), clean(label)] for start, heal, label in fault.bands],
            }
            for fault in result.faults
        ],
        "journal": [clean(line) for line in result.journal],
        "sockets": [clean(line) for line in result.sockets],
        "outputs": {clean(name): clean(output[-SPAN:]) for name, output in result.outputs.items()},
        "notes": [clean(note) for note in result.notes],
        "phases": {clean(name): _time(time) for name, time in result.phases.items()},
        "tracks": [_track(track, names, place in kept) for place, track in enumerate(result.tracks)],
    }


def _findings(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [
        {
            "index": group.first.index,
            "what": clean(group.first.what),
            "judged": group.first.judged,
            "wanted": clean(group.first.wanted or group.first.what),
            "count": len(group.members),
            "members": [
                [clean(each.subject), _time(each.at), clean(each.got), clean(each.since), clean(each.reason)]
                for each in group.members[:MEMBERS]
            ],
        }
        for group in groups(findings)
    ]


# ------------------------------------------------------------ connections


def _within_budget(results: Sequence[Result]) -> list[set[int]]:
    # Which connections are drawn, by place: first what did not pass, therein those that an expectation was about, then those that faults
    # acted on, then the rest in their order.
    left = BUDGET
    kept: list[set[int]] = [set() for _ in results]
    ranked = [
        (result.outcome not in BAD, *_rank(track, _failed(result)), number, place, _size(track))
        for number, result in enumerate(results)
        for place, track in enumerate(result.tracks)
    ]
    for *_, number, place, size in sorted(ranked):
        if size <= left:
            left -= size
            kept[number].add(place)
    return kept


def _failed(result: Result) -> frozenset[str]:
    return frozenset(finding.subject for finding in result.findings if finding.judged == "failed" and finding.subject)


def _rank(track: Track, failed: frozenset[str]) -> tuple[bool, bool]:
    return track.label not in failed, not any(mark.fault for mark in track.marks)


def _size(track: Track) -> int:
    return MARK * (len(track.marks) + len(_read_off(track.curves))) + POINT * sum(len(points) for points in track.curves.values())


def _track(track: Track, faults: Mapping[str, int], kept: bool) -> dict[str, Any]:
    known: dict[str, Any] = {
        "label": clean(track.label),
        "role": clean(track.role),
        "opened": _time(track.opened),
        "closed": _time(track.closed),
        "acts": sum(mark.count for mark in track.marks if mark.fault),
    }
    if not kept:
        return known
    curves = {name: [[_time(time) for time, _ in points], [_value(value) for _, value in points]] for name, points in track.curves.items()}
    marks = _once_closed(sorted([*track.marks, *_read_off(track.curves)], key=_in_order))
    return known | {"marks": [_mark(mark, faults) for mark in marks], "curves": curves}


def _in_order(mark: Mark) -> tuple[float, int]:
    # What one look has found has one time: then a request comes first, and its answer behind it.
    return mark.time, _TURN.get((mark.where, mark.to), len(_TURN))


def _read_off(curves: Mapping[str, Sequence[tuple[float, float | str]]]) -> list[Mark]:
    """What an analyser of packets would mark, as the kernel at either end has counted it: retransmissions, zero windows."""
    found: list[Mark] = []
    for side in ("client", "server"):
        before = 0.0
        for time, now in curves.get(f"{side}.retransmits", ()):
            if not isinstance(now, str) and now > before:
                found.append(Mark(time, side, "proxy", "retransmission", count=round(now - before)))
                before = now
        shut = False
        for time, closed in curves.get(f"{side}.zero_window", ()):
            if bool(closed) != shut:
                shut = bool(closed)
                found.append(Mark(time, side, "", "zero window" if shut else "window open", note=f"the {side} may {'not ' * shut}send"))
    return found


def _once_closed(marks: Sequence[Mark]) -> list[Mark]:
    # To close a socket whose FIN or RST is out already sends nothing more.
    ended: set[str] = set()
    seen: list[Mark] = []
    for mark in marks:
        if mark.where == "proxy" and mark.to in ended and (mark.what, mark.note) == ("FIN", "close"):
            seen.append(Mark(mark.time, "proxy", "", "note", note=f"closed towards the {mark.to}"))
            continue
        if mark.where == "proxy" and mark.what in ("FIN", "RST") and not mark.lost:
            ended.add(mark.to)
        seen.append(mark)
    return seen


def _mark(mark: Mark, faults: Mapping[str, int]) -> list[Any]:
    fault = faults.get(mark.fault, -1)
    values = [mark.where[:1], mark.to[:1], clean(mark.what), mark.size, mark.count, fault, int(mark.lost), clean(mark.note)]
    while values and values[-1] == _USUAL[len(values) - 1]:
        values.pop()
    return [_time(mark.time), *values]


def _value(value: float | str) -> float | str:
    if isinstance(value, str):
        return clean(value)
    return int(value) if math.isfinite(value) and value == int(value) else round(value, 6)


def _time(time: float | None) -> float | None:
    return None if time is None else round(time, 6)
