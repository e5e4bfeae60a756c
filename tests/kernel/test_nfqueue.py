"""A packet queue on a real kernel, over IPv4 and IPv6: what verdicts do, what is told of a packet, and what happens when it is full."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from faultproxy.errors import CapabilityError
from faultproxy.kernel import nfqueue, nftables
from faultproxy.kernel.nfqueue import INPUT, OUTPUT, Queue
from faultproxy.kernel.nftables import Table
from faultproxy.kernel.tcpinfo import tcp_info
from tests.kernel.sandboxed import CLONE_NEWUSER, in_sandbox, libc, until
from tests.kernel.wires import ACK, SYN, both_versions, carry, changed, dialling, flags, listening, payload, port, readable, take, wire

pytestmark = pytest.mark.live

LO = 1
SYNS = 10


@contextmanager
def plane(queue: Queue) -> Iterator[Table]:
    table = Table(queue.number)
    try:
        yield table
    finally:
        queue.close()
        table.close()


@both_versions
@in_sandbox
def test_an_accepted_segment_arrives_and_not_before(host: str) -> None:
    queue = Queue()
    with plane(queue) as table, wire(host) as line:
        table.tap(line.forth())
        line.client.sendall(b"hello")
        [packet] = take(queue)
        assert (packet.hook, packet.indev, packet.mark) == (INPUT, LO, 0)
        assert payload(packet.data) == b"hello"
        assert packet.length == len(packet.data)
        assert not readable(line.server)
        queue.accept(packet.id)
        queue.flush()
        assert line.server.recv(10) == b"hello"
        assert (queue.received, queue.overflow, queue.waiting) == (1, 0, 0)


@both_versions
@in_sandbox
def test_a_dropped_segment_is_sent_again(host: str) -> None:
    queue = Queue()
    with plane(queue) as table, wire(host) as line:
        table.tap(line.forth())
        line.client.sendall(b"hello")
        [first] = take(queue)
        queue.drop(first.id)
        queue.flush()
        [again] = take(queue)
        assert payload(again.data) == b"hello"
        assert not readable(line.server)
        queue.accept(again.id)
        queue.flush()
        assert line.server.recv(10) == b"hello"


@both_versions
@in_sandbox
def test_a_replaced_segment_arrives_changed(host: str) -> None:
    queue = Queue(copy=nfqueue.LARGEST_COPY, gso=False)
    with plane(queue) as table, wire(host) as line:
        table.tap(line.forth(OUTPUT))
        line.client.sendall(b"hello, world")
        [packet] = take(queue)
        assert (packet.hook, packet.indev, packet.checksum_ready) == (OUTPUT, 0, True)
        queue.replace(packet.id, changed(packet.data, b"hello", b"jello"))
        queue.flush()
        assert line.server.recv(20) == b"jello, world"
        assert queue.waiting == 0


@both_versions
@in_sandbox
def test_one_verdict_for_all_up_to_a_packet(host: str) -> None:
    queue = Queue()
    with plane(queue) as table, wire(host) as line:
        line.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        table.tap(line.forth())
        for byte in b"abcd":
            line.client.sendall(bytes([byte]))
        packets = take(queue, 4)
        assert [payload(packet.data) for packet in packets] == [b"a", b"b", b"c", b"d"]
        assert queue.waiting == 4
        queue.accept_up_to(packets[2].id)
        queue.flush()
        until(lambda: line.server.recv(10, socket.MSG_PEEK) == b"abc", "three segments are there")
        assert queue.waiting == 1
        queue.accept(packets[3].id)
        queue.flush()
        until(lambda: line.server.recv(10, socket.MSG_PEEK) == b"abcd", "the fourth is there")


@in_sandbox
def test_verdicts_in_any_order_and_for_what_is_gone() -> None:
    queue = Queue()
    with plane(queue) as table, wire("127.0.0.1") as line:
        line.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        table.tap(line.forth())
        line.client.sendall(b"a")
        line.client.sendall(b"b")
        first, second = take(queue, 2)
        queue.accept(second.id)
        queue.accept(second.id)
        queue.accept(12345)
        queue.flush()
        assert not readable(line.server)
        queue.accept(first.id)
        carry(queue, lambda: readable(line.server) and line.server.recv(10, socket.MSG_PEEK) == b"ab")


@in_sandbox
def test_what_goes_on_keeps_its_order_around_what_is_replaced_and_what_is_dropped() -> None:
    queue = Queue()
    with plane(queue) as table, wire("127.0.0.1") as line:
        line.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        table.tap(line.forth())
        for piece in (b"a", b"b", b"c", b"d", b"e"):
            line.client.sendall(piece)
        packets = take(queue, 5)
        queue.accept(packets[0].id)
        queue.replace(packets[1].id, changed(packets[1].data, b"b", b"B"))
        queue.accept(packets[2].id)
        queue.flush()
        until(lambda: line.server.recv(10, socket.MSG_PEEK) == b"aBc", "three segments are there")
        assert tcp_info(line.server).rcv_ooopack == 0
        queue.drop(packets[3].id)
        queue.accept(packets[4].id)
        queue.flush()
        assert line.server.recv(10, socket.MSG_PEEK) == b"aBc"
        carry(queue, lambda: line.server.recv(10, socket.MSG_PEEK) == b"aBcde")


@in_sandbox
def test_a_verdict_for_one_that_was_never_read_lets_no_other_go() -> None:
    queue = Queue()
    with plane(queue) as table, wire("127.0.0.1") as line:
        line.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        table.tap(line.forth())
        line.client.sendall(b"a")
        [first] = take(queue)
        queue.accept(first.id)
        queue.flush()
        line.client.sendall(b"b")
        queue.accept(first.id + 1000)
        queue.flush()
        assert line.server.recv(10, socket.MSG_PEEK) == b"a"
        carry(queue, lambda: line.server.recv(10, socket.MSG_PEEK) == b"ab")


@both_versions
@in_sandbox
def test_as_much_is_copied_as_was_asked_and_the_length_is_that_of_the_whole(host: str) -> None:
    headers = 72 if ":" in host else 52
    queue = Queue(copy=100)
    with plane(queue) as table, wire(host) as line:
        table.tap(line.forth())
        line.client.sendall(b"x" * 1000)
        [packet] = take(queue)
        assert (len(packet.data), packet.length) == (100, headers + 1000)
        queue.accept(packet.id)
        queue.set_copy(nfqueue.LARGEST_COPY)
        queue.flush()
        line.client.sendall(b"y" * 1000)
        [packet] = take(queue)
        assert (len(packet.data), packet.length) == (headers + 1000, headers + 1000)
        assert payload(packet.data) == b"y" * 1000
        assert queue.read() == []


@both_versions
@in_sandbox
def test_bundles_come_whole_or_as_the_segments_that_they_are_of(host: str) -> None:
    queue = Queue(gso=True)
    with plane(queue) as table, wire(host) as line:
        table.tap(line.forth(OUTPUT))
        bundles = [packet for packet in sent(queue, line.client, line.server) if packet.length > 1500]
        assert bundles
        assert {(packet.gso, packet.checksum_ready) for packet in bundles} == {(True, False)}
        queue.set_gso(False)
        segments = sent(queue, line.client, line.server)
        assert max(packet.length for packet in segments) <= 1500
        assert {(packet.gso, packet.checksum_ready) for packet in segments} == {(False, True)}


def sent(queue: Queue, client: socket.socket, server: socket.socket, size: int = 200_000) -> list[nfqueue.Queued]:
    got = bytearray()
    writer = threading.Thread(target=client.sendall, args=(bytes(size),))

    def arrived() -> bool:
        while readable(server):
            got.extend(server.recv(65536))
        return len(got) == size

    writer.start()
    packets = carry(queue, arrived)
    writer.join()
    return packets


@in_sandbox
def test_more_than_may_wait_goes_past_us_and_is_counted() -> None:
    queue = Queue(limit=4, fail_open=True)
    with plane(queue) as table, listening("127.0.0.1") as listener:
        table.listener(port(listener))
        clients = [dialling(listener) for _ in range(SYNS)]
        held = queue.read()
        queue.flush()
        assert (len(held), queue.waiting, queue.received, queue.overflow) == (4, 4, SYNS, 6)
        for client in clients[4:]:
            client.send(b"through")
            assert port_of_peer(listener) == port(client)
        assert not readable(listener)
        close(clients)


@in_sandbox
def test_or_is_dropped_and_counted() -> None:
    queue = Queue(limit=4, fail_open=False)
    with plane(queue) as table, listening("127.0.0.1") as listener:
        table.listener(port(listener))
        clients = [dialling(listener) for _ in range(SYNS)]
        held = queue.read()
        assert (len(held), queue.waiting, queue.overflow) == (4, 4, 6)
        for packet in held:
            queue.accept(packet.id)
        queue.flush()
        assert [port_of_peer(listener) for _ in held] == [port(client) for client in clients[:4]]
        assert not readable(listener)
        close(clients)


@pytest.mark.parametrize("fail_open", [True, False])
@in_sandbox
def test_what_does_not_fit_the_buffer_is_counted_at_once(fail_open: bool) -> None:
    queue = Queue(fail_open=fail_open)
    with socket.socket(fileno=os.dup(queue.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the kernel makes it as small as it dares
    with plane(queue) as table, listening("127.0.0.1") as listener:
        table.listener(port(listener))
        clients = [dialling(listener) for _ in range(SYNS)]
        lost = queue.overflow
        assert 0 < lost < SYNS
        assert len(queue.read()) == SYNS - lost
        arrived = 0
        while readable(listener):
            port_of_peer(listener)
            arrived += 1
        assert arrived == (lost if fail_open else 0)
        close(clients)


def port_of_peer(listener: socket.socket) -> int:
    accepted, (_, number, *_) = listener.accept()
    accepted.close()
    return int(number)


def close(clients: list[socket.socket]) -> None:
    for client in clients:
        client.close()


@pytest.mark.parametrize("fail_open", [True, False])
@in_sandbox
def test_what_waits_when_a_queue_is_closed(fail_open: bool) -> None:
    queue = Queue(fail_open=fail_open)
    with plane(queue) as table, wire("127.0.0.1") as line:
        table.tap(line.forth())
        line.client.sendall(b"read")
        take(queue)
        line.client.sendall(b" and unread")
        queue.close()
        assert readable(line.server) == fail_open
        until(lambda: line.server.recv(20, socket.MSG_PEEK) == b"read and unread", "it is there, or was sent again")


@in_sandbox
def test_taking_a_table_away_drops_what_any_queue_holds() -> None:
    # Not what one would wish: it is why a queue is closed first, and a mechanism tried without chains that hook in.
    queue = Queue()
    with plane(queue) as table, wire("127.0.0.1") as line:
        table.tap(line.forth())
        line.client.sendall(b"held")
        [packet] = take(queue)
        Table(queue.number).close()
        queue.accept(packet.id)
        queue.flush()
        assert not readable(line.server)
        table.close()
        until(lambda: line.server.recv(20, socket.MSG_PEEK) == b"held", "it was sent again")


@in_sandbox
def test_trying_the_mechanism_out_does_not() -> None:
    queue = Queue()
    with plane(queue) as table, wire("127.0.0.1") as line:
        table.tap(line.forth())
        line.client.sendall(b"held")
        [packet] = take(queue)
        nftables.check()
        queue.accept(packet.id)
        queue.flush()
        assert line.server.recv(10) == b"held"


@in_sandbox
def test_a_closed_queue_may_be_closed_again() -> None:
    queue = Queue()
    queue.close()
    queue.close()
    assert (queue.fileno(), queue.overflow) == (-1, 0)


@in_sandbox
def test_the_next_number_that_is_free() -> None:
    one, two, three = Queue(), Queue(), Queue(5)
    assert [one.number, two.number, three.number] == [0xFA00, 0xFA01, 5]
    one.close()
    again = Queue()
    assert again.number == 0xFA00
    for queue in (two, three, again):
        queue.close()


@in_sandbox
def test_a_number_that_is_taken() -> None:
    queue = Queue(7)
    with pytest.raises(CapabilityError, match=r"^packet queue 7 is taken by another program: end that program, choose another number"):
        Queue(7)
    queue.close()


@in_sandbox
def test_all_numbers_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nfqueue, "NUMBERS", range(10, 12))
    queues = [Queue(), Queue()]
    with pytest.raises(CapabilityError, match=r"^all packet queues from 10 to 11 are taken by other programs: end some of them$"):
        Queue()
    for queue in queues:
        queue.close()


@in_sandbox
def test_without_the_capability_it_says_so() -> None:
    # In a further user namespace we have no power over the network namespace of the one before.
    if libc.unshare(CLONE_NEWUSER) != 0:
        pytest.skip("no user namespace in a user namespace here")
    with pytest.raises(CapabilityError, match=r"^queueing packets needs CAP_NET_ADMIN in this network namespace: run as root"):
        Queue()


@both_versions
@in_sandbox
def test_a_whole_connection_through_both_hooks(host: str) -> None:
    queue = Queue(gso=False)
    with plane(queue) as table, listening(host) as listener:
        table.listener(port(listener))
        client = dialling(listener)
        [syn] = take(queue)
        assert flags(syn.data) & (SYN | ACK) == SYN
        table.tap((INPUT, port(client), port(listener)), (OUTPUT, port(listener), port(client)))
        queue.accept(syn.id)
        queue.flush()
        [answer] = take(queue)
        assert (flags(answer.data), answer.hook) == (SYN | ACK, OUTPUT)
        queue.accept(answer.id)
        queue.flush()
        [last] = take(queue)
        assert (flags(last.data), last.hook) == (ACK, INPUT)
        queue.accept(last.id)
        queue.flush()
        assert port_of_peer(listener) == port(client)
        client.close()
