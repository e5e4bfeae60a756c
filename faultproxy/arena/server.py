"""The arena's server, as a program (`faultproxy-arena`) and as a task: ``host, port = await nursery.start(serve, "127.0.0.1", 0)``."""

from __future__ import annotations

import argparse
import contextlib
import errno
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import trio

from faultproxy.arena.defences import ALL, Defences
from faultproxy.arena.house import House
from faultproxy.arena.limits import DEFAULT, Limits
from faultproxy.arena.listening import USUAL, Listening, listen
from faultproxy.arena.options import defences as defences_left
from faultproxy.arena.options import parser
from faultproxy.arena.seat import Seat
from faultproxy.errors import FaultproxyError, ListenError

Address = tuple[str, int]
Watch = Callable[[str], None]

# accept(2): ours is the lack, and it passes; the one who knocks stays in the queue meanwhile.
_SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_RETRY = 0.1


@dataclass(frozen=True, slots=True)
class Ticks:
    """The game's own pulse: a line ``TICK n`` of `size` bytes to everybody who has logged in, each `every` seconds; 0 is never."""

    every: float = 0.0
    size: int = 16


async def serve(
    host: str,
    port: int,
    *,
    limits: Limits = DEFAULT,
    listening: Listening = USUAL,
    ticks: Ticks = Ticks(),
    defences: Defences = ALL,
    closing: trio.Event | None = None,
    watch: Watch = lambda event: None,
    task_status: trio.TaskStatus[Address] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the arena until `closing` is set; then it lets nobody in, dismisses the players, and returns within `Limits.farewell` seconds.

    Cancelled, it does not wait for that: every player gets a FIN. Started with the address that it listens on. `watch` is told in a few
    words who comes and who goes, and why. Raises ListenError where it cannot listen.
    """
    closing = trio.Event() if closing is None else closing
    house = House.build(limits, defences)
    door = _Door(house, watch)
    listener = await listen(host, port, listening)
    async with trio.open_nursery() as seats:
        with listener:
            async with trio.open_nursery() as hours:
                hours.start_soon(door.stand, listener, seats)
                if ticks.every:
                    hours.start_soon(_tick, house, ticks)
                task_status.started(listener.getsockname()[:2])
                await closing.wait()
                hours.cancel_scope.cancel()
        if defences.orderly_shutdown:
            door.dismiss("the arena closes")
        else:
            seats.cancel_scope.cancel()


class _Door:
    """Lets players in, as long as there is room, and knows who is in."""

    def __init__(self, house: House, watch: Watch) -> None:
        self._house, self._watch = house, watch
        self._seats: set[Seat] = set()

    async def stand(self, listener: trio.socket.SocketType, seats: trio.Nursery) -> None:
        while True:
            try:
                sock, address = await listener.accept()
            except OSError as error:
                if error.errno in _SCARCE:
                    await trio.sleep(_RETRY)
                continue  # anything else concerns the one connection that was lost before we took it
            if len(self._seats) >= self._house.limits.players:
                await _turn_away(sock)
                continue
            with contextlib.suppress(OSError):  # some kernels refuse it on a connection that is dead already
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            seat = Seat(sock, self._house)
            self._seats.add(seat)
            seats.start_soon(self._serve, seat, f"{address[0]}:{address[1]}")

    def dismiss(self, reason: str) -> None:
        """All who are in."""
        for seat in self._seats:
            seat.dismiss(reason)

    async def _serve(self, seat: Seat, address: str) -> None:
        self._watch(f"{address} connected")
        try:
            reason = await seat.run()
        finally:
            self._seats.discard(seat)
        self._watch(f"{address} {seat.name or 'without a name'} left: {reason}")


async def _turn_away(sock: trio.socket.SocketType) -> None:
    with sock, trio.move_on_after(_RETRY):  # a fresh connection has room for a line, so this holds nobody up
        try:
            await sock.send(b"ERR the arena is full\r\n")
        except OSError:
            return


async def _tick(house: House, ticks: Ticks) -> None:
    number, start = 0, trio.current_time()
    while True:
        number += 1
        await trio.sleep_until(start + number * ticks.every)
        await house.pace.keep()
        house.room.say(None, f"TICK {number}".ljust(ticks.size - 2, "."))


def main(arguments: Sequence[str] | None = None) -> None:
    """The program. Prints ``listening on HOST:PORT`` when it can be connected to; ends at SIGTERM or Ctrl-C with exit code 0.

    At SIGHUP it closes as at SIGTERM and opens again on the same port, with nobody in and no session left.
    """
    options = parser().parse_args(arguments)
    _raise_descriptor_limit()
    try:
        trio.run(_run, options)
    except BaseExceptionGroup as group:
        ours, rest = group.split(FaultproxyError)
        if ours is None or rest is not None:
            raise
        for error in _leaves(ours):
            print(f"faultproxy-arena: {error}", file=sys.stderr)
        raise SystemExit(ListenError.exit_code) from None


async def _run(options: argparse.Namespace) -> None:
    limits = Limits(
        login=options.login,
        heartbeat=options.heartbeat,
        stalled=options.stalled,
        farewell=options.farewell,
        grace=options.grace,
        players=options.players,
        queue=options.queue,
    )
    defences, listening = defences_left(options), Listening(options.backlog, options.send_buffer, options.reuse_address)
    run = partial(
        serve,
        limits=limits,
        listening=listening,
        ticks=Ticks(options.tick, options.tick_size),
        defences=defences,
        watch=_tell if options.verbose else lambda event: None,
    )
    port, again = options.port, ""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        while True:
            closing = trio.Event()
            async with trio.open_nursery() as nursery:
                host, port = await nursery.start(partial(run, closing=closing), options.host, port)
                _tell(f"listening{again} on {host}:{port}")
                if missing := defences.left_out():
                    _tell(f"without {', '.join(missing)}")
                heard = await anext(signals)
                closing.set()
            if heard != signal.SIGHUP:
                return
            again = " again"


def _tell(event: str) -> None:
    print(event, flush=True)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each


def _raise_descriptor_limit() -> None:
    """As many descriptors as we may have: the usual soft limit of 1024 is short of a full arena."""
    try:
        import resource  # noqa: PLC0415 - POSIX only
    except ImportError:
        return
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
