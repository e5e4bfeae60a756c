"""Both ends of a connection that a scenario plays with, as the kernels that own them have them."""

from __future__ import annotations

from faultproxy.kernel import sockdiag
from faultproxy.kernel.sockdiag import Diag
from tests.scenarios.stage import Player, Stage


def of_client(s: Stage, player: Player) -> Diag | None:
    """The kernel's word on his socket."""
    rows = sockdiag.sockets(local_port=player.port, remote_port=s.port)
    return rows[0] if rows else None


def of_server(s: Stage) -> Diag | None:
    """The kernel's word on the server's only connection."""
    rows = [row for row in sockdiag.sockets(local_port=s.server_port) if row.state != "LISTEN"]
    assert len(rows) <= 1, f"one connection was meant, and these are there: {rows}"
    return rows[0] if rows else None


def of(end: str, s: Stage, player: Player) -> Diag | None:
    """The same for the end of that name."""
    return of_client(s, player) if end == "client" else of_server(s)


def state(row: Diag | None) -> str:
    """CLOSED when the kernel knows it no more."""
    return "CLOSED" if row is None else row.state


def states(s: Stage, player: Player) -> tuple[str, str]:
    """Those of both ends."""
    return state(of_client(s, player)), state(of_server(s))


def resent(row: Diag | None) -> int:
    """How many segments that end has sent again."""
    return 0 if row is None or row.info is None else row.info.total_retrans


def backoff(row: Diag | None) -> int:
    """How often its timer has been doubled."""
    return 0 if row is None or row.info is None else row.info.backoff
