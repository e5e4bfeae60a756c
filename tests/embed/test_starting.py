"""A proxy in a thread of its own, for programs that know nothing of trio."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trio

import faultproxy
from faultproxy.core.replay import replay
from faultproxy.embed.handle import ProxyClosed
from faultproxy.errors import ListenError, ScenarioError
from faultproxy.faults.tables import plans
from tests.embed.echo import asks, connect, echo, until

pytestmark = pytest.mark.live


@pytest.fixture
def upstream() -> Iterator[str]:
    with echo() as address:
        yield address


def own_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "faultproxy"]


def test_it_relays_and_leaves_no_thread_behind(upstream: str) -> None:
    with faultproxy.start_proxy(upstream, seed=7) as proxy, connect(proxy.address) as client:
        assert asks(client, b"hello") == b"hello"
        (row,) = proxy.connections
        assert (row.ordinal, row.c2s, row.s2c, row.active) == (1, 5, 5, ())
        assert (proxy.seed, f"{proxy.host}:{proxy.port}", len(own_threads())) == (7, proxy.address, 1)
        assert repr(proxy) == f"<StartedProxy {proxy.address} -> {upstream}, seed 7>"
    assert own_threads() == []
    assert proxy.snapshot().opened == 1, "questions may be asked after the end"
    with pytest.raises(ProxyClosed, match="is closed"):
        proxy.heal()
    with pytest.raises(ProxyClosed):
        proxy.wait_fired("any")


def test_a_fault_acts_on_what_is_open_and_on_what_opens_meanwhile(upstream: str) -> None:
    with faultproxy.start_proxy(upstream) as proxy, connect(proxy.address) as early:
        assert asks(early, b"1") == b"1"
        hole = proxy.fault("blackhole", direction="c2s").start()
        with connect(proxy.address) as late:
            early.sendall(b"2")
            late.sendall(b"3")
            assert hole.wait_fired(times=2) == hole.fired == 2
            hole.heal()
            for client in (early, late):
                with pytest.raises(ConnectionResetError):  # bytes are missing
                    client.recv(1)
        with connect(proxy.address) as after:
            assert asks(after, b"4") == b"4"


def test_healing_lets_go_what_was_held(upstream: str) -> None:
    with faultproxy.start_proxy(upstream) as proxy, connect(proxy.address) as client:
        assert asks(client, b"1") == b"1"
        with proxy.fault("stall_reads", direction="c2s") as deaf:
            client.sendall(b"2")
            deaf.wait_fired("5s")
            client.settimeout(0.05)
            with pytest.raises(TimeoutError):
                client.recv(1)
            client.settimeout(10)
        assert client.recv(1) == b"2"


def test_two_of_a_kind_have_two_names(upstream: str) -> None:
    with faultproxy.start_proxy(upstream) as proxy:
        with proxy.fault("latency", delay="1ms") as one, proxy.fault("latency", delay="2ms") as two:
            assert (one.name, two.name) == ("latency", "latency-2")
            with pytest.raises(ScenarioError, match="a fault called 'latency' already"):
                proxy.fault("latency", delay="1s", name="latency").start()
        with proxy.fault("latency", delay="3ms") as again:
            assert (again.name, [stats.starts for stats in proxy.stats]) == ("latency", [0])


def test_a_fault_with_a_start_of_its_own_waits_for_it(upstream: str) -> None:
    with (
        faultproxy.start_proxy(upstream) as proxy,
        connect(proxy.address) as client,
        proxy.fault("reset", direction="s2c", on_match={"c2s": b"QUIT\n"}) as cut,
    ):
        assert asks(client, b"hello") == b"hello"
        assert cut.fired == 0
        client.sendall(b"QUIT\n")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        assert cut.wait_fired() == 1


def test_the_port_is_closed_and_open_again(upstream: str) -> None:
    with faultproxy.start_proxy(upstream) as proxy:
        for _ in range(2):
            with proxy.fault("refuse"), pytest.raises(ConnectionRefusedError):
                connect(proxy.address)
            with connect(proxy.address) as client:
                assert asks(client, b"again") == b"again"


def test_faults_by_name_start_and_heal_and_start_again(upstream: str) -> None:
    words = ["stall_reads name=deaf direction=s2c manual=true", "latency delay=1ms name=slow"]
    with faultproxy.start_proxy(upstream, words) as proxy, connect(proxy.address) as client:
        assert asks(client, b"1") == b"1"
        assert (proxy.fired("slow") > 0, proxy.never_fired) == (True, ("deaf",))
        for times in (1, 2):
            with proxy.fault("deaf"):
                client.sendall(b"x")
                proxy.wait_fired("deaf", times=times)
            assert client.recv(1) == b"x"
        proxy.start("deaf")
        assert "deaf" in proxy.connections[0].active
        proxy.heal("deaf")
        proxy.heal()
        assert proxy.connections[0].active == ()


def test_whoever_waits_in_vain_is_told_how_it_stands(upstream: str) -> None:
    with faultproxy.start_proxy(upstream, "latency delay=1s manual=true name=late") as proxy:
        with pytest.raises(TimeoutError, match=r"'late' has not fired within 0.01 s: it has not started, and concerns 0 connections"):
            proxy.wait_fired("late", within="10ms")
        with connect(proxy.address), proxy.fault("late"):
            until(lambda: proxy.stats[0].starts == 1)
            with pytest.raises(TimeoutError, match="it has started 1 times, acted 0 times, and is active in 1 places"):
                proxy.wait_fired("late", within=0.01)
        with pytest.raises(ScenarioError, match="no fault is called `lat`: did you mean `late`"):
            proxy.wait_fired("lat")


def test_what_is_asked_wrongly_is_told_at_once(upstream: str) -> None:
    with faultproxy.start_proxy(upstream, "latency delay=1s manual=true name=late") as proxy:
        with pytest.raises(ScenarioError, match=r"there is no fault `lat`.*; and no fault is called `lat`: did you mean `late`"):
            proxy.fault("lat")
        with pytest.raises(ScenarioError, match=r'fault latency\.delay: a time needs a unit: write it like "50ms", not 2'):
            proxy.fault("latency", delay=2)
        with pytest.raises(ScenarioError, match="within: "):
            proxy.wait_fired("late", within="soon")


def test_what_keeps_it_from_starting_is_raised_as_it_is(upstream: str) -> None:
    with faultproxy.start_proxy(upstream) as proxy, pytest.raises(ListenError), faultproxy.start_proxy(upstream, listen=proxy.address):
        pass
    with pytest.raises(ScenarioError, match="is the address that the proxy itself listens on"):
        faultproxy.start_proxy(upstream, listen=upstream).__enter__()
    with pytest.raises(ScenarioError), faultproxy.start_proxy("nowhere"):
        pass
    with pytest.raises(ZeroDivisionError), faultproxy.start_proxy(upstream):
        _ = 1 / 0
    assert own_threads() == []


def test_many_threads_may_use_it_at_once(upstream: str) -> None:
    with faultproxy.start_proxy(upstream) as proxy:

        def work(number: int) -> bytes:
            with connect(proxy.address) as client, proxy.fault("latency", delay="1ms", direction="s2c"):
                return asks(client, b"%d" % number)

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(work, range(40)), key=int) == [b"%d" % number for number in range(40)]
        assert (proxy.stats, proxy.snapshot().opened) == ([], 40)


def test_it_can_be_used_within_trio_and_asyncio(upstream: str) -> None:
    async def in_trio() -> None:
        with faultproxy.start_proxy(upstream) as proxy:
            stream = await trio.open_tcp_stream(proxy.host, proxy.port)
            async with stream, proxy.fault("latency", delay="1ms", direction="c2s") as slow:
                await stream.send_all(b"trio")
                assert await stream.receive_some(4) == b"trio"
                assert await trio.to_thread.run_sync(slow.wait_fired) == 1

    async def in_asyncio() -> None:
        with faultproxy.start_proxy(upstream) as proxy:
            reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
            async with proxy.fault("latency", delay="1ms", direction="c2s") as slow:
                writer.write(b"asyncio")
                assert await reader.readexactly(7) == b"asyncio"
                assert await asyncio.to_thread(slow.wait_fired) == 1
            writer.close()
            await writer.wait_closed()

    trio.run(in_trio)
    asyncio.run(in_asyncio())


def test_the_journal_is_at_hand_and_in_the_file_and_replays(upstream: str, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    words = "latency delay=1ms jitter=1ms"
    with faultproxy.start_proxy(upstream, words, journal=path) as proxy, connect(proxy.address) as client:
        assert asks(client, b"one") == b"one"
        with proxy.fault("latency", delay="2ms", jitter="1ms"), connect(proxy.address) as other:
            assert asks(client, b"two") + asks(other, b"three") == b"twothree"
        assert any('"event": "remove"' in line for line in proxy.journal())
    written = path.read_text().splitlines(keepends=True)
    assert [line.rstrip("\n") for line in written] == proxy.journal()
    result = replay(written, plans)
    assert (result.difference, result.truncated, result.connections) == (None, False, 2)


def test_what_a_person_should_know_is_kept(upstream: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        dead = f"127.0.0.1:{nobody.getsockname()[1]}"
    with faultproxy.start_proxy(dead) as proxy:
        with pytest.raises(ConnectionResetError), connect(proxy.address) as client:  # it may come before connect() has returned
            client.recv(1)
        until(lambda: proxy.messages != [])
        assert proxy.messages[0].startswith("connection 1: ")
