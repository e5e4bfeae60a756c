"""The four taps of a proxied connection on real sockets: whose data passes there, and what the kernel says of the two sockets concerned.

`sender` and `receiver` are the two TCP sockets of the leg, as the kernel has them: at `from_client` the client's own and the proxy's, at
`to_client` the other way round. `source` and `sink` are the programs' ends of the whole connection: what is written at one arrives at the
other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
import trio

from faultproxy.core.events import Tap
from faultproxy.kernel import sockdiag
from faultproxy.kernel.netstat import counters
from faultproxy.kernel.sockdiag import Diag, TcpInfo
from tests.live.rig import End, Rig, in_network

TAPS: tuple[Tap, ...] = ("from_client", "to_client", "from_server", "to_server")
TO: tuple[Tap, ...] = ("to_client", "to_server")
HOSTS = ["127.0.0.1", "::1"]
SIZES = [1500, 65536]
"""Of the loopback's packets: as on an Ethernet, and as large as they come."""


def info(end: End) -> TcpInfo:
    """What the kernel knows of this end's connection."""
    return sockdiag.tcp_info(end.sock._sock)  # type: ignore[attr-defined]


@dataclass
class Way:
    """A connection, looked at from one tap. `said` is what was sent through `say`, and must all have arrived in the end."""

    tap: Tap
    client: End
    server: End
    said: bytes = b""
    heard: bytes = b""
    _ports: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self._ports = self.near.sock.getsockname()[1], self.near.sock.getpeername()[1]

    @property
    def near(self) -> End:
        """The peer at this leg."""
        return self.client if self.tap.endswith("client") else self.server

    @property
    def far(self) -> End:
        """The other peer."""
        return self.server if self.near is self.client else self.client

    @property
    def source(self) -> End:
        """Who sends what passes here."""
        return self.client if self.tap in ("from_client", "to_server") else self.server

    @property
    def sink(self) -> End:
        """Who gets it in the end."""
        return self.server if self.source is self.client else self.client

    def row(self, which: str) -> Diag | None:
        """The kernel's word on the leg's `sender` or `receiver`; None when it is gone."""
        ours = self.tap.startswith("from_") == (which == "receiver")
        local, remote = reversed(self._ports) if ours else self._ports
        found = sockdiag.sockets(local_port=local, remote_port=remote)
        return found[0] if found else None

    @property
    def sender(self) -> TcpInfo:
        """TCP_INFO of the socket whose data passes here."""
        return _info(self.row("sender"))

    @property
    def receiver(self) -> TcpInfo:
        """TCP_INFO of the socket to which it goes."""
        return _info(self.row("receiver"))

    async def say(self, data: bytes) -> None:
        """Sends at the source."""
        self.said += data
        await self.source.send(data)

    async def hear(self) -> None:
        """Receives at the sink until all that was said has come, and it is the same."""
        self.heard += await self.sink.recv(len(self.said) - len(self.heard))
        assert self.heard == self.said

    async def pass_on(self, data: bytes) -> None:
        """Says and hears at once, for what is larger than all buffers."""
        self.said += data
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.source.send, data)
            nursery.start_soon(self.hear)

    async def end(self) -> None:
        """Ends the stream: after all that was said there is only the FIN, and nothing twice."""
        await self.hear()
        self.source.fin()
        assert await self.sink.recv_all() == b""


def _info(row: Diag | None) -> TcpInfo:
    assert row is not None, "the kernel does not know this socket any more"
    assert row.info is not None
    return row.info


async def way(r: Rig, tap: Tap) -> Way:
    """A new connection, looked at from there."""
    client, server = await r.connect()
    return Way(tap, client, server)


class Counted:
    """A counter of the kernel, from now on."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._before = counters()[name]

    def __call__(self) -> int:
        return counters()[self._name] - self._before

    def are(self, count: int) -> bool:
        """Whether it has risen by so many."""
        return self() == count


def everywhere(*taps: Tap) -> Callable[[Callable[[str, Tap], Awaitable[None]]], Callable[[str, int], None]]:
    """Decorates an async test of `host` and `tap`: over IPv4 and IPv6, with packets of either size, each in a network of its own."""

    def decorate(body: Callable[[str, Tap], Awaitable[None]]) -> Callable[[str, int], None]:
        async def each(host: str) -> None:
            for tap in taps:
                await body(host, tap)

        def test(host: str, mtu: int) -> None:
            in_network(mtu=mtu)(each)(host)

        test.__name__, test.__doc__, test.__module__ = body.__name__, body.__doc__, body.__module__
        parametrized: Callable[[str, int], None] = pytest.mark.parametrize("mtu", SIZES)(pytest.mark.parametrize("host", HOSTS)(test))
        return parametrized

    return decorate


def fault(kind: str, tap: Tap | tuple[Tap, ...], rest: str = "", *, starts: str = "") -> str:
    """A packet fault's table in TOML, named by its kind."""
    taps = [tap] if isinstance(tap, str) else tap
    direction = ", ".join(f'"{each}"' for each in taps)
    return f'kind = "{kind}"\ndirection = [{direction}]\n{rest}\n{starts}\n'
