"""The players that come with a scenario: probes, who are healthy and measured, and crowds, whom the faults hit."""

from __future__ import annotations

import resource
import select
from collections.abc import Callable, Mapping, Sequence

import trio

from faultproxy.core.limits import DESCRIPTORS_SPARE, Budget
from faultproxy.core.plan import Peer
from faultproxy.errors import CapabilityError
from faultproxy.net.readiness import EpollReadiness, Readiness, TaskReadiness
from faultproxy.net.sockets import connection_limit, name_of
from faultproxy.net.switchboard import Switchboard
from faultproxy.scenario.sections import Crowd, Probe
from faultproxy.scenario.variables import Value
from faultproxy.verify.players.dialling import Enroll, Target, dial, resolve
from faultproxy.verify.players.member import Crew, Member
from faultproxy.verify.players.script import of_member, of_probe
from faultproxy.verify.players.tally import Tally
from faultproxy.verify.world import Player

__all__ = ["Players"]

BASELINE = 5.0
"""Seconds in which everything must have worked once before anything is made to fail."""
TURNED_AWAY = 0.05
"""Seconds that a lone connect is held: a proxy that cannot reach its server has ended it by then."""
POLL = 0.002
"""Seconds between two looks at the books."""
DESCRIPTORS_EACH = 3
"""A player's own, and the two legs of the proxy, which lives in the same process."""


class Players:
    """Probes and crowds that connect to `address` (``host:port`` or ``unix:/path``).

    `now` is the run's clock in seconds, `enroll` is told each local port and whose it is before anything arrives from it, and `values`
    fill in the ``${name}`` that only a run knows. `run()` plays; everything else may be called meanwhile, from the same trio run.
    """

    def __init__(
        self,
        probes: Sequence[Probe],
        crowds: Sequence[Crowd],
        address: str,
        *,
        now: Callable[[], float],
        enroll: Enroll,
        values: Mapping[str, Value],
    ) -> None:
        self._probes = tuple(probes)
        self._crowds = tuple(crowds)
        self._address = address
        self._now = now
        self._enroll = enroll
        self._values = values
        self._books = {f"probe.{probe.name}": Tally() for probe in self._probes}
        self._books |= {f"crowd.{crowd.name}": Tally(crowd.count) for crowd in self._crowds}
        self._crew: Crew | None = None
        self._members: list[Member] = []

    async def run(self, *, task_status: trio.TaskStatus[Players] = trio.TASK_STATUS_IGNORED) -> None:
        """Starts the probes, and plays until cancelled; then every socket is closed.

        Raises ScenarioError where the address has no meaning, CapabilityError where so many cannot have a socket each.
        """
        self._check_descriptors()
        target = await resolve(self._address)
        async with trio.open_nursery() as nursery:
            readiness: Readiness = EpollReadiness() if hasattr(select, "epoll") else TaskReadiness(nursery)
            board = Switchboard(readiness, Budget())
            self._crew = Crew(board, target, self._now, self._enroll)
            try:
                for probe in self._probes:
                    self._play(Member(self._crew, of_probe(probe, self._values), self._of(probe), Peer("", 0, "probe", probe.name, 1)))
                task_status.started(self)
                await board.run()
            finally:
                for member in self._members:
                    member.stop()
                self._crew = None
                readiness.close()
                nursery.cancel_scope.cancel()

    def start_crowds(self) -> None:
        """Lets all crowds in, in file order, each member by his number."""
        assert self._crew is not None, "`run` must be under way"
        for crowd in self._crowds:
            for number in range(1, crowd.count + 1):
                script = of_member(crowd, number, self._values)
                self._play(Member(self._crew, script, self._of(crowd), Peer("", 0, "crowd", crowd.name, number)))

    async def baseline(self, within: float = BASELINE) -> str:
        """Waits until every probe has succeeded once; without a probe, until a connection has come to be. Empty, or why not."""
        if not self._probes:
            return await self._connect(within)
        with trio.move_on_after(within):
            while any(not self._of(probe).ok for probe in self._probes):  # noqa: ASYNC110 - an answer is booked far from here
                await trio.sleep(POLL)
        return "; ".join(
            f'probe "{probe.name}" has had no right answer within {within:g} s ({self._of(probe).trouble or "the first is still due"})'
            for probe in self._probes
            if not self._of(probe).ok
        )

    def recovered(self, since: float) -> bool:
        """Whether every probe has asked since then, and was rightly answered."""
        return not self.missing(since)

    def missing(self, since: float) -> list[str]:
        """Which probes have not, a few words each."""
        return [
            f'probe "{probe.name}": {self._of(probe).trouble or "no answer yet"}'
            for probe in self._probes
            if (last := self._of(probe).last_ok) is None or last < since
        ]

    def snapshot(self) -> Mapping[str, Player]:
        """All of them as they stand: ``{"probe.healthy": …, "crowd.lurkers": …}``. It costs next to nothing where nothing has happened."""
        return {name: tally.snapshot() for name, tally in self._books.items()}

    # ------------------------------------------------------------------

    def _of(self, table: Probe | Crowd) -> Tally:
        return self._books[f"{'probe' if isinstance(table, Probe) else 'crowd'}.{table.name}"]

    def _play(self, member: Member) -> None:
        self._members.append(member)
        member.start()

    async def _connect(self, within: float) -> str:
        target = self._crew.target if self._crew is not None else await resolve(self._address)
        why = f"it took more than {within:g} s"
        with trio.move_on_after(within):
            why = await _turned_away(target, self._enroll)
        return f"a connection to the proxy at {self._address} did not come to be: {why}" if why else ""

    def _check_descriptors(self) -> None:
        count = len(self._probes) + sum(crowd.count for crowd in self._crowds)
        connection_limit()  # raises it as far as this user may
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = count * DESCRIPTORS_EACH + DESCRIPTORS_SPARE
        if limit not in (resource.RLIM_INFINITY, -1) and needed > limit:
            raise CapabilityError(
                f"{count} players need {needed} open files, {DESCRIPTORS_EACH} each and some to spare, and {limit} are allowed here: "
                f"raise the limit (ulimit -Hn {needed}), or lower `count`"
            )


async def _turned_away(target: Target, enroll: Enroll) -> str:
    try:
        made, _ = dial(target, Peer("", 0, "probe", "baseline", 1), enroll)
        with trio.socket.from_stdlib_socket(made) as sock:
            await trio.lowlevel.wait_writable(sock)
            if code := sock.getsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_ERROR):
                return f"connect() failed with {name_of(code)}"
            with trio.move_on_after(TURNED_AWAY):
                if not await sock.recv(1):
                    return "it was closed at once (does the server run?)"
    except OSError as error:
        return f"it broke with {name_of(error)} (does the server run?)"
    return ""
