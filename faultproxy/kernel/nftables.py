"""The rules that send segments to a packet queue: one nf_tables table of family inet, put in place and changed by raw netlink.

What is queued is decided by sets: ports whose SYNs are wanted, and flows, each a source and a destination port as they stand in the first
four bytes of a TCP header. To lay hold of a connection is to add its two ports to a set; the rules themselves stay as they are. What we
receive is taken at INPUT and what we send at OUTPUT, so that on loopback every segment passes once.

Nothing is left behind. The table belongs to our socket (NFT_TABLE_F_OWNER, Linux 5.12) and goes with it, however we die; where the kernel
has no such flag, its name tells the process that it belongs to, and the next Table sweeps away those whose process is gone. Either way a
rule whose queue nobody reads lets traffic pass ("bypass"). Packets that carry the mark FORGED, as all that we send from raw sockets, are
never queued.

One thing to know: whenever a chain with a hook is removed, by us or by anybody else, the kernel drops every packet that waits in any queue
of the network namespace (nf_queue_nf_hook_drop). So give the verdicts, or close the Queue, before the Table is closed; and to find out what
this kernel can do use `check`, which sets up no such chain.

The priority puts us behind connection tracking's defragmentation and before address translation and ordinary filters.

Sources: include/uapi/linux/netfilter/{nf_tables,nf_tables_compat,xt_NFQUEUE}.h, net/netfilter/nf_tables_api.c, nft(8).
"""

from __future__ import annotations

import errno
import itertools
import os
import re
import socket
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from faultproxy.errors import CapabilityError
from faultproxy.kernel import netlink
from faultproxy.kernel import nft_expressions as nft
from faultproxy.kernel.netlink import attribute, be32, nest, text
from faultproxy.kernel.nfqueue import INPUT, OUTPUT

FORGED: Final = 0xFA17_0001
"""The mark (SO_MARK) of what we send from raw sockets: never queued."""

DIALLED: Final = 0xFA17_0002
"""The mark (SO_MARK) of a socket of ours that is being connected, so that its SYN is known before its port is."""

Flow = tuple[int, int, int]
"""The hook (INPUT or OUTPUT), the source port and the destination port of segments that go one way."""

PREFIX = "faultproxy-"
"""What the name of every table of ours begins with."""

_INET = 1  # NFPROTO_INET: IPv4 and IPv6
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
_PRIORITY = -150  # NF_IP_PRI_MANGLE

_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEW_TABLE, _GET_TABLE, _DELETE_TABLE = 0, 1, 2
_NEW_CHAIN, _NEW_RULE, _NEW_SET = 3, 6, 9
_NEW_ELEMENTS, _DELETE_ELEMENTS = 12, 14
_OWNER = 2

# Sets have types for the benefit of `nft list ruleset`, which gives up on a set whose type it does not know.
_TYPE_PORT, _TYPE_MARK = 13, 19

_ELEMENTS_AT_ONCE = 1000  # an attribute holds 64 KiB, an element takes 20 bytes
_REQUESTS_AT_ONCE = 8  # a message of this size has room in any send buffer, of which the smallest default is 208 KiB
_OURS = re.compile(re.escape(PREFIX) + r"(\d+)-(\d+)-(\d+)-\d+")
_NF_TABLES = "nf_tables with family inet (CONFIG_NF_TABLES_INET)"
_QUEUEING = "a way to queue (CONFIG_NFT_QUEUE, or CONFIG_NFT_COMPAT with CONFIG_NETFILTER_XT_TARGET_NFQUEUE)"
_SETTING_UP = "setting up packet rules"
_serial = itertools.count(1)

_FLOWS = {INPUT: "flows-in", OUTPUT: "flows-out"}
_SYNS = {INPUT: "ports-in", OUTPUT: "ports-out"}
_CHAINS = {INPUT: "input", OUTPUT: "output"}


class _Request(NamedTuple):
    asked: str
    kind: int
    flags: int
    attributes: bytes


