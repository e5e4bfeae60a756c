"""Sockets as the kernel tells of them over netlink: samples, real ones beside `/proc/net/tcp`, and one that is ended from outside."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from typing import get_args

import pytest

from faultproxy.core.shape import SHAPES
from faultproxy.errors import CapabilityError
from faultproxy.kernel import procnet, sockdiag, sockfilter, tcpinfo
from faultproxy.kernel.netlink import attribute
from faultproxy.kernel.procnet import Address, State
from faultproxy.kernel.sockdiag import Diag, tcp_info
from tests.kernel.sandboxed import in_sandbox, until
from tests.kernel.unprivileged import unprivileged

# ESTABLISHED with 3 s to a keep-alive, 192.0.2.1:8080 - 192.0.2.2:49152, and what follows the addresses.
ROW = (
    struct.pack("=BBBB", socket.AF_INET, 1, 2, 7)
    + struct.pack("!HH4s12x4s12x", 8080, 49152, b"\xc0\0\2\1", b"\xc0\0\2\2")
    + struct.pack("=I8s5I", 0, b"", 3000, 11, 22, 1000, 4711)
)
MAPPED = b"\0" * 10 + b"\xff\xff"


def test_a_row_without_attributes() -> None:
    assert sockdiag.parse(ROW) == Diag(
        "ESTABLISHED", ("192.0.2.1", 8080), ("192.0.2.2", 49152), "keepalive", 3.0, 7, 11, 22, 1000, 4711, 0, 0, 0, None
    )


def test_a_row_with_buffers_and_tcp_info_of_an_old_kernel_and_an_attribute_that_nobody_knows() -> None:
    memory = struct.pack("=9I", 0, 131072, 0, 16384, 0, 0, 0, 0, 5)
    old = struct.pack("=8B24I", 1, 4, 3, 0, 2, 7, 0, 0, *range(24))  # Linux 2.6: up to total_retrans
    found = sockdiag.parse(ROW + attribute(7, memory) + attribute(99, b"odd") + attribute(2, old))
    assert (found.rcvbuf, found.sndbuf, found.drops) == (131072, 16384, 5)
    assert found.info is not None
    assert (found.info.ca_state, found.info.retransmits, found.info.backoff, found.info.total_retrans) == (4, 3, 2, 23)
    assert (found.info.bytes_acked, found.info.rcv_wnd, found.info.total_rto_time) == (0, 0, 0)
    assert found.info.snd_wnd == -1, "0 would be a closed window"


def test_ipv6_and_the_ipv4_within_it() -> None:
    own = socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    ports = ROW[4:8]
    row = struct.pack("=BBBB", socket.AF_INET6, 8, 0, 0) + ports + own + MAPPED + b"\xc0\0\2\2" + ROW[40:]
    found = sockdiag.parse(row)
    assert (found.state, found.local, found.remote) == ("CLOSE_WAIT", ("2001:db8::1", 8080), ("192.0.2.2", 49152))
    assert (found.timer, found.timer_seconds) == ("none", 0.0)


@pytest.mark.parametrize(("place", "value"), [(1, 13), (1, 0), (2, 5)])
def test_what_the_reader_does_not_know_is_said(place: int, value: int) -> None:
    with pytest.raises(ValueError, match="does not know"):
        sockdiag.parse(ROW[:place] + bytes([value]) + ROW[place + 1 :])
    with pytest.raises(ValueError, match="does not know"):
        tcpinfo.parse(bytes([99]))


def test_the_fields_of_tcp_info_stand_where_the_kernel_has_them() -> None:
    data = bytearray(300)  # of a later kernel, with more at its end
    data[0] = 1
    places = {"rto": 8, "rtt": 68, "total_retrans": 100, "min_rtt": 148, "rwnd_limited": 176, "bytes_retrans": 208, "snd_wnd": 228}
    for number, place in enumerate(places.values(), 1):
        data[place : place + 4] = struct.pack("=I", number)
    data[240:248] = struct.pack("=HHI", 30, 40, 50)
    info = tcpinfo.parse(bytes(data))
    assert [getattr(info, name) for name in places] == [1, 2, 3, 4, 5, 6, 7]
    assert (info.total_rto, info.total_rto_recoveries, info.total_rto_time) == (30, 40, 50)


# From here on real sockets and the real kernel.


class Pair:
    """A loopback connection: `client` connected to `server`."""

    def __init__(self, stack: ExitStack, host: str = "127.0.0.1", listening: str | None = None) -> None:
        family = socket.AF_INET6 if ":" in (listening or host) else socket.AF_INET
        both = listening == "::"
        self.listener = stack.enter_context(socket.create_server((listening or host, 0), family=family, dualstack_ipv6=both, backlog=9))
        self.port: int = self.listener.getsockname()[1]
        self.client = stack.enter_context(socket.create_connection((host, self.port)))
        self.server = stack.enter_context(self.listener.accept()[0])
        self.client_address: Address = self.client.getsockname()[:2]
        self.server_address: Address = self.client.getpeername()[:2]

    def rows(self) -> tuple[Diag, Diag]:
        """The client's, and the server's."""
        (client,) = sockdiag.sockets(local_port=self.client_address[1], remote_port=self.port)
        (server,) = sockdiag.sockets(local_port=self.port, remote_port=self.client_address[1])
        return client, server


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.live
@pytest.mark.parametrize(
    ("host", "listening", "families"), [("127.0.0.1", None, "v4 v4"), ("::1", None, "v6 v6"), ("127.0.0.1", "::", "v4 v6")]
)
def test_both_ends_are_found_with_what_is_in_their_queues(stack: ExitStack, host: str, listening: str | None, families: str) -> None:
    pair = Pair(stack, host, listening)
    pair.client.sendall(b"12345")
    until(lambda: pair.rows()[1].recv_queue == 5, "five bytes to be read")
    client, server = pair.rows()
    assert (client.local, client.remote, client.state) == (pair.client_address, pair.server_address, "ESTABLISHED")
    assert (server.local, server.remote, server.state) == (pair.server_address, pair.client_address, "ESTABLISHED")
    assert client.info is not None
    assert server.info is not None
    assert (client.info.bytes_sent, server.info.bytes_received) == (5, 5)
    of_client, of_server = families.split()
    for family in get_args(sockdiag.Family):
        assert len(sockdiag.sockets(remote_port=pair.port, families=[family])) == (family == of_client)
        assert len(sockdiag.sockets(local_port=pair.port, states=["LISTEN"], families=[family])) == (family == of_server)


@pytest.mark.live
def test_it_agrees_with_the_table_of_text(stack: ExitStack) -> None:
    pair = Pair(stack)
    (row,) = procnet.find(local_port=pair.port, remote_port=pair.client_address[1])
    found = pair.rows()[1]
    assert (found.inode, found.uid, found.state, found.local) == (row.inode, row.uid, row.state, row.local)
    (listening,) = sockdiag.sockets(local_port=pair.port, states=["LISTEN"])
    assert (listening.recv_queue, listening.send_queue, listening.remote) == (0, 9, ("0.0.0.0", 0))


@pytest.mark.live
def test_either_port_is_looked_for_by_the_kernel(stack: ExitStack) -> None:
    first, second, third = (Pair(stack) for _ in range(3))

    def states(*ports: int) -> list[str]:
        # A client's port may have been somebody else's before, who still has it in TIME_WAIT.
        ours = {pair.port for pair in (first, second, third)}
        return sorted(each.state for each in sockdiag.sockets(either_port=ports) if {each.local[1], each.remote[1]} & ours)

    one = ["ESTABLISHED", "ESTABLISHED", "LISTEN"]
    assert states(first.port) == one
    assert states(first.client_address[1]) == one[:2], "from both ends"
    assert states(third.port, first.port) == sorted(one * 2)
    assert states(first.port, second.port, third.port, first.client_address[1]) == sorted(one * 3)
    assert states() == []
    third.client.close()
    third.server.close()
    until(lambda: states(third.port) == ["LISTEN", "TIME_WAIT"], "what is over to be found too")


@pytest.mark.live
def test_states_are_chosen_by_the_kernel(stack: ExitStack) -> None:
    pair = Pair(stack)
    by_state = {state: len(sockdiag.sockets(local_port=pair.port, states=[state])) for state in get_args(State)}
    assert {state: count for state, count in by_state.items() if count} == {"LISTEN": 1, "ESTABLISHED": 1}
    assert len(sockdiag.sockets(local_port=pair.port, states=["LISTEN", "ESTABLISHED", "CLOSING"])) == 2
    assert sockdiag.sockets(local_port=pair.port, states=[]) == []


@pytest.mark.live
def test_own_tcp_info_is_that_of_the_table(stack: ExitStack) -> None:
    pair = Pair(stack)
    own, (client, _) = tcp_info(pair.client), pair.rows()
    assert client.info is not None
    assert (own.state, own.snd_mss, own.snd_wscale, own.options) == (
        "ESTABLISHED",
        client.info.snd_mss,
        client.info.snd_wscale,
        client.info.options,
    )
    pair.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    pair.server.close()
    until(lambda: tcp_info(pair.client).state == "CLOSED", "the RST")


@pytest.mark.live
def test_time_wait_has_no_process_and_no_tcp_info(stack: ExitStack) -> None:
    pair = Pair(stack)
    pair.client.close()
    assert pair.server.recv(1) == b""
    pair.server.close()
    own = pair.client_address[1]
    until(lambda: bool(sockdiag.sockets(local_port=own, remote_port=pair.port, states=["TIME_WAIT"])), "TIME_WAIT")
    (client,) = sockdiag.sockets(local_port=own, remote_port=pair.port)
    assert (client.state, client.timer, client.inode, client.info) == ("TIME_WAIT", "time_wait", 0, None)
    assert 50 < client.timer_seconds <= 60


@pytest.mark.live
@in_sandbox
def test_a_handshake_that_is_not_complete_is_a_request() -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = listener.getsockname()[1]
        sockfilter.attach(listener, sockfilter.assemble([SHAPES["ack"]]))
        client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        (request,) = sockdiag.sockets(local_port=port, remote_port=client.getsockname()[1])
        assert (request.state, request.timer, request.inode, request.info) == ("SYN_RECV", "retransmit", 0, None)
        assert sockdiag.sockets(local_port=port, states=["SYN_RECV"])[0].remote == client.getsockname()
        assert sockdiag.destroy(request.local, request.remote)
        assert sockdiag.sockets(local_port=port, states=["SYN_RECV"]) == []


@pytest.mark.live
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@in_sandbox
def test_a_connection_is_ended_from_outside(host: str) -> None:
    with ExitStack() as stack:
        pair = Pair(stack, host)
        assert sockdiag.destroy(pair.client_address, pair.server_address)
        assert pair.client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNABORTED
        with pytest.raises(ConnectionResetError):
            pair.server.recv(1)
        assert not sockdiag.destroy(pair.client_address, pair.server_address)
        assert [each.state for each in sockdiag.sockets(local_port=pair.port)] == ["LISTEN"]


@pytest.mark.live
@in_sandbox
def test_retransmissions_are_seen_from_outside() -> None:
    with ExitStack() as stack:
        pair = Pair(stack)
        sockfilter.attach(pair.server, sockfilter.assemble([SHAPES["any"]]))
        pair.client.sendall(b"hello")
        until(lambda: pair.rows()[0].retransmits >= 1, "a time-out")
        client, server = pair.rows()
        assert (client.timer, client.send_queue) == ("retransmit", 5)
        assert client.info is not None
        assert (client.info.unacked, client.info.ca_state) == (1, 4)
        assert client.info.total_retrans >= client.info.retransmits >= 1
        assert server.drops >= 2


@pytest.mark.live
def test_ending_a_connection_without_the_right_to_is_refused(stack: ExitStack) -> None:
    pair = Pair(stack)
    with unprivileged(), pytest.raises(CapabilityError, match=r"SOCK_DESTROY\) needs CAP_NET_ADMIN"):
        sockdiag.destroy(pair.client_address, pair.server_address)
    assert pair.rows()[0].state == "ESTABLISHED"
