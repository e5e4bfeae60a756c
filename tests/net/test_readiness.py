"""Watching descriptors, by epoll and by tasks alike."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable

import pytest
import trio
import trio.testing

from faultproxy.net.readiness import IN, OUT, EpollReadiness, Readiness, TaskReadiness, look


@pytest.fixture(params=["epoll", "tasks"])
async def readiness(request: pytest.FixtureRequest) -> AsyncIterator[Readiness]:
    async with trio.open_nursery() as nursery:
        made: Readiness = EpollReadiness() if request.param == "epoll" else TaskReadiness(nursery)
        yield made
        made.close()
        nursery.cancel_scope.cancel()


async def ready(readiness: Readiness) -> list[tuple[int, int]]:
    """The next that is ready."""
    with trio.fail_after(5):
        while not (found := readiness.poll()):
            await readiness.wait()
    return found


async def test_what_is_ready_is_told_as_long_as_it_is(readiness: Readiness) -> None:
    one, other = socket.socketpair()
    with one, other:
        readiness.watch(one.fileno(), IN)
        other.send(b"x")
        for _ in range(3):
            assert await ready(readiness) == [(one.fileno(), IN)]
        readiness.change(one.fileno(), OUT)
        assert await ready(readiness) == [(one.fileno(), OUT)]
        readiness.forget(one.fileno())
        assert readiness.poll() == []


async def test_a_number_that_is_watched_closed_and_used_again_at_once(readiness: Readiness) -> None:
    for yields in (False, True):
        one, other = socket.socketpair()
        number = one.fileno()
        readiness.watch(number, IN)
        if yields:
            await trio.testing.wait_all_tasks_blocked()
        readiness.closing(number)
        one.close()
        other.close()
        await trio.testing.wait_all_tasks_blocked()
        one, other = socket.socketpair()
        with one, other:
            assert one.fileno() == number
            readiness.watch(number, IN)
            other.send(b"x")
            assert await ready(readiness) == [(number, IN)]
            readiness.closing(number)


async def test_interest_that_changes_to_and_fro_is_what_it_was_last(readiness: Readiness) -> None:
    one, other = socket.socketpair()
    with one, other:
        readiness.watch(one.fileno(), IN)
        for interest in (OUT, IN | OUT, 0, IN, 0, OUT, IN):
            readiness.change(one.fileno(), interest)
        other.send(b"x")
        assert await ready(readiness) == [(one.fileno(), IN)]
        readiness.forget(one.fileno())


@pytest.mark.parametrize("make", [lambda sock: sock.close(), lambda sock: sock.send(b"x")], ids=["closed", "bytes"])
async def test_pause_tells_it_to_one_who_does_not_let_tasks_run(readiness: Readiness, make: Callable[[socket.socket], object]) -> None:
    one, other = socket.socketpair()
    with one, other:
        readiness.watch(one.fileno(), IN)
        make(other)
        ((number, bits),) = readiness.pause(1.0)
        assert (number, bits & IN) == (one.fileno(), IN)
        readiness.forget(one.fileno())


def test_a_second_look() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert look(one.fileno(), IN) == 0
        assert look(one.fileno(), OUT) == OUT
        other.send(b"x")
        assert look(one.fileno(), IN) == IN
