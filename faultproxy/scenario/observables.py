"""What an expectation can be about: the complete vocabulary of `what`, and what kind of value each has."""

from __future__ import annotations

import errno
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from faultproxy.core import units

Sort = Literal["state", "truth", "count", "tally", "size", "time", "number", "text"]
"""The kind of value: `tally` is a count that can also be written as a share, `number` one that can be negative."""

STATES = (
    "CLOSED", "LISTEN", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT"
)  # fmt: skip
"""The states of TCP (RFC 9293, 3.3.2; what it calls SYN_RECEIVED has the shorter name of Linux here)."""

_STATE_SPELLINGS = {"ESTAB": "ESTABLISHED", "SYN_RECEIVED": "SYN_RECV", "UNCONN": "CLOSED", "CLOSE": "CLOSED"}
_STATE_SPELLINGS |= {"FIN_WAIT1": "FIN_WAIT_1", "FIN_WAIT2": "FIN_WAIT_2"}

SOCKET: dict[str, tuple[Sort, str]] = {
    "tcp_state": ("state", "the state of its end; `CLOSED` when it is gone, and no value before it is there"),
    "fin_sent": ("truth", "it has sent a FIN"),
    "fin_received": ("truth", "it has received a FIN"),
    "rst_sent": ("truth", "it has sent a RST"),
    "rst_received": ("truth", "it has received a RST"),
    "bytes_sent": ("size", "payload that it has sent, without resends"),
    "bytes_received": ("size", "payload that it has received"),
    "retransmits": ("count", "segments that it has sent again"),
    "unacked": ("count", "segments that it has sent and that are not acknowledged"),
    "backoff": ("count", "how often its timer has been doubled"),
    "rtt": ("time", "the smoothed round trip that its kernel reckons with"),
    "zero_window": ("truth", "it has something to send and may not: its peer's window is closed"),
    "window_probes": ("count", "probes it has sent into a closed window"),
    "send_queue": ("size", "bytes that its kernel still holds to send or has no acknowledgement for"),
    "recv_queue": ("size", "bytes that its program has not read yet"),
}
CONNECTIONS: dict[str, tuple[Sort, str]] = {
    "opened": ("count", "connections accepted"),
    "open": ("count", "connections that are open now"),
    "failed": ("count", "connections for which the server could not be reached"),
}
PLAYER: dict[str, tuple[Sort, str]] = {
    "ok": ("tally", "what was asked and rightly answered"),
    "failures": ("tally", "what was asked and not rightly answered"),
    "latency_p50": ("time", "the median time of an answer"),
    "latency_p99": ("time", "the time within which 99 of 100 answers came"),
    "open": ("tally", "connections that are open now"),
    "closed_by_server": ("tally", "connections that the server has ended, by FIN or RST"),
    "closed_after": ("time", "how long after its opening a connection was ended"),
}
PROCESS: dict[str, tuple[Sort, str]] = {
    "exit": ("number", "its exit status; the negative number of the signal that ended it"),
    "output": ("text", "what it has written to its standard output and error"),
    "rss": ("size", "its resident memory"),
    "fds": ("count", "its open file descriptors"),
}
_COUNTED = {
    *("bytes_sent", "bytes_received", "retransmits", "window_probes", "fin_sent", "fin_received", "rst_sent", "rst_received"),
    *("ok", "failures", "errors", "opened", "failed", "process.output"),
}
_HEARSAY = {"recv", "received", "read", "data", "eof", "errno", "error", "errors", "exception", "send"}


@dataclass(frozen=True, slots=True)
class Observable:
    """A checked `what`. `of`: client, server, connections, probe, crowd or host; `name`: that of a probe or crowd.

    `value` is the last part (for `sockets` and `errors`, which state or errno is in `detail`).
    `per_connection`: each connection has its own.
    """

    of: str
    value: str
    sort: Sort
    name: str = ""
    detail: str = ""
    per_connection: bool = False

    @property
    def counted(self) -> bool:
        """Whether it counts from the moment that `since` names, and so begins with 0; otherwise it is the value now."""
        return self.of == "host" or self.value in _COUNTED


