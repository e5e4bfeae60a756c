"""The acts of `faultproxy demo`: in each something goes wrong, and the peers' own kernels are asked what they see."""

from __future__ import annotations

import errno
import hashlib
import os
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio

from faultproxy.arena.commands import Stream, pattern
from faultproxy.arena.player import Player
from faultproxy.core.run import FaultStats
from faultproxy.core.units import show_size
from faultproxy.errors import CapabilityError
from faultproxy.kernel import procnet, sockdiag
from faultproxy.kernel.procnet import Socket
from faultproxy.net.intercept import AnyProxy

PATIENCE = 4.0
"""Seconds that a piece of evidence may take to show; it takes milliseconds on an idle machine."""
POLL = 0.005

LINES, LINE = 4000, 250
"""Lines that act 2 sends, and about how long each is: a megabyte, which fits into no 16 KiB buffer."""
ASKED = 3
"""Questions that act 5 asks while nothing is acknowledged."""
STREAM = 20_000, 1.0
"""Bytes that act 3 asks for, and the seconds over which they come."""


@dataclass(slots=True)
class Evidence:
    """What was seen, a line each; what should have been seen and was not; what this machine cannot tell."""

    seen: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unavailable: list[str] = field(default_factory=list)

    def check(self, holds: bool, what: str) -> None:
        """Something that must be so."""
        (self.seen if holds else self.missing).append(what)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the acts are played: the arena, and the proxy in front of it."""

    proxy: AnyProxy
    arena: tuple[str, int]
    has_tables: bool

    @property
    def entrance(self) -> tuple[str, int]:
        """Where players connect."""
        host, _, port = self.proxy.address.rpartition(":")
        return host, int(port)

    async def enter(self, name: str) -> Player:
        """A player who has logged in, through the proxy."""
        player = await Player.connect(*self.entrance)
        await player.login(name)
        return player

    def client(self, player: Player) -> Socket | None:
        """The player's own socket, as his kernel has it."""
        return _only(procnet.find(local_port=player.port, remote_port=self.entrance[1]))

    def server(self) -> Socket | None:
        """The arena's socket for the only connection that it has."""
        return _only([each for each in procnet.find(local_port=self.arena[1]) if each.state not in ("LISTEN", "TIME_WAIT")])

    async def ask(
        self, evidence: Evidence, who: str, read: Callable[[], Socket | None], wanted: Callable[[Socket], bool], name: str
    ) -> None:
        """Asks a kernel until it shows what is wanted, and notes what it showed in the end."""
        if not self.has_tables:
            evidence.unavailable.append(f"the {who}'s kernel is not asked: there is no /proc/net/tcp here")
            return
        found: Socket | None = None
        with trio.move_on_after(PATIENCE):
            while True:
                found = read()
                if found is not None and wanted(found):
                    evidence.seen.append(f"the {who}'s kernel: {describe(found)}")
                    return
                await trio.sleep(POLL)
        evidence.missing.append(f"the {who}'s kernel does not show {name}, but {describe(found) if found else 'no socket'}")

    async def fired(self, fault: str) -> None:
        """Waits until that fault has acted: healed before, it would never be seen."""
        await self._until(fault, lambda stats: stats.fired > 0)

    async def started(self, fault: str) -> None:
        """Waits until that fault has started."""
        await self._until(fault, lambda stats: stats.starts > 0)

    async def _until(self, fault: str, wanted: Callable[[FaultStats], bool]) -> None:
        with trio.move_on_after(PATIENCE):
            while True:
                if any(stats.name == fault and wanted(stats) for stats in self.proxy.run.stats):
                    return
                await trio.sleep(POLL)

    async def info(self, player: Player, wanted: Callable[[sockdiag.TcpInfo], bool]) -> sockdiag.TcpInfo | None:
        """What the player's kernel knows of his connection, as soon as it is what is wanted; None: it never is."""
        with trio.move_on_after(PATIENCE):
            while True:
                for found in sockdiag.sockets(local_port=player.port, remote_port=self.entrance[1]):
                    if found.info is not None and wanted(found.info):
                        return found.info
                await trio.sleep(POLL)
        return None


async def slow(stage: Stage) -> Evidence:
    """Latency: a round trip through the proxy, and one past it."""
    evidence = Evidence()
    async with await Player.connect(*stage.arena) as player:
        direct = statistics.median(await player.ping(5))
    async with await stage.enter("slow") as player:
        through = statistics.median(await player.ping(5))
    evidence.check(0.06 <= through < 0.2, f"a round trip takes {through * 1000:.1f} ms, and {direct * 1000:.1f} ms past the proxy")
    return evidence


async def stalled(stage: Stage) -> Evidence:
    """A zero window: the client's kernel probes it. Healed, every line arrives."""
    evidence = Evidence()
    lines = [f"SUM {number} {'1' * (LINE - 20)}" for number in range(LINES)]
    expected = hashlib.sha256("".join(f"{sum(map(int, line.split()[1:]))}\n" for line in lines).encode())
    received = hashlib.sha256()
    async with await stage.enter("stalled") as player, trio.open_nursery() as nursery:
        nursery.start_soon(player.send, "".join(f"{line}\r\n" for line in lines).encode())

        def zero_window(socket: Socket) -> bool:
            return socket.timer == "window_probe" and socket.send_queue > 0

        await stage.fired("stalled")
        await stage.ask(evidence, "client", lambda: stage.client(player), zero_window, "a zero window")
        stage.proxy.order("stalled", heal=True, why="the demo has seen enough")
        with trio.move_on_after(2 * PATIENCE):
            for _ in lines:
                received.update(f"{await player.hear()}\n".encode())
        nursery.cancel_scope.cancel()
    whole = received.digest() == expected.digest()
    size = show_size(sum(len(line) + 2 for line in lines))
    said = f"healed, all {size} arrived: the arena's {LINES} answers have the SHA-256 they must have, {received.hexdigest()[:12]}…"
    evidence.check(whole, said if whole else f"healed, not every one of the {LINES} lines was answered rightly")
    return evidence