class _Refused(Exception):
    """The kernel took a request of a transaction amiss, so that nothing of it was done."""

    def __init__(self, kind: int, asked: str, code: int) -> None:
        super().__init__(kind, asked, code)
        self.kind, self.asked, self.code = kind, asked, code

    def told(self) -> CapabilityError | OSError:
        return netlink.refusal(self.code, self.asked, _QUEUEING if self.kind == _NEW_RULE else _NF_TABLES)


class Means(NamedTuple):
    """What the kernel has to set up a table with: see the properties of Table."""

    owned: bool
    native: bool


class Table:
    """The table of a process; several proxies may share it. It queues nothing until it is told what. Not for use by two threads.

    `queue` is the number of a bound Queue. `owned` False does without the owner flag even where the kernel has it.

    Making one raises CapabilityError without CAP_NET_ADMIN or on a kernel without nf_tables or without a way to queue. All other methods
    raise OSError if the kernel refuses; then nothing was changed.
    """

    def __init__(self, queue: int, *, owned: bool = True) -> None:
        self.name = _own_name()
        self._taps: set[Flow] = set()
        self._dials = False
        self._sock = netlink.connect(netlink.NETFILTER, _SETTING_UP)
        try:
            sweep(self._sock)
            self._means = _install(self._sock, self.name, queue, Means(owned, native=True))
        except BaseException:
            self._sock.close()
            raise
        self._target = _target(queue, self._means)

    @property
    def owned(self) -> bool:
        """Whether the kernel removes the table when our socket closes; without, `close` does, or the next Table after us."""
        return self._means.owned

    @property
    def native(self) -> bool:
        """Whether rules use the `queue` expression, and not the target of iptables."""
        return self._means.native

    def listener(self, port: int) -> None:
        """SYNs (without ACK) that are received for this TCP port are queued."""
        self._elements(_NEW_ELEMENTS, [(_SYNS[INPUT], [_port(port)])])

    def ignore(self, port: int) -> None:
        """SYNs for this port, which was a `listener`, are queued no more."""
        self._elements(_DELETE_ELEMENTS, [(_SYNS[INPUT], [_port(port)])])

    def dials(self) -> None:
        """SYNs (without ACK) that are sent with the mark DIALLED are queued."""
        if not self._dials:
            self._commit([_rule(self.name, OUTPUT, *nft.meta(nft.MARK, _native(DIALLED)), *nft.syn(), self._target)])
            self._dials = True

    def intercept(self, port: int) -> None:
        """SYNs (without ACK) to this TCP port are queued, where they are received and where they are sent to another machine."""
        self._elements(_NEW_ELEMENTS, [(_SYNS[INPUT], [_port(port)]), (_SYNS[OUTPUT], [_port(port)])])

    def tap(self, *flows: Flow) -> None:
        """All segments of these flows are queued from now on. Those that are already are no error."""
        self._elements(_NEW_ELEMENTS, _by_set(flows))
        self._taps.update(flows)

    def untap(self, *flows: Flow) -> None:
        """Segments of these flows are queued no more; flows that are not tapped are ignored."""
        known = self._taps.intersection(flows)
        self._elements(_DELETE_ELEMENTS, _by_set(known))
        self._taps -= known

    def close(self) -> None:
        """Takes the table away; from then on nothing is queued, and the kernel drops what waits in any queue: close the Queue before."""
        if self._sock.fileno() < 0:
            return
        try:
            if not self._means.owned:
                _drop_table(self._sock, self.name)
        finally:
            self._sock.close()

    def _elements(self, kind: int, wanted: Iterable[tuple[str, list[bytes]]]) -> None:
        flags = netlink.CREATE if kind == _NEW_ELEMENTS else 0
        requests = []
        for name, keys in wanted:
            for at in range(0, len(keys), _ELEMENTS_AT_ONCE):
                elements = [nest(1, nest(1, attribute(1, key))) for key in keys[at : at + _ELEMENTS_AT_ONCE]]
                body = text(1, self.name) + text(2, name) + nest(3, *elements)
                requests.append(_Request("changing which segments are queued", kind, flags, body))
        for at in range(0, len(requests), _REQUESTS_AT_ONCE):
            self._commit(requests[at : at + _REQUESTS_AT_ONCE])

    def _commit(self, requests: Sequence[_Request]) -> None:
        try:
            _transact(self._sock, requests)
        except _Refused as no:
            raise no.told() from None


