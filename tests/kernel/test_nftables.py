"""The packet table on a real kernel: what it queues and what it lets be, and that nothing of it stays."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from faultproxy.errors import CapabilityError
from faultproxy.kernel import netlink, nftables
from faultproxy.kernel.nfqueue import INPUT, OUTPUT, Queue
from faultproxy.kernel.nftables import DIALLED, PREFIX, Means, Table, others
from tests.kernel.sandboxed import CLONE_NEWUSER, in_sandbox, libc, until
from tests.kernel.wires import ACK, SYN, both_versions, dialling, flags, listening, port, readable, take, wire

pytestmark = pytest.mark.live

ownership = pytest.mark.parametrize("owned", [True, False])


@contextmanager
def plane(*, owned: bool = True) -> Iterator[tuple[Queue, Table]]:
    queue = Queue()
    table = Table(queue.number, owned=owned)
    try:
        yield queue, table
    finally:
        queue.close()
        table.close()


def ours() -> list[str]:
    with netlink.connect(netlink.NETFILTER, "listing packet tables") as sock:
        return [name for _, name, _ in nftables._tables(sock) if name.startswith(PREFIX)]


@in_sandbox
def test_trying_it_out_leaves_nothing_behind() -> None:
    assert nftables.check() in [Means(owned, native) for owned in (True, False) for native in (True, False)]
    assert ours() == []


@ownership
@in_sandbox
def test_a_table_is_there_until_it_is_closed(owned: bool) -> None:
    with plane(owned=owned) as (_, table):
        assert ours() == [table.name]
        assert re.fullmatch(rf"faultproxy-\d+-{os.getpid()}-\d+-\d+", table.name)
        assert table.owned is owned
    assert ours() == []
    table.close()


@both_versions
@in_sandbox
def test_a_table_alone_queues_nothing(host: str) -> None:
    with plane() as (queue, _), wire(host) as line:
        line.client.sendall(b"x")
        assert line.server.recv(1) == b"x"
        assert queue.read() == []


@both_versions
@in_sandbox
def test_only_the_syn_to_a_listener_is_queued(host: str) -> None:
    with plane() as (queue, table), listening(host) as listener, listening(host) as another:
        table.listener(port(listener))
        with dialling(another) as other:
            other.send(b"x")
        client = dialling(listener)
        [packet] = take(queue)
        assert (packet.hook, flags(packet.data) & (SYN | ACK)) == (INPUT, SYN)
        queue.accept(packet.id)
        queue.flush()
        server, _ = listener.accept()
        client.sendall(b"x")
        assert server.recv(1) == b"x"
        assert queue.received == 1
        client.close()
        server.close()


@both_versions
@in_sandbox
def test_only_the_syn_of_a_dialled_socket_is_queued(host: str) -> None:
    with plane() as (queue, table), listening(host) as listener:
        table.dials()
        table.dials()
        with dialling(listener) as unmarked:
            unmarked.send(b"x")
        client = dialling(listener, marked=DIALLED)
        [packet] = take(queue)
        assert (packet.hook, packet.mark, flags(packet.data) & (SYN | ACK)) == (OUTPUT, DIALLED, SYN)
        queue.accept(packet.id)
        queue.flush()
        client.sendall(b"x")
        assert queue.received == 1
        client.close()


@both_versions
@in_sandbox
def test_an_intercepted_syn_is_queued_once_on_loopback(host: str) -> None:
    with plane() as (queue, table), listening(host) as listener:
        table.intercept(port(listener))
        client = dialling(listener)
        [packet] = take(queue)
        assert packet.hook == INPUT
        queue.accept(packet.id)
        queue.flush()
        client.sendall(b"x")
        assert queue.received == 1
        client.close()


@in_sandbox
def test_an_intercepted_syn_to_another_machine_is_queued_where_it_is_sent() -> None:
    add_neighbourhood("10.9.8.1")
    with plane() as (queue, table), socket.socket() as client:
        table.intercept(7800)
        client.setblocking(False)
        assert client.connect_ex(("10.9.8.2", 7800)) == errno.EINPROGRESS
        [packet] = take(queue)
        assert (packet.hook, packet.data[16:20]) == (OUTPUT, bytes([10, 9, 8, 2]))


@both_versions
@pytest.mark.parametrize("hook", [INPUT, OUTPUT])
@in_sandbox
def test_a_tapped_flow_is_queued_at_its_hook_until_it_is_no_more(host: str, hook: int) -> None:
    with plane() as (queue, table), wire(host) as line:
        table.tap(line.forth(hook))
        table.tap(line.forth(hook))
        line.client.sendall(b"a")
        [packet] = take(queue)
        assert packet.hook == hook
        queue.accept(packet.id)
        queue.flush()
        assert line.server.recv(1) == b"a"
        line.server.sendall(b"b")  # the other way is another flow; its acknowledgement is of ours
        assert line.client.recv(1) == b"b"
        table.untap(line.forth(hook), (INPUT, 1, 2))
        table.untap(line.forth(hook))
        queue.accept_up_to(packet.id + 100)
        queue.flush()
        queue.read()
        line.client.sendall(b"c")
        assert line.server.recv(1) == b"c"
        assert queue.read() == []


@in_sandbox
def test_many_flows_in_one_go() -> None:
    flows = [(hook, 1024 + number, 7700) for number in range(5000) for hook in (INPUT, OUTPUT)]
    with plane() as (queue, table), wire("127.0.0.1") as line:
        table.tap(*flows, line.forth())
        line.client.sendall(b"x")
        queue.accept(take(queue)[0].id)
        table.untap(*flows)
        table.tap()
        queue.flush()


@in_sandbox
def test_nobody_at_the_queue_lets_traffic_pass() -> None:
    with plane() as (queue, table), wire("127.0.0.1") as line:
        table.tap(line.forth())
        queue.close()
        line.client.sendall(b"x")
        assert line.server.recv(1) == b"x"


@in_sandbox
def test_two_tables_of_one_process() -> None:
    with plane() as (_, one), plane() as (_, two):
        assert sorted(ours()) == sorted([one.name, two.name])


def child(work: Callable[[], None]) -> int:
    """A process that has done `work` and now sleeps."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os.write(writer, b".")
            time.sleep(60)
        finally:
            os._exit(1)
    os.close(writer)
    assert os.read(reader, 1) == b"."
    os.close(reader)
    return pid


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@in_sandbox
def test_an_owned_table_dies_with_its_process_and_traffic_flows_again() -> None:
    with wire("127.0.0.1") as line:
        kept = []

        def hold() -> None:
            queue = Queue()
            table = Table(queue.number)
            table.tap(line.forth(), line.back())
            kept.extend([queue, table])

        pid = child(hold)
        line.client.sendall(b"held")
        assert not readable(line.server, within=0.05)
        [name] = ours()
        assert f"-{pid}-" in name
        kill(pid)
        until(lambda: ours() == [], "the table is gone", within=1)
        assert line.server.recv(10) == b"held"  # the copy that was held is lost, and sent again
        line.server.sendall(b"free")
        assert line.client.recv(10) == b"free"


