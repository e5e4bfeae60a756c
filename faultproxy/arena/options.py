"""The command line of `faultproxy-arena`."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from faultproxy.arena.defences import ALL, NAMES, Defences
from faultproxy.arena.limits import DEFAULT
from faultproxy.core import units


def parser() -> argparse.ArgumentParser:
    """Times and sizes come with their units, as in a scenario."""
    made = argparse.ArgumentParser(
        prog="faultproxy-arena",
        description="A small TCP game server, to be put behind faultproxy.",
        epilog=f"defences: {', '.join(NAMES)}",
    )
    add = made.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=int, default=0, help="port to listen on; 0, the default, takes a free one")
    for name, what in (
        ("login", "time for the login"),
        ("heartbeat", "longest time between two lines"),
        ("stalled", "longest time in which a player may take nothing"),
        ("farewell", "how long one who must go may take for what is owed to him"),
        ("grace", "how long a lost session can be resumed"),
    ):
        shown = units.show_duration(getattr(DEFAULT, name))
        add(f"--{name}", type=_unit(units.duration), default=getattr(DEFAULT, name), metavar="TIME", help=f"{what} ({shown})")
    add("--players", type=int, default=DEFAULT.players, metavar="N", help="connections at once (%(default)s)")
    add("--queue", type=_unit(units.size), default=DEFAULT.queue, metavar="SIZE", help="what may wait for one player (256KiB)")
    add("--backlog", type=int, default=1024, metavar="N", help="the listen queue (%(default)s)")
    add("--send-buffer", type=_unit(units.size), metavar="SIZE", help="what the kernel may hold for one player")
    add("--no-reuse-address", dest="reuse_address", action="store_false", help="bind without SO_REUSEADDR: fails beside a TIME_WAIT")
    add("--tick", type=_unit(units.duration), default=0.0, metavar="TIME", help="send every player a line this often")
    add("--tick-size", type=_unit(units.size), default=16, metavar="SIZE", help="how long that line is (16B)")
    add("--verbose", action="store_true", help="say who comes and who goes, and why")
    add("--without", type=_names, action="extend", default=[], metavar="NAME[,NAME]", help="leave these defences out")
    add("--naive", dest="without", action="store_const", const=list(NAMES), help="leave all of them out")
    return made


def defences(options: argparse.Namespace) -> Defences:
    """Those that are left."""
    return ALL.without(options.without)


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    try:
        ALL.without(names)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return names


def _unit(read: Callable[[object], float]) -> Callable[[str], float]:
    def checked(text: str) -> float:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return checked
