"""Answers wait for room, broadcasts do not."""

from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from faultproxy.arena.outbox import Outbox


async def test_bytes_come_out_in_order_and_the_end_after_them() -> None:
    outbox = Outbox(100, overflow=lambda: None)
    outbox.offer(b"one ")
    await outbox.put(b"two")
    outbox.close()
    outbox.offer(b"too late")
    assert [await outbox.take(5), await outbox.take(), await outbox.take()] == [b"one t", b"wo", b""]


async def test_a_broadcast_that_does_not_fit_overflows_and_adds_nothing() -> None:
    overflows: list[int] = []
    outbox = Outbox(10, overflow=lambda: overflows.append(len(outbox)))
    outbox.offer(b"0123456789")
    assert overflows == []
    outbox.offer(b"!")
    assert overflows == [10]
    assert await outbox.take() == b"0123456789"


async def test_an_answer_waits_for_room(autojump_clock: MockClock) -> None:
    outbox = Outbox(10, overflow=lambda: None)
    await outbox.put(b"a longer answer than the limit")  # into an empty outbox anything goes, or it would wait for ever
    done: list[float] = []

    async def answer() -> None:
        await outbox.put(b"next")
        done.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        start = trio.current_time()
        nursery.start_soon(answer)
        await trio.sleep(1)
        await outbox.take(20)
        await trio.sleep(1)
        assert done == []
        await outbox.take(4)
    assert done == [start + 2]
    assert await outbox.take() == b"han the limit"[-6:] + b"next"


async def test_who_takes_from_an_empty_outbox_waits() -> None:
    outbox, taken = Outbox(10, overflow=lambda: None), []

    async def take() -> None:
        taken.append(await outbox.take())
        taken.append(await outbox.take())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await wait_all_tasks_blocked()
        outbox.offer(b"news")
        await wait_all_tasks_blocked()
        assert taken == [b"news"]
        outbox.close()
    assert taken == [b"news", b""]


async def test_it_is_emptied_when_more_is_asked_for_and_not_when_the_last_is_taken() -> None:
    outbox, seen = Outbox(100, lambda: None), list[str]()

    async def watch() -> None:
        await outbox.emptied()
        seen.append("emptied")

    async with trio.open_nursery() as nursery:
        await outbox.emptied()
        outbox.offer(b"news")
        nursery.start_soon(watch)
        await wait_all_tasks_blocked()
        assert await outbox.take() == b"news"
        await wait_all_tasks_blocked()
        assert seen == []
        nursery.start_soon(outbox.take)
        await wait_all_tasks_blocked()
        assert seen == ["emptied"]
        outbox.close()


async def test_what_is_discarded_is_not_sent() -> None:
    outbox = Outbox(100, lambda: None)
    outbox.offer(b"news")
    outbox.discard()
    outbox.close()
    await outbox.emptied()
    assert await outbox.take() == b""