@in_sandbox
def test_a_table_without_owner_is_swept_when_its_process_is_gone() -> None:
    kept = []

    def leave() -> None:
        table = Table(0xFA42, owned=False)
        table.listener(7700)
        kept.append(table)

    alive, dead = child(leave), child(leave)
    kill(dead)
    assert len(ours()) == 2
    with listening("127.0.0.1", 7700) as listener, socket.create_connection(("127.0.0.1", 7700), timeout=5):
        listener.accept()[0].close()  # nobody reads the queue, so it lets traffic pass
    with plane() as (_, table):
        mine = [name for name in ours() if name != table.name]
        assert len(mine) == 1
        assert f"-{alive}-" in mine[0]
    kill(alive)


@in_sandbox
def test_a_process_that_has_only_the_number_of_a_dead_one_does_not_keep_its_table() -> None:
    name = f"{PREFIX}{nftables._pid_namespace()}-{os.getpid()}-1-1"
    add_table(1, name)
    add_table(1, f"{PREFIX}77-{os.getpid()}-1-1")  # its process is counted in another namespace: not ours to judge
    with plane() as (_, table):
        assert sorted(ours()) == sorted([table.name, f"{PREFIX}77-{os.getpid()}-1-1"])


@in_sandbox
def test_the_tables_of_others_are_told_by_family_and_name() -> None:
    assert others() == []
    add_table(2, "filter")
    add_table(1, "firewalld")
    with plane():
        assert sorted(others()) == ["inet firewalld", "ip filter"]


@in_sandbox
def test_a_refused_change_changes_nothing_and_is_told() -> None:
    with plane() as (_, table):
        table.name = "elsewhere"
        with pytest.raises(CapabilityError, match=r"^changing which segments are queued needs nf_tables .*No such file"):
            table.tap((INPUT, 1, 2))


@in_sandbox
def test_without_the_capability_it_says_so() -> None:
    if libc.unshare(CLONE_NEWUSER) != 0:
        pytest.skip("no user namespace in a user namespace here")
    with pytest.raises(CapabilityError, match=r"^setting up packet rules needs CAP_NET_ADMIN in this network namespace"):
        Table(1)
    with pytest.raises(CapabilityError, match=r"^adding a packet table needs CAP_NET_ADMIN"):
        nftables.check()
    assert others() == []


def add_table(family: int, name: str) -> None:
    """A table as another program would leave it."""
    batch = [
        netlink.message(0x10, netlink.REQUEST, 0, struct.pack(">BBH", 0, 0, 10)),
        netlink.netfilter(10, 0, netlink.REQUEST | netlink.CREATE | netlink.ACK, 1, netlink.text(1, name), family=family),
        netlink.message(0x11, netlink.REQUEST, 0, struct.pack(">BBH", 0, 0, 10)),
    ]
    with netlink.connect(netlink.NETFILTER, "adding a table") as sock:
        sock.send(b"".join(batch))
        assert [netlink.error_of(answer) for answer in netlink.answers(sock)] == [0]


def add_neighbourhood(address: str) -> None:
    """A network device that leads nowhere, with this IPv4 address and its network behind it."""
    with netlink.connect(0, "adding a device") as sock:
        for kind in ("dummy", "veth", "bridge"):  # whichever this kernel has
            link = struct.pack("=BxHiII", 0, 0, 0, 0, 0) + netlink.text(3, "away0") + netlink.nest(18, netlink.text(1, kind))
            sock.send(netlink.message(16, netlink.REQUEST | netlink.ACK | netlink.CREATE, 1, link))
            if [netlink.error_of(answer) for answer in netlink.answers(sock)] == [0]:
                break
        else:
            pytest.skip("this kernel has no device that leads nowhere")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        name = b"away0".ljust(16, b"\0")
        fcntl.ioctl(sock, 0x8916, name + struct.pack("=HH4s16x", socket.AF_INET, 0, socket.inet_aton(address)))  # SIOCSIFADDR
        fcntl.ioctl(sock, 0x8914, name + struct.pack("=h22x", 1))  # SIOCSIFFLAGS, IFF_UP
