"""One connection as the kernel sees it, at both of the proxy's sockets, for a person: groups, units, the two legs side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from faultproxy.core.units import show_size

HEADS = ("", "client's leg", "server's leg")
SIDES = ("client", "server")

Leg = Mapping[str, Any]
"""TCP_INFO under the kernel's names (`kernel.tcpinfo.TcpInfo`), with `receive_queue` and `send_queue`; empty: there is no such leg."""
Show = Callable[[Leg], str]


def _bytes(key: str) -> Show:
    return lambda leg: show_size(leg[key]) if leg[key] >= 0 else "not told"  # by a kernel before 5.4


def _ms(key: str) -> Show:
    return lambda leg: f"{leg[key] / 1000:.2f} ms" if leg[key] < 10_000 else f"{leg[key] / 1000:.0f} ms"


def _count(key: str) -> Show:
    return lambda leg: str(leg[key])


def _congestion(leg: Leg) -> str:
    return f"{show_size(leg['snd_cwnd'] * leg['snd_mss'])} ({leg['snd_cwnd']} segments)"


GROUPS: Mapping[str, Mapping[str, Show]] = {
    "bytes": {
        "received": _bytes("bytes_received"),
        "sent, resends included": _bytes("bytes_sent"),
        "resent": _bytes("bytes_retrans"),
    },
    "round trip": {
        "smoothed": _ms("rtt"),
        "variation": _ms("rttvar"),
        "least": _ms("min_rtt"),
        "retransmission time-out": _ms("rto"),
    },
    "windows": {
        "what the peer lets us send": _bytes("snd_wnd"),
        "what we let the peer send": _bytes("rcv_wnd"),
        "congestion window": _congestion,
    },
    "retransmits": {
        "segments resent": _count("total_retrans"),
        "segments not acknowledged": _count("unacked"),
        "time-outs in a row": _count("retransmits"),
        "times the time-out doubled": _count("backoff"),
    },
    "queues": {
        "received, not read by us": _bytes("receive_queue"),
        "sent, not acknowledged": _bytes("send_queue"),
        "of that, not sent yet": _bytes("notsent_bytes"),
    },
}
"""What is shown, group by group."""


def rows(legs: Mapping[str, Leg]) -> list[list[str]]:
    """A row for each figure, of the client's and of the server's leg, below a row that names its group."""
    both = [legs.get(side, {}) for side in SIDES]
    found = [["state", *(str(leg.get("state", "closed, or not dialled")) for leg in both)]]
    for group, figures in GROUPS.items():
        found.append([group, "", ""])
        found += [[f"  {label}", *(_shown(show, leg) for leg in both)] for label, show in figures.items()]
    return found


def _shown(show: Show, leg: Leg) -> str:
    try:
        return show(leg)
    except KeyError:  # there is no such leg, or the daemon does not tell this
        return "–"
