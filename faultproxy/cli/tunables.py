"""The kernel's tunables that decide how TCP fails: what each has been set to, and what that means in seconds, bytes and connections.

Formulas and defaults are those of the kernel's Documentation/networking/ip-sysctl.rst and of tcp(7); the shortest retransmission
time-out is 200 ms, the first of a SYN 1 s.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from faultproxy.core.units import show_size

_SHORTEST_TIMEOUT, _FIRST_TIMEOUT, _LONGEST_TIMEOUT = 0.2, 1.0, 120.0

OPEN_FILES = "open files"
"""Not a setting of the kernel but a limit of this process: RLIMIT_NOFILE."""

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Tunable:
    """One of them: its name as sysctl(8) has it, and what the value says, told from it and from those that it works together with."""

    name: str
    means: Callable[[str, Values], str]


def meaning(tunable: Tunable, values: Values) -> str:
    """In words; empty for a value that is not understood, as another kernel may have one."""
    try:
        return tunable.means(values[tunable.name], values)
    except (ValueError, KeyError, IndexError):
        return ""


def spoken(seconds: float) -> str:
    """``"2 h 11 min"``, ``"15 min 24 s"``, ``"3 s"``, ``"0.6 s"``: the two largest units, rounded down."""
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    days, rest = divmod(int(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")) if count]
    return " ".join(parts[:2])


def resending(resends: int, longest: float) -> float:
    """Seconds until a sender that resends so often gives up: each time-out is twice the one before, up to `longest`. A lower bound."""
    return _doubling(_SHORTEST_TIMEOUT, resends, longest)


def opening(resends: int, linear: int, longest: float) -> float:
    """Seconds until a connect that is never answered fails: `linear` time-outs of 1 s, then each twice the one before."""
    return linear * _FIRST_TIMEOUT + resending_syn(resends, longest)


def resending_syn(resends: int, longest: float) -> float:
    """Seconds for which SYNs, or SYN-ACKs, are resent so often with doubled time-outs from 1 s on, and then waited for."""
    return _doubling(_FIRST_TIMEOUT, resends, longest)


def _doubling(first: float, resends: int, longest: float) -> float:
    # The kernel's settings are no larger than 255.
    return sum((min(first * 2.0**number, longest) for number in range(min(resends, 255) + 1)), 0.0)


def _longest(values: Values) -> float:
    told = values.get(_ipv4("rto_max_ms"))
    return int(told) / 1000 if told is not None else _LONGEST_TIMEOUT


def _retries1(value: str, values: Values) -> str:
    return f"after {spoken(resending(int(value), _longest(values)))} without an answer the kernel looks for another route"


def _retries2(value: str, values: Values) -> str:
    return f"an unanswered sender gives up after at least {spoken(resending(int(value), _longest(values)))} (ETIMEDOUT)"


def _syn_retries(value: str, values: Values) -> str:
    linear = int(values.get(_ipv4("syn_linear_timeouts"), 0))
    seconds = opening(int(value), linear, _longest(values))
    return f"an unanswered connect fails after {spoken(seconds)}, and {int(value) + linear + 1} SYNs"


def _synack_retries(value: str, values: Values) -> str:
    return f"a half-open connection is forgotten after {spoken(resending_syn(int(value), _longest(values)))}"


def _orphan_retries(value: str, values: Values) -> str:
    resends = int(value) or 8  # tcp_orphan_retries() in net/ipv4/tcp_timer.c
    seconds = resending(resends, _longest(values))
    return f"a closed socket whose data nobody acknowledges is gone after at least {spoken(seconds)}{'' if int(value) else ' (0 means 8)'}"


def _keepalive(value: str, values: Values) -> str:
    time, interval, probes = (int(values[_ipv4(f"keepalive_{part}")]) for part in ("time", "intvl", "probes"))
    return f"a dead peer is noticed after {spoken(time + interval * probes)}, if the program asked for SO_KEEPALIVE"


def _linear(value: str, values: Values) -> str:
    count = int(value)
    return f"{count} of the resent SYNs come 1 s apart, before the time-out doubles" if count else "the time-out of a SYN doubles at once"


def _fin_timeout(value: str, values: Values) -> str:
    return f"a closed socket waits {spoken(int(value))} for the peer's FIN (FIN_WAIT_2)"


def _tw_reuse(value: str, values: Values) -> str:
    return {
        0: "a port in TIME_WAIT is not used again for 60 s",
        1: "connect takes a port from TIME_WAIT after 1 s",
        2: "connect takes a port from TIME_WAIT after 1 s, on loopback only",
    }[int(value)]


def _ports(value: str, values: Values) -> str:
    first, last = map(int, value.split())
    return f"{last - first + 1} ports: so many connections to one server address and port, those in TIME_WAIT included"


def _buffer(what: str) -> Callable[[str, Values], str]:
    def means(value: str, values: Values) -> str:
        _, default, largest = map(int, value.split())
        return f"a {what} buffer begins with {show_size(default)} and grows to {show_size(largest)}"

    return means


def _memory(value: str, values: Values) -> str:
    page = os.sysconf("SC_PAGE_SIZE")
    _, pressure, most = (int(pages) * page for pages in value.split())
    return f"all of TCP, on the whole host: windows shrink from {show_size(pressure)} on, and data is dropped from {show_size(most)} on"


def _somaxconn(value: str, values: Values) -> str:
    return f"a listener holds at most {int(value) + 1} connections that nobody has accepted, whatever backlog it asks for"


def _syn_backlog(value: str, values: Values) -> str:
    if int(values.get(_ipv4("syncookies"), 0)):
        return "nothing, while tcp_syncookies is on: then the backlog of the listener counts"
    return f"a listener keeps about {int(value) * 3 // 4 + 1} half-open connections"


def _netdev_backlog(value: str, values: Values) -> str:
    return f"{int(value)} packets wait for a CPU that is busy; what comes beyond is dropped"


def _switch(on: str, off: str) -> Callable[[str, Values], str]:
    return lambda value, values: on if int(value) else off


def _rto_max(value: str, values: Values) -> str:
    return f"a time-out grows to {spoken(int(value) / 1000)} at most: so long may healing take to be noticed"


def _open_files(value: str, values: Values) -> str:
    return f"about {max(int(value.partition(' ')[0]) - 50, 0) // 2} connections through one proxy process, of two sockets each"


def _ipv4(name: str) -> str:
    return f"net.ipv4.tcp_{name}"


TUNABLES = (
    Tunable(_ipv4("syn_retries"), _syn_retries),
    Tunable(_ipv4("syn_linear_timeouts"), _linear),
    Tunable(_ipv4("synack_retries"), _synack_retries),
    Tunable(_ipv4("max_syn_backlog"), _syn_backlog),
    Tunable("net.core.somaxconn", _somaxconn),
    Tunable(_ipv4("retries1"), _retries1),
    Tunable(_ipv4("retries2"), _retries2),
    Tunable(_ipv4("rto_max_ms"), _rto_max),
    Tunable(_ipv4("orphan_retries"), _orphan_retries),
    Tunable(_ipv4("keepalive_time"), _keepalive),
    Tunable(_ipv4("keepalive_intvl"), lambda value, values: f"then a probe every {spoken(int(value))}"),
    Tunable(_ipv4("keepalive_probes"), lambda value, values: f"and {int(value)} of them without an answer"),
    Tunable(_ipv4("fin_timeout"), _fin_timeout),
    Tunable(_ipv4("tw_reuse"), _tw_reuse),
    Tunable("net.ipv4.ip_local_port_range", _ports),
    Tunable(_ipv4("rmem"), _buffer("receive")),
    Tunable(_ipv4("wmem"), _buffer("send")),
    Tunable(_ipv4("mem"), _memory),
    Tunable("net.core.netdev_max_backlog", _netdev_backlog),
    Tunable(_ipv4("sack"), _switch("only what was lost is resent", "after a loss, data that had arrived is resent too")),
    Tunable(_ipv4("timestamps"), _switch("old duplicates are told by their age (PAWS)", "old duplicates are told by number alone")),
    Tunable(_ipv4("window_scaling"), _switch("windows above 64 KiB", "no window above 64 KiB")),
    Tunable(OPEN_FILES, _open_files),
)
"""In the order in which a connection meets them."""

CONSULTED = (*(tunable.name for tunable in TUNABLES if tunable.name != OPEN_FILES), _ipv4("syncookies"))
"""The settings to be read before `meaning` is asked."""
