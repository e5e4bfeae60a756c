"""The reader of the kernel's socket tables: on a sample, and on real sockets brought into every state there is."""

from __future__ import annotations

import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import cast

import pytest

from faultproxy.errors import CapabilityError
from faultproxy.kernel import procnet
from faultproxy.kernel.procnet import Socket

little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="the sample was taken on a little-endian machine")

HEADING = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LISTENER = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 637 1 ee3232a6 100 0 0 10 0\n"
PROBING = "   1: 0100007F:1F90 0200007F:C001 01 00280A00:00000000 04:000000C8 00000000  1000        5 4711 1 ee3232a7 20 4 0 10 -1\n"
WAITING = "   2: 0100007F:C002 0100007F:1F90 06 00000000:00000000 03:00001770 00000000     0        0 0 3 ee3232a8\n"
MAPPED = (
    "   0: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000200007F:C003 08 "
    "00000000:00000007 00:00000000 00000000     0        0 812 1 ee3232a9 20 4 30 10 -1\n"
)
IPV6 = (
    "   1: 00000000000000000000000001000000:1F90 B80D0120000000000000000001000000:C004 01 "
    "00000010:00000000 01:00000014 00000002     0        0 813 1 ee3232aa 20 4 30 10 -1\n"
)


@little_endian
def test_rows_of_the_ipv4_table() -> None:
    assert list(procnet.parse(HEADING + LISTENER + PROBING + WAITING)) == [
        Socket("LISTEN", ("127.0.0.1", 8080), ("0.0.0.0", 0), 0, 3, "none", 0.0, 0, 0, 0, 637),
        Socket("ESTABLISHED", ("127.0.0.1", 8080), ("127.0.0.2", 49153), 0x280A00, 0, "window_probe", 2.0, 0, 5, 1000, 4711),
        Socket("TIME_WAIT", ("127.0.0.1", 49154), ("127.0.0.1", 8080), 0, 0, "time_wait", 60.0, 0, 0, 0, 0),
    ]


@little_endian
def test_rows_of_the_ipv6_table_with_mapped_addresses_told_as_ipv4() -> None:
    assert list(procnet.parse(HEADING + MAPPED + IPV6)) == [
        Socket("CLOSE_WAIT", ("127.0.0.1", 8080), ("127.0.0.2", 49155), 0, 7, "none", 0.0, 0, 0, 0, 812),
        Socket("ESTABLISHED", ("::1", 8080), ("2001:db8::1", 49156), 16, 0, "retransmit", 0.2, 2, 0, 0, 813),
    ]


def test_a_row_cut_short_is_passed_over() -> None:
    assert [found.inode for found in procnet.parse(HEADING + LISTENER + PROBING[:60])] == [637]
    assert list(procnet.parse(HEADING)) == []
    assert list(procnet.parse("")) == []


def test_a_request_without_a_full_socket_is_syn_recv() -> None:
    assert [found.state for found in procnet.parse(HEADING + LISTENER.replace(" 0A ", " 0C "))] == ["SYN_RECV"]


@pytest.mark.parametrize(("was", "becomes"), [(" 0A ", " 0D "), (" 00:00000000 ", " 05:00000000 ")])
def test_what_the_reader_does_not_know_is_said(was: str, becomes: str) -> None:
    with pytest.raises(ValueError, match="does not know"):
        list(procnet.parse(HEADING + LISTENER.replace(was, becomes)))


def test_states_are_counted() -> None:
    counts = procnet.states(procnet.parse(HEADING + LISTENER + PROBING + PROBING))
    assert (counts["LISTEN"], counts["ESTABLISHED"], counts["CLOSE_WAIT"]) == (1, 2, 0)


def test_a_process_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(CapabilityError, match=r"process 4194305 .* must be running"):
        procnet.sockets(pid=4194305)  # above the largest process id there can be


# From here on real sockets and the real kernel.


class Pair:
    """A loopback connection seen from outside: `client` connected to `server`, both with small buffers."""

    def __init__(self, stack: ExitStack, listener: socket.socket) -> None:
        self.client = stack.enter_context(socket.socket())
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.client.connect(listener.getsockname())
        self.server = stack.enter_context(listener.accept()[0])
        self.port = port_of(self.server)
        self.client_port = port_of(self.client)

    def client_row(self) -> list[Socket]:
        return procnet.find(local_port=self.client_port, remote_port=self.port)

    def server_row(self) -> list[Socket]:
        return procnet.find(local_port=self.port, remote_port=self.client_port)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def listener(stack: ExitStack) -> socket.socket:
    listener = stack.enter_context(socket.socket())
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # before listen, or it comes too late to bound the window
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


@pytest.fixture
def pair(stack: ExitStack, listener: socket.socket) -> Pair:
    return Pair(stack, listener)


def until(rows: Callable[[], list[Socket]], holds: Callable[[Socket], bool], within: float = 5.0) -> Socket:
    """The first row for which `holds`, asked for again and again until the deadline."""
    deadline = time.monotonic() + within
    while True:
        seen = rows()
        for row in seen:
            if holds(row):
                return row
        assert time.monotonic() < deadline, f"not reached within {within} s; last seen: {seen}"
        time.sleep(0.005)


def port_of(found: socket.socket) -> int:
    return cast("tuple[str, int]", found.getsockname())[1]


def fill(sender: socket.socket) -> int:
    """Send until the kernel takes no more, the reader being deaf. Returns the bytes sent."""
    sender.setblocking(False)
    sent = 0
    deadline = time.monotonic() + 0.3  # what the reader's kernel has taken over makes room again for a while
    while time.monotonic() < deadline:
        try:
            sent += sender.send(bytes(4096))
        except BlockingIOError:
            time.sleep(0.005)
    return sent