def check() -> Means:
    """Tries out what a Table needs, but hooks nothing in, so that no traffic is touched; nothing is left. Raises as Table does."""
    with netlink.connect(netlink.NETFILTER, _SETTING_UP) as sock:
        name = _own_name()
        means = _install(sock, name, 0, Means(owned=True, native=True), hooked=False)
        _drop_table(sock, name)
        return means


def mark(sock: socket.socket, value: int) -> None:
    """Marks all that this socket sends (SO_MARK) with FORGED or DIALLED. Raises PermissionError without CAP_NET_ADMIN or CAP_NET_RAW."""
    if sys.platform == "linux":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, _native(value))  # as bytes: Python's int would be taken for a signed one


def others() -> list[str]:
    """The tables of this network namespace that are not ours, as ``"inet firewalld"``; none where we may not ask."""
    try:
        with netlink.connect(netlink.NETFILTER, "listing packet tables") as sock:
            return [f"{_FAMILIES.get(family, family)} {name}" for family, name, _ in _tables(sock) if not name.startswith(PREFIX)]
    except (CapabilityError, OSError):
        return []


def sweep(sock: socket.socket) -> None:
    """Removes the tables of ours that have no owner and whose process is gone. Only those named in our own process namespace are judged."""
    for family, name, flags in _tables(sock):
        match = _OURS.fullmatch(name)
        if match is None or family != _INET or flags & _OWNER:
            continue
        namespace, pid, started = map(int, match.groups())
        if namespace and namespace == _pid_namespace() and _started(pid) != started:
            _drop_table(sock, name)


def _install(sock: socket.socket, name: str, queue: int, means: Means, *, hooked: bool = True) -> Means:
    """Sets the table up by these means, or without those that this kernel lacks. Raises CapabilityError or OSError."""
    while True:
        try:
            _transact(sock, list(_layout(name, queue, means, hooked)))
            return means
        except _Refused as no:
            if no.kind == _NEW_TABLE and means.owned and no.code in (errno.EOPNOTSUPP, errno.EINVAL):
                means = means._replace(owned=False)
            elif no.kind == _NEW_RULE and means.native and no.code == errno.ENOENT:
                means = means._replace(native=False)
            else:
                raise no.told() from None


def _layout(table: str, queue: int, means: Means, hooked: bool) -> Iterator[_Request]:
    new = netlink.CREATE
    name = text(1, table)
    yield _Request("adding a packet table", _NEW_TABLE, new, name + be32(2, _OWNER if means.owned else 0))
    sets = [(_FLOWS[INPUT], _TYPE_MARK, 4), (_FLOWS[OUTPUT], _TYPE_MARK, 4), (_SYNS[INPUT], _TYPE_PORT, 2), (_SYNS[OUTPUT], _TYPE_PORT, 2)]
    for number, (set_name, kind, size) in enumerate(sets, 1):
        body = name + text(2, set_name) + be32(3, 0) + be32(4, kind) + be32(5, size) + be32(10, number)
        yield _Request("adding a set of flows", _NEW_SET, new, body)
    for hook, chain in _CHAINS.items():
        place = nest(4, be32(1, hook), attribute(2, struct.pack(">i", _PRIORITY))) + text(7, "filter") if hooked else b""
        yield _Request("adding a chain of packet rules", _NEW_CHAIN, new, name + text(3, chain) + place)
    elsewhere = nft.meta(nft.OIF, _native(socket.if_nametoindex("lo")), nft.UNEQUAL)
    target = _target(queue, means)
    for hook in _CHAINS:
        yield _rule(table, hook, *nft.meta(nft.MARK, _native(FORGED)), nft.accept())
        yield _rule(table, hook, *nft.tcp(), *nft.among(0, 4, _FLOWS[hook]), target)
        # On loopback what is sent is received as well, and taken there.
        where = elsewhere if hook == OUTPUT else []
        yield _rule(table, hook, *where, *nft.syn(), *nft.among(2, 2, _SYNS[hook]), target)


