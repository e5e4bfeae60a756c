"""Packets made by hand, sent to a real kernel over IPv4 and IPv6."""

from __future__ import annotations

import pytest

from faultproxy.errors import CapabilityError
from faultproxy.kernel.forge import Injector
from faultproxy.kernel.nfqueue import INPUT, OUTPUT, Queue
from faultproxy.kernel.nftables import Table
from tests.kernel.sandboxed import CLONE_NEWUSER, in_sandbox, libc
from tests.kernel.wires import both_versions, payload, take, wire

pytestmark = pytest.mark.live


@both_versions
@in_sandbox
def test_a_dropped_segment_arrives_when_its_copy_is_sent_and_the_copy_is_not_queued(host: str) -> None:
    queue, injector = Queue(copy=2000, gso=False), Injector()
    table = Table(queue.number)
    with wire(host) as line:
        table.tap(line.forth(OUTPUT), line.forth(INPUT))
        line.client.sendall(b"hello")
        [packet] = take(queue)
        assert payload(packet.data) == b"hello"
        queue.drop(packet.id)
        queue.flush()
        assert injector.send(packet.data)
        assert line.server.recv(10) == b"hello"
        assert queue.received == 1
        assert (injector.failed, injector.why) == (0, "")
    injector.close()
    queue.close()
    table.close()


@both_versions
@in_sandbox
def test_a_packet_above_the_mtu_is_refused_and_counted(host: str) -> None:
    queue, injector = Queue(copy=2000, gso=False), Injector()
    table = Table(queue.number)
    with wire(host) as line:
        table.tap(line.forth())
        line.client.sendall(b"hello")
        [packet] = take(queue)
        assert not injector.send(packet.data + bytes(1500))
        assert (injector.failed, injector.why) == (1, "EMSGSIZE")
    injector.close()
    queue.close()
    table.close()


@pytest.mark.parametrize("packet", [b"", b"\x00" * 40, b"\x45", b"\x60", b"\xff" * 100])
@in_sandbox
def test_what_is_no_packet_is_refused_and_counted(packet: bytes) -> None:
    injector = Injector()
    assert not injector.send(packet)
    assert (injector.failed, injector.why) == (1, "EINVAL")
    injector.close()
    injector.close()


@in_sandbox
def test_both_sockets_can_be_opened_before_they_are_needed() -> None:
    injector = Injector()
    injector.open()
    injector.close()


@in_sandbox
def test_without_the_capability_it_says_so() -> None:
    if libc.unshare(CLONE_NEWUSER) != 0:
        pytest.skip("no user namespace in a user namespace here")
    injector = Injector()
    with pytest.raises(CapabilityError, match=r"^sending forged packets needs CAP_NET_RAW and CAP_NET_ADMIN in this network namespace"):
        injector.open()
    with pytest.raises(CapabilityError):
        injector.send(b"\x45" + bytes(39))
