"""What the kernel is told about segments: which to bring, how much of each, and the verdict on every one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from faultproxy.core import actions as do
from faultproxy.core.header import MSS, Malformed, Packet
from faultproxy.core.limits import PACKETS_QUEUED
from faultproxy.core.packet_side import PacketSide
from faultproxy.kernel.forge import Injector
from faultproxy.kernel.nfqueue import LARGEST_COPY, Queue, Queued
from faultproxy.kernel.nftables import Flow as Rule
from faultproxy.kernel.nftables import Table
from faultproxy.net.sockets import LARGEST_SEGMENT
from faultproxy.net.tapped import PORTS, Key, Tapped

HEADERS = 128
"""Bytes that are copied of a segment while nobody wants its payload: the longest headers of IPv4 and TCP are 120, of IPv6 usually 100."""

_FULL = 3
"""The segments that there are at least where more did not fit: the buffer of the queue's socket has room for so many of the longest."""


class Verdicts:
    """Queue, rules and raw sockets. `fail_open`: what cannot be judged (unreadable, or too much at once) passes, and `notify` hears of it.

    `always_whole`: segments are copied whole whatever the faults need. Raises CapabilityError where this process may not have them.
    """

    def __init__(self, notify: Callable[[str], None], *, fail_open: bool, always_whole: bool) -> None:
        self._notify = notify
        self._fail_open = fail_open
        self.closed = False
        self.queue = Queue(copy=LARGEST_COPY if always_whole else HEADERS, limit=PACKETS_QUEUED, gso=True, fail_open=fail_open)
        try:
            self.table = Table(self.queue.number)
        except BaseException:
            self.queue.close()
            raise
        self._injector = Injector()
        self._instead: dict[int, bytes] = {}
        """What is to pass in place of segments that are let through, by their number."""
        self._watched: dict[Rule, set[Key]] = {}
        """The kernel goes by ports, and several connections may have the same."""
        self._wholes = int(always_whole)
        self._singles = 0
        """How many want segments copied whole, and one by one."""
        self._attended: set[int] = set()
        self._unreadable = 0
        self._told_of_large = False
        self._overflow = 0
        """How many went past us when it was told last."""
        try:
            self._injector.open()  # in the midst of a run would be too late to learn that it may not
        except BaseException:
            self.close()
            raise

    def watch(self, keys: Iterable[Key]) -> None:
        """Segments of these flows are brought from now on, and those of others that have the same ports."""
        rules = {key: _rule(key) for key in keys}
        for key, rule in rules.items():
            self._watched.setdefault(rule, set()).add(key)
        self.table.tap(*rules.values())

    def unwatch(self, keys: Sequence[Key]) -> None:
        """Segments of these flows are not brought any more."""
        rules = {key: _rule(key) for key in keys}
        for key, rule in rules.items():
            self._watched[rule].discard(key)
        unwanted = [rule for rule in set(rules.values()) if not self._watched[rule]]
        for rule in unwanted:
            del self._watched[rule]
        if unwanted and not self.closed:
            self.table.untap(*unwanted)

    def exchange(self, unwanted: Sequence[Key], wanted: Sequence[Key]) -> None:
        """Segments of other flows than before are brought. Where the kernel refuses that, faults miss them, and it is told."""
        try:
            self.watch(wanted)
        except OSError as why:
            self._notify(f"not all connections that are open are met by the faults that have come: {why}")
        with suppress(OSError):  # then they come, and pass
            self.unwatch(unwanted)

    def attend(self, port: int, on: bool) -> None:
        """From now on SYNs to that port are brought, or are not any more."""
        if on and port not in self._attended:
            self.table.listener(port)
            self._attended.add(port)
        elif not on and port in self._attended:
            self._attended.discard(port)
            with suppress(OSError):  # then they come, and pass
                self.table.ignore(port)

    def want(self, tapped: Tapped, side: PacketSide | None) -> None:
        """Brings as much of each segment as the faults of all connections need; those of this one may have changed. None: it is gone."""
        whole, single = (side.needs_whole, side.needs_single) if side is not None else (False, False)
        before, tapped.wants = tapped.wants, (whole, single)
        wholes, singles = self._wholes + whole - before[0], self._singles + single - before[1]
        if not self.closed:
            if bool(wholes) != bool(self._wholes):
                self.queue.set_copy(LARGEST_COPY if wholes else HEADERS)
            if bool(singles) != bool(self._singles):
                self.queue.set_gso(not singles)
        self._wholes, self._singles = wholes, singles

    def act(self, actions: Sequence[do.Action]) -> None:
        """Carries out those actions that are about segments; the queue keeps verdicts until it is flushed."""
        queue = self.queue
        for action in actions:
            match action:
                case do.Pass(_, ref):
                    if self._instead and (instead := self._instead.pop(ref, None)) is not None:
                        queue.replace(ref, instead)
                    else:
                        queue.accept(ref)
                case do.Lose(_, ref):
                    self._instead.pop(ref, None)
                    queue.drop(ref)
                case do.Change(_, ref, data):
                    self._instead.pop(ref, None)
                    queue.replace(ref, data)
                case do.Inject(_, data):
                    queue.flush()
                    if not self._injector.send(data) and self._injector.failed == 1:
                        self._notify(f"the kernel refuses a segment of ours ({self._injector.why}): copies and forged ones are lost")
                case _:
                    pass

    def limited(self, syn: Packet) -> Packet:
        """The same, but that it asks for no segment too large to be copied whole: where the MTU is 64 KiB, the largest are.

        What cannot be copied whole cannot be changed, and a fault would only seem to act on it.
        """
        told = syn.option(MSS)
        if syn.ref is None or told is None or int.from_bytes(told, "big") <= LARGEST_SEGMENT or not syn.whole:
            return syn
        if not syn.set_option(MSS, LARGEST_SEGMENT.to_bytes(2, "big")):
            return syn
        data = self._instead[syn.ref] = syn.encode()
        return Packet(data, ref=syn.ref, outbound=syn.outbound)

    def unreadable(self, queued: Queued, why: Malformed) -> None:
        """Nobody can say whose segment this is."""
        self._unreadable += 1
        (self.queue.accept if self._fail_open else self.queue.drop)(queued.id)
        if self._unreadable == 1:
            self._notify(f"a segment cannot be read ({why}): such are {'let through' if self._fail_open else 'dropped'}")

    def came_before(self, queued: Queued, packet: Packet, faults: PacketSide) -> bool:
        """Whether there is too little of a segment, or too much, for the faults that act on it now: it passes.

        It was on its way when the fault began that needs more of it: a bundle of segments, not to be judged as one, or the head alone. Or
        its connection was open before, so that nobody has told the two ends that the kernel copies no packet of 64 KiB.
        """
        if len(packet.raw) < packet.length and faults.needs_whole:
            if packet.length > LARGEST_COPY and not self._told_of_large:
                self._told_of_large = True
                self._notify(
                    f"a segment of {packet.length} bytes is too large to be copied whole, and passes the faults that want that: so do all "
                    "as large on connections that were open before; those that open from now on have smaller ones"
                )
            return True
        return queued.gso and faults.needs_single

    def look_for_overflow(self, read: int) -> None:
        """Tells if segments went past us, and again when it is ten times as many; to be asked when `read` have been read at once."""
        if read >= _FULL or self.queue.waiting >= PACKETS_QUEUED:
            self._tell_overflow(at_least=max(1, 10 * self._overflow))

    def _tell_overflow(self, at_least: int) -> None:
        overflow = self.queue.overflow
        if overflow >= at_least:
            what = "went past all faults" if self._fail_open else "were dropped"
            self._notify(f"segments come faster than they can be judged, or too many are held: {overflow} so far {what}")
            self._overflow = overflow

    def close(self) -> None:
        """Queue and rules go; what is still waiting passes.

        In this order: the kernel throws away all that waits in any queue when a chain is removed.
        """
        self.closed = True
        self._tell_overflow(at_least=self._overflow + 1)
        self.queue.close()
        self.table.close()
        self._injector.close()


def _rule(key: Key) -> Rule:
    hook, ends = key
    return (hook, *PORTS.unpack(ends[-4:]))
