"""What is observed of sockets that are gone, or not there yet: the kernel's tables alone do not tell."""

from __future__ import annotations

import contextlib
import socket
import sys

import pytest
import trio

from faultproxy.kernel import procnet, sockdiag
from faultproxy.kernel.sockdiag import Diag
from faultproxy.net.proxy import Proxy
from faultproxy.verify.census import Census
from faultproxy.verify.observers import Observers, Place, received
from faultproxy.verify.world import NotYet, Seen
from tests.live.rig import until
from tests.verify.test_play import ARENA, play

pytestmark = pytest.mark.live

CROWD = """
[[crowd]]
name = "one"
count = 1
behaviour = "{behaviour}"
send = "{send}\\r\\n"
"""
UNREAD = """
[[fault]]
name = "unread"
kind = "stall_reads"
direction = "c2s"
on_match = "PING deaf"
[[fault]]
name = "closed"
kind = "close"
direction = "s2c"
on_fault = "unread"
after = "300ms"
"""


def expect(what: str, wanted: str) -> str:
    return f'[[expect]]\nwhat = "{what}"\n{wanted}\nwithin = "2s"\nsince = "start"\n'


async def test_a_rst_that_only_the_kernel_has_decided_on_is_told_by_the_player_who_got_it() -> None:
    flood = CROWD.format(behaviour="flood", send="PING deaf")
    result = await play(ARENA + flood + UNREAD + expect("client.rst_received", "is = true"))
    assert (result.outcome, result.reason) == ("passed", "")


async def test_bytes_that_came_between_the_last_look_and_the_end_are_counted() -> None:
    asker = CROWD.format(behaviour="half_close", send="STREAM 500000")
    result = await play(ARENA + asker + expect("client.bytes_received", 'is = "500000B"'))
    assert (result.outcome, result.reason) == ("passed", "")


def in_state(state: str, left: socket.socket, right: socket.socket) -> None:
    """Brings `left` there, which has got 7 bytes. What it must send and `right` does not read stands between its FIN and the wire."""
    left.setblocking(False)
    right.sendall(b"goodbye")
    if state in ("CLOSING", "LAST_ACK"):
        with contextlib.suppress(BlockingIOError):
            while left.send(bytes(1 << 16)):
                pass
    if state in ("CLOSING", "FIN_WAIT_2"):
        left.shutdown(socket.SHUT_WR)
    if state in ("CLOSING", "CLOSE_WAIT", "LAST_ACK"):
        right.shutdown(socket.SHUT_WR)
    if state == "LAST_ACK":
        left.settimeout(10)
        while left.recv(100):
            pass
        left.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("state", ["ESTABLISHED", "FIN_WAIT_2", "CLOSE_WAIT", "CLOSING", "LAST_ACK"])
async def test_a_fin_is_no_byte_that_was_received(state: str) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as left,
        server.accept()[0] as right,
    ):
        in_state(state, left, right)
        port = left.getsockname()[1]

        def row() -> Diag:
            return next(row for row in sockdiag.sockets(either_port={port}) if row.local[1] == port)

        await until(lambda: row().state == state, "the state")
        await until(lambda: received(row()) == 7, "seven bytes")


async def test_the_port_that_a_server_is_dialled_from_is_known_before_it_answers() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as waits, socket.socket() as client:
        waits.connect(full.getsockname())  # there is room for one, who is never accepted
        proxy = Proxy((), listen="127.0.0.1:0", upstream=f"127.0.0.1:{full.getsockname()[1]}", seed=1, tells_all=True)
        async with trio.open_nursery() as nursery:
            await nursery.start(proxy.serve)
            client.connect(("127.0.0.1", int(proxy.address.rpartition(":")[2])))
            await until(lambda: bool(proxy.dialling()), "the dial")
            ((port, own),) = proxy.dialling().items()
            assert port == client.getsockname()[1]
            assert [row.state for row in procnet.find(local_port=own, remote_port=full.getsockname()[1])] == ["SYN_SENT"]
            nursery.cancel_scope.cancel()


class Sight:
    """A proxy that is looked at while it has one connection."""

    def __init__(self, server_port: int) -> None:
        self.census = Census(lambda: self.proxy.run.clock_start, lambda *_: None, lambda _: None, lambda _: None)
        self.proxy = Proxy((), listen="127.0.0.1:0", upstream=f"127.0.0.1:{server_port}", seed=1, tells_all=True, watch=self.census)
        self._server_port = server_port

    def begin(self) -> None:
        """The proxy listens."""
        place = Place(self.census, self.port, self._server_port, dialling=self.proxy.dialling)
        self._observers = Observers(["server.tcp_state"], places=[place], players=dict, programs=dict)

    @property
    def port(self) -> int:
        return int(self.proxy.address.rpartition(":")[2])

    def state(self) -> Seen | None:
        """The state of the server's end, if there is a connection."""
        return self._observers.look(1.0).connections.get(1, {}).get("server.tcp_state")


async def test_an_end_that_is_not_there_yet_is_not_gone() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as waits, socket.socket() as client:
        waits.connect(full.getsockname())  # there is room for one: whoever knocks next is not heard
        sight = Sight(full.getsockname()[1])
        async with trio.open_nursery() as nursery:
            await nursery.start(sight.proxy.serve)
            sight.begin()
            client.connect(("127.0.0.1", sight.port))
            await until(lambda: bool(sight.proxy.dialling()), "the dial")
            assert sight.state() == NotYet("the server has no socket for it yet")
            nursery.cancel_scope.cancel()


async def test_an_end_that_was_there_is_gone_when_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        sight = Sight(server.getsockname()[1])
        async with trio.open_nursery() as nursery:
            await nursery.start(sight.proxy.serve)
            sight.begin()
            client.connect(("127.0.0.1", sight.port))
            await until(lambda: sight.state() == "ESTABLISHED", "the connection")
            with server.accept()[0] as end:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            await until(lambda: sight.state() == "CLOSED", "the end")
            nursery.cancel_scope.cancel()


async def test_what_was_there_before_the_clock_started_is_not_counted() -> None:
    # It accepts and never closes, so that whoever has come to see whether it is ready, and the baseline, stay in CLOSE_WAIT.
    keeps = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); kept = [s.accept() for _ in iter(int, 1)]"
    server = f'[server]\ncommand = ["{sys.executable}", "-c", "{keeps}", "${{server_port}}"]\n'
    crowd = '[[crowd]]\nname = "leavers"\ncount = 2\nbehaviour = "half_close"\nsend = "BYE"\n'
    two = expect("server.sockets.CLOSE_WAIT", "is = 2").replace("2s", "10s")
    result = await play(
        '[proxy]\nlisten = "127.0.0.1:0"\n'
        + server
        + crowd
        + two
        + two.replace("is =", "at_most =").replace("within", "throughout").replace("10s", "1s")
    )
    assert (result.outcome, result.reason) == ("passed", "")