def _rule(table: str, hook: int, *expressions: bytes) -> _Request:
    body = text(1, table) + text(2, _CHAINS[hook]) + nest(4, *expressions)
    return _Request("adding a packet rule that queues", _NEW_RULE, netlink.CREATE | netlink.APPEND, body)


def _target(queue: int, means: Means) -> bytes:
    return nft.queue(queue) if means.native else nft.compat_queue(queue)


def _own_name() -> str:
    return f"{PREFIX}{_pid_namespace()}-{os.getpid()}-{_started(os.getpid())}-{next(_serial)}"


def _drop_table(sock: socket.socket, name: str) -> None:
    try:
        _transact(sock, [_Request("removing a packet table", _DELETE_TABLE, 0, text(1, name))])
    except _Refused as no:
        if no.code != errno.ENOENT:  # somebody was faster
            raise no.told() from None


def _tables(sock: socket.socket) -> Iterator[tuple[int, str, int]]:
    """Family, name and flags of every table. Raises CapabilityError or OSError."""
    sock.send(netlink.netfilter(_SUBSYSTEM, _GET_TABLE, netlink.REQUEST | netlink.DUMP, 0, b""))
    found = []
    for answer in netlink.answers(sock):
        if answer.kind == netlink.ERROR and (code := netlink.error_of(answer)):
            # A kernel without the subsystem answers EINVAL.
            raise _Refused(_GET_TABLE, _SETTING_UP, errno.EOPNOTSUPP if code == errno.EINVAL else code).told()
        if answer.kind == _SUBSYSTEM << 8 | _NEW_TABLE:
            told = netlink.attributes(answer.body[4:])
            found.append((answer.body[0], told[1].rstrip(b"\0").decode("utf-8", "replace"), int.from_bytes(told.get(2, b""), "big")))
    yield from found


def _transact(sock: socket.socket, requests: Sequence[_Request]) -> None:
    """Does all or nothing, and reads every acknowledgement. Raises _Refused for the first that was refused."""
    batch = [_edge(_BATCH_BEGIN)]
    for number, (_, kind, flags, attributes) in enumerate(requests, 1):
        batch.append(netlink.netfilter(_SUBSYSTEM, kind, flags | netlink.REQUEST | netlink.ACK, number, attributes, family=_INET))
    batch.append(_edge(_BATCH_END))
    sock.send(b"".join(batch))
    refused: dict[int, int] = {}
    acknowledged = 0
    for answer in netlink.answers(sock):
        if answer.kind == netlink.ERROR:
            if code := netlink.error_of(answer):
                refused.setdefault(answer.sequence, code)
            acknowledged += 1
    if refused:
        number = min(refused)
        first = requests[max(number - 1, 0)]  # number 0: the batch itself was refused
        raise _Refused(first.kind if number else -1, first.asked, refused[number])
    if acknowledged != len(requests):
        raise OSError(errno.ENOMSG, f"{requests[0].asked} failed: the kernel answered {acknowledged} of {len(requests)} requests")


def _edge(kind: int) -> bytes:
    return netlink.message(kind, netlink.REQUEST, 0, struct.pack(">BBH", 0, 0, _SUBSYSTEM))


def _by_set(flows: Iterable[Flow]) -> list[tuple[str, list[bytes]]]:
    keys: dict[str, list[bytes]] = {}
    for hook, source, destination in flows:
        keys.setdefault(_FLOWS[hook], []).append(_port(source) + _port(destination))
    return list(keys.items())


def _port(port: int) -> bytes:
    return port.to_bytes(2, "big")


def _native(value: int) -> bytes:
    return struct.pack("=I", value)


def _pid_namespace() -> int:
    """The number of the namespace that process ids are counted in; 0 if /proc cannot tell."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def _started(pid: int) -> int:
    """When the process was started, in clock ticks since the machine was: with its id, what tells it from all others. 0: there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])
