"""A proxy in a trio program."""

from __future__ import annotations

import pytest
import trio

import faultproxy
from faultproxy.embed.handle import ProxyClosed
from faultproxy.embed.opening import only
from faultproxy.errors import ListenError, ScenarioError
from tests.embed.echo import echo

pytestmark = pytest.mark.live


async def test_a_fault_for_a_while() -> None:
    with echo() as upstream:
        async with faultproxy.open_proxy(upstream, "stall_reads name=deaf manual=true direction=c2s") as proxy:
            client = await trio.open_tcp_stream(proxy.host, proxy.port)
            with trio.fail_after(10):
                async with client, proxy.fault("deaf") as deaf:
                    await client.send_all(b"held")
                    assert await deaf.wait_fired() == deaf.fired == 1
                    deaf.heal()
                    assert await client.receive_some(4) == b"held"
                    with proxy.fault("bandwidth", rate="1MB/s"):
                        await client.send_all(b"more")
                        assert await client.receive_some(4) == b"more"
        with pytest.raises(ProxyClosed):
            proxy.start("deaf")
        assert [stats.name for stats in proxy.stats] == ["deaf"]


async def test_whoever_waits_is_woken_or_told() -> None:
    with echo() as upstream:
        async with faultproxy.open_proxy(upstream, "flip direction=s2c name=wrong take=1") as proxy:
            woken: list[int] = []

            async def wait() -> None:
                woken.append(await proxy.wait_fired("wrong"))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                async with await trio.open_tcp_stream(proxy.host, proxy.port) as client:
                    await client.send_all(b"right")
                    assert await client.receive_some(5) != b"right"
            assert woken == [1]
            with pytest.raises(TimeoutError, match="has not fired 9 times within"):
                await proxy.wait_fired("wrong", within="10ms", times=9)


async def test_errors_come_out_as_they_are() -> None:
    with echo() as upstream:
        async with faultproxy.open_proxy(upstream) as proxy:
            with pytest.raises(ListenError):
                async with faultproxy.open_proxy(upstream, listen=proxy.address):
                    pass
        with pytest.raises(ScenarioError):
            async with faultproxy.open_proxy(upstream, "latency"):
                pass
        with pytest.raises(ZeroDivisionError):
            async with faultproxy.open_proxy(upstream):
                _ = 1 / 0
        with pytest.raises(ExceptionGroup, match="mine"):
            async with faultproxy.open_proxy(upstream):
                raise ExceptionGroup("mine", [ValueError("a")])


async def test_a_cancelled_block_is_closed_in_time() -> None:
    with echo() as upstream:
        with trio.move_on_after(0.05) as scope:
            async with faultproxy.open_proxy(upstream) as proxy:
                await trio.sleep_forever()
        assert scope.cancelled_caught
        with pytest.raises(OSError, match=r"failed|refused"):
            await trio.open_tcp_stream(proxy.host, proxy.port)


def test_only_one_error_is_taken_out_of_a_group() -> None:
    one, two = ValueError("one"), ValueError("two")
    assert only(ExceptionGroup("", [one])) is one
    assert only(ExceptionGroup("", [one, two])) is None
