"""Orders that meet, while one of them is still binding; and orders that are carried out wholly or not at all."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
import trio

from faultproxy.control.errors import Unfit, Unknown
from faultproxy.control.fleet import Spec
from faultproxy.control.post import Post
from faultproxy.errors import CapabilityError, ListenError
from faultproxy.faults.tables import fault
from faultproxy.kernel import privileges
from tests.control.harness import ask, connect, daemon
from tests.kernel.unprivileged import unprivileged

pytestmark = pytest.mark.live

LATE = {"kind": "latency", "name": "late", "delay": "1ms"}
DROP = {"kind": "drop", "name": "gone", "direction": "to_client", "segments": "ack"}


async def while_starting(post: Post, turns: int, act: Callable[[], None]) -> None:
    """Enables a post, and acts so many turns of the scheduler after it has begun to listen."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(post.enable)
        while not post._lock.locked():
            await trio.lowlevel.checkpoint()
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        act()


@pytest.mark.parametrize("turns", range(5))
async def test_faults_that_come_and_go_while_it_is_being_bound_are_there_or_gone(turns: int) -> None:
    async with daemon() as here:
        first = tuple(fault(LATE | {"name": name}) for name in ("goes", "other", "anew", "stays"))
        post = await here.fleet.create(Spec("a", "127.0.0.1:0", here.upstream, enabled=False, faults=first))

        def act() -> None:
            post.add(fault(LATE))
            post.remove("goes")
            post.change(fault(LATE | {"name": "other", "delay": "2ms"}))
            post.change(fault(LATE | {"name": "anew", "manual": True}))

        await while_starting(post, turns, act)
        assert [stats.name for stats in post.stats] == list(post.faults)
        assert set(post.faults) == {"late", "other", "anew", "stays"}
        for name in list(post.faults):
            post.order(name, heal=True)
            post.remove(name)


@pytest.mark.parametrize("turns", range(5))
async def test_a_packet_fault_that_cannot_run_is_refused_or_keeps_it_from_listening(turns: int) -> None:
    with unprivileged():
        if not privileges.lacking():
            pytest.skip("this user may touch segments")
        async with daemon() as here:
            post = await here.fleet.create(Spec("a", "127.0.0.1:0", here.upstream, enabled=False))
            refused = ""

            def act() -> None:
                nonlocal refused
                try:
                    post.add(fault(DROP))
                except Unfit as error:
                    refused = str(error)

            try:
                await while_starting(post, turns, act)
            except* CapabilityError:
                assert not refused
            assert (post.enabled, "gone" in post.faults) == (bool(refused), not refused)
            if refused:
                assert "CAP_NET_ADMIN" in refused
            else:
                with pytest.raises(CapabilityError):
                    await post.enable()


async def test_what_is_removed_while_it_is_being_bound_does_not_listen() -> None:
    async with daemon() as here:
        post = await here.fleet.create(Spec("a", "127.0.0.1:0", here.upstream, enabled=False))
        await here.fleet.remove("a")
        with pytest.raises(Unknown, match="removed meanwhile"):
            await post.enable()
        with pytest.raises(Unknown, match="removed meanwhile"):
            await post.move(listen="127.0.0.1:0")
        assert not post.enabled


async def test_who_fails_to_bind_takes_no_namesake_with_him() -> None:
    async with daemon() as here:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"

            async def fails() -> None:
                with pytest.raises((ListenError, Unknown)):
                    await here.fleet.create(Spec("a", address, here.upstream))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(fails)
                while "a" not in here.fleet.posts:
                    await trio.lowlevel.checkpoint()
                first = here.fleet.get("a")
                nursery.start_soon(here.fleet.remove, "a")
                while "a" in here.fleet.posts:
                    await trio.lowlevel.checkpoint()
                second = await here.fleet.create(Spec("a", "127.0.0.1:0", here.upstream))
        assert second is not first
        assert here.fleet.get("a") is second
        assert second.enabled


async def test_a_move_that_is_called_off_has_told_no_other_address() -> None:
    async with daemon() as here:
        post = await here.fleet.create(Spec("a", "127.0.0.1:0", here.upstream))
        before = (post.listen, post.upstream)
        called_off = trio.CancelScope()

        async def move() -> None:
            with called_off:
                await post.move(upstream="127.0.0.1:1")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(move)
            while post.upstream == before[1]:
                await trio.lowlevel.checkpoint()
            called_off.cancel()
        assert (post.listen, post.upstream) == before
        await post.enable()
        async with await connect(post.listen) as client:
            assert await ask(client) == b"ping"


async def test_a_change_that_fails_changes_nothing() -> None:
    async with daemon() as here:
        await here.made("on")
        await here.made("off", enabled=False, listen="127.0.0.1:0")
        before = [(await here.api.get(f"/v1/proxies/{name}")).json() for name in ("on", "off")]
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            answer = await here.api.patch("/v1/proxies/on", json={"enabled": False, "listen": "nonsense"})
            assert answer.status_code == 422
            answer = await here.api.patch("/v1/proxies/off", json={"enabled": True, "listen": address, "upstream": "127.0.0.1:1"})
            assert answer.status_code == 409
        assert [(await here.api.get(f"/v1/proxies/{name}")).json() for name in ("on", "off")] == before
