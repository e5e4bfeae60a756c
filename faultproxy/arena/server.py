"""The arena's server, as a program (`faultproxy-arena`) and as a task: ``host, port = await nursery.start(serve, "127.0.0.1", 0)``."""

from __future__ import annotations

import argparse
import errno
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import trio

from faultproxy.arena.limits import DEFAULT, Limits
from faultproxy.arena.room import Room
from faultproxy.arena.seat import Seat
from faultproxy.core import units
from faultproxy.errors import FaultproxyError, ListenError

Address = tuple[str, int]

# accept(2): ours is the lack, and it passes; the one who knocks stays in the queue meanwhile.
_SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_RETRY = 0.1


@dataclass(frozen=True, slots=True)
class Listening:
    """How the arena listens. `send_buffer` (bytes) bounds what the kernel takes over for a player who does not read."""

    backlog: int = 1024
    send_buffer: int | None = None


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
    listening: Listening = Listening(),
    ticks: Ticks = Ticks(),
    watch: Callable[[str], None] = lambda event: None,
    task_status: trio.TaskStatus[Address] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the arena until cancelled; then every player gets a FIN. Started with the address that it listens on.

    `watch` is told in a few words who comes and who goes, and why. Raises ListenError where it cannot listen.
    """
    room = Room(limits.grace)
    with await _listen(host, port, listening) as listener:
        async with trio.open_nursery() as nursery:
            if ticks.every:
                nursery.start_soon(_tick, room, ticks)
            task_status.started(listener.getsockname()[:2])
            async with trio.open_nursery() as seats:
                await _accept(listener, seats, room, limits, watch)


async def _listen(host: str, port: int, listening: Listening) -> trio.socket.SocketType:
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = trio.socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if listening.send_buffer is not None:  # before listen: whoever is accepted inherits it
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, listening.send_buffer)
            await listener.bind(address)
            listener.listen(listening.backlog)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise ListenError(f"the arena cannot listen on {host}:{port} ({error.strerror}): choose another --port, or 0 for any") from error
    return listener


async def _accept(listener: trio.socket.SocketType, seats: trio.Nursery, room: Room, limits: Limits, watch: Callable[[str], None]) -> None:
    while True:
        try:
            sock, address = await listener.accept()
        except OSError as error:
            if error.errno in _SCARCE:
                await trio.sleep(_RETRY)
            continue  # anything else concerns the one connection that was lost before we took it
        if len(seats.child_tasks) >= limits.players:
            await _turn_away(sock)
            continue
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        seats.start_soon(_seat, Seat(sock, room, limits), address, watch)


async def _turn_away(sock: trio.socket.SocketType) -> None:
    with sock, trio.move_on_after(_RETRY):  # a fresh connection has room for a line, so this holds nobody up
        try:
            await sock.send(b"ERR the arena is full\r\n")
        except OSError:
            return


async def _seat(seat: Seat, address: Address, watch: Callable[[str], None]) -> None:
    watch(f"{address[0]}:{address[1]} connected")
    reason = await seat.run()
    watch(f"{address[0]}:{address[1]} {seat.name or 'without a name'} left: {reason}")


async def _tick(room: Room, ticks: Ticks) -> None:
    number, start = 0, trio.current_time()
    while True:
        number += 1
        await trio.sleep_until(start + number * ticks.every)
        room.say(None, f"TICK {number}".ljust(ticks.size - 2, "."))


def main(arguments: Sequence[str] | None = None) -> None:
    """The program. Prints ``listening on HOST:PORT`` when it can be connected to; ends at SIGTERM or Ctrl-C with exit code 0."""
    options = _parser().parse_args(arguments)
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
        grace=options.grace,
        players=options.players,
        queue=options.queue,
    )
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:

            async def start(task_status: trio.TaskStatus[Address]) -> None:
                await serve(
                    options.host,
                    options.port,
                    limits=limits,
                    listening=Listening(options.backlog, options.send_buffer),
                    ticks=Ticks(options.tick, options.tick_size),
                    watch=_tell if options.verbose else lambda event: None,
                    task_status=task_status,
                )

            host, port = await nursery.start(start)
            _tell(f"listening on {host}:{port}")
            await anext(signals)
            nursery.cancel_scope.cancel()


def _tell(event: str) -> None:
    print(event, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="faultproxy-arena", description="A small TCP game server, to be put behind faultproxy.")
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=int, default=0, help="port to listen on; 0, the default, takes a free one")
    for name, what in (
        ("login", "time for the login"),
        ("heartbeat", "longest time between two lines"),
        ("stalled", "longest time in which a player may take nothing"),
        ("grace", "how long a lost session can be resumed"),
    ):
        shown = units.show_duration(getattr(DEFAULT, name))
        add(f"--{name}", type=_unit(units.duration), default=getattr(DEFAULT, name), metavar="TIME", help=f"{what} ({shown})")
    add("--players", type=int, default=DEFAULT.players, metavar="N", help="connections at once (%(default)s)")
    add("--queue", type=_unit(units.size), default=DEFAULT.queue, metavar="SIZE", help="what may wait for one player (256KiB)")
    add("--backlog", type=int, default=1024, metavar="N", help="the listen queue (%(default)s)")
    add("--send-buffer", type=_unit(units.size), metavar="SIZE", help="what the kernel may hold for one player")
    add("--tick", type=_unit(units.duration), default=0.0, metavar="TIME", help="send every player a line this often")
    add("--tick-size", type=_unit(units.size), default=16, metavar="SIZE", help="how long that line is (16B)")
    add("--verbose", action="store_true", help="say who comes and who goes, and why")
    return parser


def _unit(read: Callable[[object], float]) -> Callable[[str], float]:
    def checked(text: str) -> float:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return checked


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