def state(value: object) -> str:
    """A TCP state by its name with underscores; `ss` spellings such as ``ESTAB`` and ``FIN-WAIT-2`` are understood. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError(f'expected a TCP state such as "ESTABLISHED", not {value!r}')
    name = value.upper().replace("-", "_")
    name = _STATE_SPELLINGS.get(name, name)
    if name not in STATES:
        raise ValueError(f"{value!r} is not a TCP state: {meant(name, STATES)}")
    return name


def meant(name: str, known: Iterable[str]) -> str:
    """What a name that is not known may have been meant to be."""
    known = list(known)
    near = get_close_matches(name, known, 1, 0.6)
    return f"did you mean `{near[0]}`?" if near else f"known: {', '.join(known) or 'none'}"


def observable(what: str) -> Observable:
    """Reads a `what`. Raises ValueError with the nearest thing that there is."""
    first, _, rest = what.partition(".")
    match first:
        case "client" | "server":
            return _of_side(first, rest)
        case "connections":
            return _of(first, rest, CONNECTIONS)
        case "probe" | "crowd":
            return _of_player(first, rest)
        case "host":
            if not re.fullmatch(r"(?:[A-Za-z][A-Za-z0-9]*\.)?[A-Za-z][A-Za-z0-9]*", rest):
                raise ValueError("`host.` is followed by a kernel counter, such as host.TCPChallengeACK or host.Tcp.InCsumErrors")
            return Observable("host", rest, "count")
    raise ValueError(f"nothing is called `{what}`: {meant(first, ('client', 'server', 'connections', 'probe', 'crowd', 'host'))}")


def _of(first: str, rest: str, known: dict[str, tuple[Sort, str]]) -> Observable:
    if rest not in known:
        raise ValueError(f"nothing is called `{first}.{rest}`: {meant(rest, known)}")
    return Observable(first, rest, known[rest][0])


def _of_side(side: str, rest: str) -> Observable:
    group, _, detail = rest.partition(".")
    if group == "sockets":
        return Observable(side, "sockets", "count", detail=state(detail))
    if group == "process":
        found = _of(f"{side}.process", detail, PROCESS)
        return Observable(side, f"process.{detail}", found.sort)
    if rest in SOCKET:
        return Observable(side, rest, SOCKET[rest][0], per_connection=True)
    if group in _HEARSAY:
        raise ValueError(
            f"`{side}.{rest}`: what a program's calls returned is in no kernel table; ask a [[probe]], a [[crowd]] or client.process.exit"
        )
    raise ValueError(
        f"nothing is called `{side}.{rest}`: {meant(rest, [*SOCKET, 'sockets.<STATE>', *(f'process.{key}' for key in PROCESS)])}"
    )


def _of_player(first: str, rest: str) -> Observable:
    *parts, last = rest.split(".")
    if len(parts) >= 2 and parts[-1] == "errors":
        if last not in errno.errorcode.values():
            raise ValueError(f"`{last}` is no errno: {_nearest_errno(last)}")
        return Observable(first, "errors", "tally", ".".join(parts[:-1]), last)
    if not parts:
        raise ValueError(f"`{first}.` is followed by its name and what is asked, such as {first}.healthy.ok")
    if last not in PLAYER:
        raise ValueError(f"nothing is called `{first}.<name>.{last}`: {meant(last, [*PLAYER, 'errors.<ERRNO>'])}")
    return Observable(first, last, PLAYER[last][0], ".".join(parts))


def _nearest_errno(name: str) -> str:
    near = get_close_matches(name.upper(), errno.errorcode.values(), 1, 0.75)
    return f"did you mean `{near[0]}`?" if near else "they are written like ECONNRESET"


def wanted(sort: Sort, value: object) -> str | bool | int | float:
    """One wanted value of that sort, in plain numbers; a share of a tally comes as a float from 0 to 1. Raises ValueError."""
    match sort:
        case "state":
            return state(value)
        case "size":
            return units.size(value)
        case "time":
            return units.duration(value)
        case "truth":
            if isinstance(value, bool):
                return value
            raise ValueError(f"expected true or false, not {value!r}")
        case "text":
            if isinstance(value, str):
                return value
            raise ValueError(f"expected a string, not {value!r}")
        case "tally" if isinstance(value, str) and value.rstrip().endswith("%"):
            return units.share(value)
        case "tally" if isinstance(value, float) and math.isfinite(value):
            raise ValueError(f'expected a count such as 3, or a share such as "95%", not {value!r}')
    if isinstance(value, bool) or not isinstance(value, int):
        or_share = ', or a share such as "95%"' if sort == "tally" else ""
        raise ValueError(f"expected a count such as 3{or_share}, not {value!r}")
    if value < 0 and sort != "number":
        raise ValueError(f"a count cannot be negative: {value!r}")
    return value