@pytest.mark.live
def test_listen_counts_those_not_yet_accepted(stack: ExitStack, listener: socket.socket) -> None:
    for _ in range(2):
        stack.enter_context(socket.create_connection(listener.getsockname()))
    row = until(lambda: procnet.find(local_port=port_of(listener), state="LISTEN"), lambda row: row.recv_queue == 2)
    assert (row.local, row.remote, row.uid) == (listener.getsockname(), ("0.0.0.0", 0), os.getuid())
    assert row.inode == os.fstat(listener.fileno()).st_ino


@pytest.mark.live
def test_established_with_the_bytes_that_nobody_read(pair: Pair) -> None:
    pair.client.sendall(b"hello")
    row = until(pair.server_row, lambda row: row.recv_queue == 5)
    assert (row.state, row.local, row.remote) == ("ESTABLISHED", pair.server.getsockname(), pair.client.getsockname())
    assert until(pair.client_row, lambda row: row.send_queue == 0).state == "ESTABLISHED"


@pytest.mark.live
def test_a_mapped_client_is_found_at_its_ipv4_address(stack: ExitStack) -> None:
    try:
        listener = stack.enter_context(socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True))
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    client = stack.enter_context(socket.create_connection(("127.0.0.1", port_of(listener))))
    stack.enter_context(listener.accept()[0])
    (server,) = procnet.find(local_port=port_of(listener), remote_port=port_of(client))
    assert (server.state, server.local, server.remote) == ("ESTABLISHED", ("127.0.0.1", port_of(listener)), client.getsockname())


@pytest.mark.live
def test_syn_sent_towards_a_full_accept_queue(stack: ExitStack) -> None:
    listener = stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)  # room for one; the SYN of whoever comes later goes unanswered
    clients = [stack.enter_context(socket.socket()) for _ in range(4)]
    for client in clients:
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
    row = until(lambda: procnet.find(remote_port=port_of(listener), state="SYN_SENT"), lambda row: row.retransmits >= 1)
    assert row.timer == "retransmit"
    assert 0 < row.timer_seconds <= 2


@pytest.mark.live
def test_syn_recv_while_an_accept_is_deferred(stack: ExitStack, listener: socket.socket) -> None:
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)  # no socket until the client has sent something
    client = stack.enter_context(socket.create_connection(listener.getsockname()))
    row = until(lambda: procnet.find(local_port=port_of(listener), remote_port=port_of(client)), lambda row: row.state == "SYN_RECV")
    assert (row.timer, row.inode) == ("retransmit", 0)
    assert [row.state for row in procnet.find(local_port=port_of(client), remote_port=port_of(listener))] == ["ESTABLISHED"]


@pytest.mark.live
def test_a_deaf_reader_leaves_the_sender_probing(pair: Pair) -> None:
    assert fill(pair.client) > 0
    row = until(pair.client_row, lambda row: row.timer == "window_probe")
    assert row.state == "ESTABLISHED"
    assert row.send_queue > 0
    assert until(pair.server_row, lambda row: row.recv_queue > 0).state == "ESTABLISHED"


@pytest.mark.live
def test_keepalive_runs_its_timer(pair: Pair) -> None:
    pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    pair.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    row = until(pair.client_row, lambda row: row.timer == "keepalive")
    assert 25 < row.timer_seconds <= 30


@pytest.mark.live
def test_half_close_then_close(pair: Pair) -> None:
    pair.client.shutdown(socket.SHUT_WR)
    until(pair.client_row, lambda row: row.state == "FIN_WAIT_2")
    until(pair.server_row, lambda row: row.state == "CLOSE_WAIT")
    pair.server.close()
    row = until(pair.client_row, lambda row: row.state == "TIME_WAIT")
    assert (row.timer, row.inode) == ("time_wait", 0)
    assert 50 < row.timer_seconds <= 60  # a constant of the kernel
    assert pair.server_row() == []


@pytest.mark.live
def test_fin_wait_1_and_closing_while_the_fin_waits_behind_data(pair: Pair) -> None:
    fill(pair.client)
    pair.client.shutdown(socket.SHUT_WR)
    until(pair.client_row, lambda row: row.state == "FIN_WAIT_1")
    pair.server.shutdown(socket.SHUT_WR)
    until(pair.client_row, lambda row: row.state == "CLOSING")
    until(pair.server_row, lambda row: row.state == "FIN_WAIT_2")


@pytest.mark.live
def test_last_ack_while_the_fin_waits_behind_data(pair: Pair) -> None:
    pair.server.shutdown(socket.SHUT_WR)
    until(pair.client_row, lambda row: row.state == "CLOSE_WAIT")
    fill(pair.client)
    pair.client.shutdown(socket.SHUT_WR)
    until(pair.client_row, lambda row: row.state == "LAST_ACK")


@pytest.mark.live
def test_a_reset_leaves_nothing_on_either_side(pair: Pair) -> None:
    pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    pair.client.close()
    deadline = time.monotonic() + 5
    while pair.client_row() or pair.server_row():
        assert time.monotonic() < deadline, (pair.client_row(), pair.server_row())


@pytest.mark.live
def test_the_table_of_the_namespace_that_a_process_lives_in(pair: Pair) -> None:
    assert procnet.find(local_port=pair.port, remote_port=pair.client_port, pid=os.getpid()) == pair.server_row()
