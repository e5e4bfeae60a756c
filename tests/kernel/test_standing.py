"""How a connection stands, by the kernel's own word: both its ends must tell the same."""

from __future__ import annotations

import select
import socket

import pytest

from faultproxy.kernel.standing import Standing, standing
from tests.kernel.sandboxed import in_sandbox
from tests.kernel.unprivileged import unprivileged

LOOPBACK = ("127.0.0.1", 0)


def pair(family: socket.AddressFamily = socket.AF_INET) -> tuple[socket.socket, socket.socket, socket.socket]:
    """Listener, accepted socket, client."""
    listener = socket.create_server(("::1", 0) if family == socket.AF_INET6 else LOOPBACK, family=family)
    client = socket.create_connection(listener.getsockname()[:2])
    return listener, listener.accept()[0], client


def both(one: socket.socket, other: socket.socket) -> Standing:
    """How it stands for one end, which agrees with the other."""
    here, there = standing(one), standing(other)
    assert here is not None
    assert there is not None
    assert (here.begun, here.begun_back, here.next_back) == (there.begun_back, there.begun, there.next)
    assert (here.scale, here.scale_back) == (there.scale_back, there.scale)
    return here


def between(low: int, high: int) -> int:
    return (high - low) % 2**32


@in_sandbox
def test_both_ends_tell_the_same() -> None:
    for family in (socket.AF_INET, socket.AF_INET6):
        listener, served, client = pair(family)
        with listener, served, client:
            fresh = both(served, client)
            assert (between(fresh.begun, fresh.next), between(fresh.begun_back, fresh.next_back)) == (1, 1)
            client.sendall(b"x" * 1000)
            served.recv(100)
            served.sendall(b"y" * 77)
            client.recv(77)
            later = both(served, client)
            assert (later.begun, later.begun_back) == (fresh.begun, fresh.begun_back)
            assert (between(later.begun, later.next), between(later.begun_back, later.next_back)) == (78, 1001)
            assert (later.next, later.clock is not None) == (later.unacked, True)


@in_sandbox
def test_what_waits_to_be_sent_is_not_sent_yet_and_is_not_lost() -> None:
    listener, served, client = pair()
    with listener, client:
        served.setblocking(False)
        written = 0
        try:
            while True:
                written += served.send(bytes(65536))
        except BlockingIOError:
            pass
        known = standing(served)
        assert known is not None
        assert between(known.begun, known.next) - 1 < written
        served.setblocking(True)
        served.close()
        got = 0
        while part := client.recv(1 << 20):
            got += len(part)
        assert got == written


@in_sandbox
def test_a_fin_has_a_number_too_and_is_no_byte() -> None:
    listener, served, client = pair()
    with listener, served, client:
        fresh = both(served, client)
        served.sendall(b"abc")
        served.shutdown(socket.SHUT_WR)
        assert client.recv(10) == b"abc"
        assert client.recv(10) == b""
        half = both(served, client)
        assert (half.begun, between(half.begun, half.next)) == (fresh.begun, 5)


@in_sandbox
def test_asked_it_is_none_the_worse() -> None:
    listener, served, client = pair()
    with served, client:
        standing(served)
        assert select.select([client], [], [], 0)[0] == [], "nothing was sent"
        at = listener.getsockname()
        listener.close()
        with socket.create_server(at):  # it binds again beside what is open, as a listener does
            served.sendall(b"still here")
            assert client.recv(20) == b"still here"


@in_sandbox
def test_it_leaves_repair_mode_where_the_kernel_knows_only_the_old_way() -> None:
    listener, served, client = pair()
    with pytest.MonkeyPatch.context() as patch, listener, served, client:
        patch.setattr("faultproxy.kernel.standing._OFF_WITHOUT_PROBE", 7)  # refused, as -1 is before Linux 4.19
        assert standing(served) is not None
        served.sendall(b"it sends")
        assert client.recv(20) == b"it sends"


@in_sandbox
def test_of_what_is_not_open_nothing_is_known() -> None:
    listener, served, client = pair()
    with listener:
        assert standing(listener) is None
        client.close()
        served.close()
        assert standing(served) is None
    with socket.socket() as fresh:
        assert standing(fresh) is None
    left, right = socket.socketpair()
    with left, right:
        assert standing(left) is None


def test_without_the_privilege_nothing_is_known() -> None:
    with unprivileged():
        listener, served, client = pair()
        with listener, served, client:
            assert standing(served) is None
            client.sendall(b"x")
            assert served.recv(1) == b"x"
