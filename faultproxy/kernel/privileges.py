"""What this process may do with packets, here and now: each mechanism is tried, and nothing is concluded from a version or a user.

Nothing is left behind: what is tried is closed again before the next. A sandbox is tried by a child.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from faultproxy.errors import CapabilityError
from faultproxy.kernel import forge, nfqueue, nftables, procnet, sandbox, sockdiag, sockfilter, sysctl

_TCP_REPAIR: int = getattr(socket, "TCP_REPAIR", 19)
_SO_MARK: int = getattr(socket, "SO_MARK", 36)

ADMIN, RAW = "CAP_NET_ADMIN", "CAP_NET_RAW"
RIGHTS_WAY_OUT = "run as root, give that capability, or run it in `faultproxy sandbox`"


_A_SETTING = "net.ipv4.tcp_retries2"
_READ_ONLY = "/proc/sys cannot be written, as in most containers: --privileged, or --security-opt systempaths=unconfined"


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One thing that was tried."""

    name: str
    works: bool
    told: str = ""
    """What was found where it works, in a few words; may be empty."""
    why_not: str = ""
    way_out: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All that was tried, and what that makes of the packet plane."""

    mechanisms: tuple[Mechanism, ...]
    here: str
    """What the packet plane lacks in this process; empty if it can run."""
    sandbox: str
    """What it would lack in a sandbox: why there is none, or what fails in one; empty if it can run there."""

    @property
    def packets(self) -> str:
        """Where packet faults can run: ``here``, ``sandbox`` or ``not``."""
        return "here" if not self.here else "not" if self.sandbox else "sandbox"


def probe() -> Report:
    """Tries everything. Takes some 80 ms: taking a table of rules away takes the kernel 20."""
    admin, raw = _fails(_administer), _fails(_raw_v4)
    refused, answer = sandbox.rehearse(lambda: f"{'yes' if sysctl.writable(_A_SETTING) else 'no'} {_obstacle()}")
    settings, _, obstacle = answer.partition(" ")
    mechanisms = [
        _tried("right over this network", _administer, ADMIN, admin),
        _tried("packet queue", _queue, ADMIN, admin),
        _tried("packet rules", _rules, ADMIN, admin),
        _tried("raw sockets, IPv4", _raw_v4, RAW, raw),
        _tried("raw sockets, IPv6", _raw_v6, RAW, raw),
        _tried("marks on sockets", _mark, ADMIN, admin),
        _tried("filters on sockets", _filter, ADMIN, admin),
        _tried("socket diagnosis", _diagnosis),
        _tried("socket tables", _tables),
        Mechanism("sandbox", not refused, told=_where(), why_not=refused),
        Mechanism("settings in a sandbox", settings == "yes", why_not="" if settings == "yes" else refused or _READ_ONLY),
    ]
    return Report(tuple(mechanisms), _obstacle(), refused or obstacle)


def lacking() -> str:
    """Empty if packet faults can run in this process as it is; else what is missing and the ways to get it, for a user to read."""
    obstacle = _obstacle()
    if not obstacle:
        return ""
    missing = [name for name, body in ((ADMIN, _administer), (RAW, _raw_v4)) if _fails(body)]
    if not missing or sys.platform != "linux":
        hint = " (a filter of system calls, seccomp, may be what refuses it)" if not missing and sandbox.syscall_filter() else ""
        return f"packet faults cannot run here: {obstacle}{hint}"
    which = " and ".join(missing)
    grants = ",".join(name.lower() for name in missing)
    adds = " ".join(f"--cap-add {name.removeprefix('CAP_')}" for name in missing)
    root = "run as root" if os.geteuid() else "be root with all rights: this one has been deprived of them, as in a container"
    refused = sandbox.why_not()
    kept = f"not possible here yet: {refused}" if refused else "nothing else is needed"
    return (
        f"packet faults need {which} in this network, which this process does not have. There are three ways:\n"
        f"  - {root}\n"
        f"  - give this Python the right: sudo setcap {grants}+ep {os.path.realpath(sys.executable)};"
        f" in a container, start it with {adds}\n"
        f"  - run in a network of its own: faultproxy sandbox -- COMMAND, or [sandbox] in the file ({kept})"
    )


def _obstacle() -> str:
    """The first thing that the packet plane cannot do without and that does not work here; empty if there is none."""
    for body in (_queue_and_rules, _inject):
        if failure := _fails(body):
            return failure
    return ""


def _tried(name: str, body: Callable[[], str], right: str = "", refused: str = "") -> Mechanism:
    """`refused` is what came of trying the `right` that the mechanism needs; empty if we have it."""
    try:
        return Mechanism(name, True, told=body())
    except (CapabilityError, OSError) as error:
        if refused and right:
            return Mechanism(name, False, why_not=f"needs {right}", way_out=RIGHTS_WAY_OUT)
        return Mechanism(name, False, why_not=_words(error))


def _fails(body: Callable[[], str]) -> str:
    try:
        body()
    except (CapabilityError, OSError) as error:
        return _words(error)
    return ""


def _words(error: CapabilityError | OSError) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return f"{error.strerror} ({errno.errorcode.get(error.errno, error.errno)})"
    return str(error)


def _administer() -> str:
    # Of all that takes CAP_NET_ADMIN in the user namespace of this network, and nothing else: TCP_REPAIR on a socket that is not connected.
    with _tcp() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
    return ADMIN


def _queue() -> str:
    with closing(nfqueue.Queue()) as queue:
        return f"number {queue.number:#x} is free"


def _rules() -> str:
    # No chain of a real Table: the kernel throws away what waits in anybody's queue when one goes.
    means = nftables.check()
    cleaning = "gone with their process" if means.owned else "swept up by the next run (no owner flag)"
    return f"{cleaning}; by {'the queue expression' if means.native else 'the NFQUEUE target'}"


def _queue_and_rules() -> str:
    with closing(nfqueue.Queue()):
        nftables.check()
    return ""


def _inject() -> str:
    with closing(forge.Injector()) as injector:
        injector.open()
    return ""


def _raw_v4() -> str:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW).close()
    return ""


def _raw_v6() -> str:
    socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW).close()
    return ""


def _mark() -> str:
    with _tcp() as sock:
        sock.setsockopt(socket.SOL_SOCKET, _SO_MARK, struct.pack("=I", nftables.FORGED))  # Python takes signed numbers only
    return ""


def _filter() -> str:
    with _tcp() as sock:
        sockfilter.attach(sock, sockfilter.assemble([]))
    return ""


def _diagnosis() -> str:
    sockdiag.sockets(states=("LISTEN",))
    return ""


def _tables() -> str:
    procnet.sockets()
    return ""


def _where() -> str:
    return "this process is in one" if sandbox.inside() else ""


def _tcp() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