async def unheard(stage: Stage) -> Evidence:
    """A withheld FIN: the client's kernel waits in FIN_WAIT_2, the server's knows nothing; data still comes."""
    evidence = Evidence()
    count, seconds = STREAM
    expected = b"".join(pattern(Stream(count)))
    async with await stage.enter("unheard") as player:
        await player.send(f"STREAM {count} {seconds}\r\n".encode())
        player.half_close()
        first = await player.read(1)
        await stage.fired("unheard")
        await stage.ask(evidence, "client", lambda: stage.client(player), lambda socket: socket.state == "FIN_WAIT_2", "FIN_WAIT_2")
        before = await player.read(100)
        await stage.ask(evidence, "server", stage.server, lambda socket: socket.state == "ESTABLISHED", "ESTABLISHED")
        evidence.check(first + before == expected[:101], "data still comes after the client's FIN")
        stage.proxy.order("unheard", heal=True, why="the demo has seen enough")
        rest = b""
        with trio.move_on_after(2 * PATIENCE):
            rest = await player.read_to_end()
    whole = first + before + rest == expected
    evidence.check(
        whole, f"healed, the rest came and the server said goodbye too: {count} bytes, every one right" if whole else "bytes are missing"
    )
    return evidence


async def cut(stage: Stage) -> Evidence:
    """A RST to one side: `recv` fails with ECONNRESET, and the server's kernel knows nothing."""
    evidence = Evidence()
    async with await stage.enter("cut") as player:
        await player.send(b"SAY goodbye\r\n")
        got = "nothing"
        with trio.move_on_after(PATIENCE):
            try:
                got = f"{len(await player.read_to_end())} bytes and a FIN"
            except OSError as error:
                got = errno.errorcode.get(error.errno or 0, str(error))
        evidence.check(
            got == "ECONNRESET", f"the client's recv: {got}{f' ({os.strerror(errno.ECONNRESET)})' if got == 'ECONNRESET' else ''}"
        )
        await stage.ask(evidence, "server", stage.server, lambda socket: socket.state == "ESTABLISHED", "ESTABLISHED")
    return evidence


async def unacknowledged(stage: Stage) -> Evidence:
    """Lost ACKs: the server has everything, and the client's kernel sends it again and again, ever more slowly."""
    evidence = Evidence()
    async with await stage.enter("unacknowledged") as player:
        await player.send(b"SAY from now on\r\n")
        await player.hear()
        await stage.started("unacknowledged")
        await player.send(b"PING\r\n" * ASKED)
        answers = [await player.hear() for _ in range(ASKED)]
        evidence.check(answers == ["PONG"] * ASKED, f"the server has heard it all: {len(answers)} answers to {ASKED} questions")
        stuck = await stage.info(player, lambda info: info.retransmits >= 2 and info.backoff >= 2)
        if stuck is None:
            evidence.missing.append("the client's kernel does not send anything again")
            return evidence
        evidence.seen.append(
            f"the client's kernel: ESTABLISHED, {stuck.unacked} segment unacknowledged, sent {stuck.total_retrans} times again, "
            f"back-off {stuck.backoff}, the next try in {stuck.rto / 1e6:.1f} s"
        )
        stage.proxy.order("unacknowledged", heal=True, why="the demo has seen enough")
        began = trio.current_time()
        healed = await stage.info(player, lambda info: info.unacked == 0)
        took = (trio.current_time() - began) * 1000
        evidence.check(healed is not None, f"healed, all is acknowledged {took:.0f} ms later")
        await player.send(b"PING\r\n")
        evidence.check(await player.hear() == "PONG", "and nothing was heard twice: the next answer is the next answer")
    return evidence


@dataclass(frozen=True, slots=True)
class Act:
    """A fault of the demo's scenario, by name, and what is played with it."""

    fault: str
    title: str
    play: Callable[[Stage], Awaitable[Evidence]]
    on_packets: bool = False
    """It needs the packet plane."""


ACTS = (
    Act("slow", "the line is slow", slow),
    Act("stalled", "the other side does not read", stalled),
    Act("unheard", "a goodbye that nobody hears", unheard),
    Act("cut", "cut off, on one side only", cut),
    Act("unacknowledged", "every acknowledgement is lost", unacknowledged, on_packets=True),
)


def describe(socket: Socket) -> str:
    """A socket in a few words."""
    parts: list[str] = [socket.state]
    if socket.send_queue:
        parts.append(f"{show_size(socket.send_queue)} in the send queue")
    if socket.timer == "window_probe":
        parts.append("zero window, the probe timer runs")
    return ", ".join(parts)


def tables_available() -> bool:
    """Whether the kernel can be asked here."""
    try:
        procnet.sockets()
    except CapabilityError:
        return False
    return True


def _only(found: list[Socket]) -> Socket | None:
    return found[0] if len(found) == 1 else None
