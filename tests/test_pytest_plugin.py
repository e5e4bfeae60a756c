"""The fixture and the marker, in pytest runs of their own."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from faultproxy import embed, pytest_plugin
from faultproxy.arena import player, server
from tests.embed.echo import echo

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.live

IMPORTED = (embed, player, server)
"""What a run within this one imports is thrown away with it, unless it was there before, and then there are two of each class."""
_INSTALLED = any(point.name == "faultproxy" for point in entry_points(group="pytest11"))
"""The plugin is there by itself; otherwise each run has to name it."""

SCENARIO = """
[proxy]
listen = "127.0.0.1:0"

[[fault]]
name = "late"
kind = "latency"
delay = "20ms"
direction = "s2c"

[[fault]]
name = "deaf"
kind = "stall_reads"
direction = "c2s"
on_match = "NEVER"
"""


class Runs:
    """Runs tests that have an echo server's address in `UPSTREAM`, and `connect` and `asks`."""

    def __init__(self, pytester: pytest.Pytester, upstream: str) -> None:
        self.pytester = pytester
        pytester.makeini("[pytest]\nfilterwarnings = error\n")
        pytester.makefile(".toml", scenario=SCENARIO)
        self.head = (
            "import pytest, faultproxy\n"
            "from tests.embed.echo import asks, connect\n"
            f"UPSTREAM = {upstream!r}\n"
        )  # fmt: skip

    def __call__(self, body: str, *options: str) -> pytest.RunResult:
        self.pytester.makepyfile(self.head + body)
        plugins = [] if _INSTALLED else [pytest_plugin]
        return self.pytester.runpytest_inprocess("-p", "no:cacheprovider", "--strict-markers", *options, plugins=plugins)


@pytest.fixture
def runs(pytester: pytest.Pytester) -> Iterator[Runs]:
    with echo() as upstream:
        yield Runs(pytester, upstream)
    assert [thread.name for thread in threading.enumerate() if thread.name == "faultproxy"] == []


def test_a_proxy_for_one_test(runs: Runs) -> None:
    result = runs("""
def test_late(faultproxy):
    proxy = faultproxy(UPSTREAM, ["latency delay=1ms"])
    assert faultproxy.proxy is proxy is faultproxy["proxy"]
    with connect(proxy.address) as client, proxy.fault("bandwidth", rate="1MB/s") as thin:
        assert asks(client, b"hello") == b"hello"
        thin.wait_fired()

def test_two(faultproxy):
    one, two = faultproxy(UPSTREAM), faultproxy(UPSTREAM)
    assert one.seed == two.seed
    with pytest.raises(LookupError, match="2 proxies"):
        faultproxy.proxy
    with pytest.raises(LookupError, match="no proxy called 'third'"):
        faultproxy["third"]

def test_none(faultproxy):
    with pytest.raises(LookupError, match="no proxy yet"):
        faultproxy.proxy
""")
    result.assert_outcomes(passed=3)


def test_a_failure_is_told_with_seed_and_journal(runs: Runs) -> None:
    result = runs("""
def test_wrong(faultproxy):
    proxy = faultproxy(UPSTREAM, "latency delay=1ms name=late")
    with connect(proxy.address) as client:
        assert asks(client, b"hello") == b"bye"
""")
    result.assert_outcomes(failed=1)
    said = result.stdout.str()
    seed = re.search(r"seed (\d+); to repeat: pytest (\S+) --faultproxy-seed \1", said)
    assert seed is not None
    assert seed[2].endswith(".py::test_wrong")
    assert re.search(r"-+ faultproxy 127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+ -+", said)
    assert re.search(r"late: latency, started 1, fired \d, healed [01] times; last: delayed", said)
    assert re.search(r"journal, the last \d+ of \d+ lines:\n\{", said)


def test_the_seed_is_given_or_one_for_all(runs: Runs) -> None:
    body = """
def test_seed(faultproxy):
    assert (faultproxy(UPSTREAM).seed, faultproxy(UPSTREAM, seed=7).seed) == (4711, 7)
"""
    runs(body, "--faultproxy-seed", "4711").assert_outcomes(passed=1)
    runs(body).assert_outcomes(failed=1)


def test_the_marked_scenario_runs_for_the_test(runs: Runs) -> None:
    result = runs("""
@pytest.mark.faults("scenario.toml", upstream=UPSTREAM)
def test_started(faultproxy):
    with connect(faultproxy.proxy.address) as client:
        assert asks(client, b"NEVER") == b"NEVER"
        client.sendall(b"more")
        faultproxy.proxy.wait_fired("deaf")

@pytest.mark.faults("latency delay=1ms", "scenario.toml")
def test_called(faultproxy):
    proxy = faultproxy(UPSTREAM)
    assert [stats.name for stats in proxy.stats] == ["late", "deaf", "latency"]
    with connect(proxy.address) as client:
        assert asks(client, b"NEVER") == b"NEVER"
        client.sendall(b"more")
        proxy.wait_fired("deaf")
""")
    result.assert_outcomes(passed=2)


def test_a_marked_fault_must_fire(runs: Runs) -> None:
    result = runs("""
@pytest.mark.faults("scenario.toml", upstream=UPSTREAM)
def test_not_all(faultproxy):
    with connect(faultproxy.proxy.address) as client:
        assert asks(client, b"hello") == b"hello"

@pytest.mark.faults("latency delay=1ms may_not_fire=true", upstream=UPSTREAM)
def test_allowed(faultproxy):
    pass

def test_unmarked(faultproxy):
    assert faultproxy(UPSTREAM, "latency delay=1ms").never_fired == ("latency",)
""")
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*the test has passed, but it was none: never fired: deaf (may_not_fire=true allows it)*", "*seed *"])


def test_every_proxy_of_a_scenario_has_its_name(runs: Runs) -> None:
    tables = "".join(f'[[proxy]]\nname = "{name}"\nlisten = "127.0.0.1:0"\n' for name in ("front", "back"))
    runs.pytester.makefile(".toml", both=tables + '[[fault]]\nkind = "refuse"\nproxy = "back"\nmay_not_fire = true\n')
    result = runs("""
@pytest.mark.faults("both.toml", upstream=UPSTREAM)
def test_both(faultproxy):
    assert [proxy.name for proxy in faultproxy.all] == ["front", "back"]
    assert asks(connect(faultproxy["front"].address), b"x") == b"x"
    with pytest.raises(ConnectionRefusedError):
        connect(faultproxy["back"].address)
""", "-W", "ignore::ResourceWarning", "-W", "ignore::pytest.PytestUnraisableExceptionWarning")  # fmt: skip
    result.assert_outcomes(passed=1)


def test_what_is_wrong_in_a_marker_is_told(runs: Runs) -> None:
    result = runs("""
@pytest.mark.faults("lag delay=1s", upstream=UPSTREAM)
def test_kind(faultproxy):
    pass

@pytest.mark.faults("missing.toml", upstream=UPSTREAM)
def test_file(faultproxy):
    pass
""")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*there is no fault `lag`: it is called `latency`*", "*missing.toml*"])


def test_what_this_machine_lacks_is_an_error_or_a_skip(runs: Runs) -> None:
    result = runs("""
from faultproxy.errors import CapabilityError
import faultproxy.net.proxy

@pytest.fixture(autouse=True)
def lacking(monkeypatch):
    def plane(*args):
        raise CapabilityError("no right to touch packets: see faultproxy doctor")
    monkeypatch.setattr(faultproxy.net.proxy.Proxy, "_plane", plane)

LOST = "drop direction=from_client segments=data"

def test_error(faultproxy):
    with pytest.raises(CapabilityError, match="doctor"):
        faultproxy(UPSTREAM, LOST)

def test_skip(faultproxy):
    faultproxy(UPSTREAM, LOST, skip_if_lacking=True)
""")
    result.assert_outcomes(passed=1, skipped=1)


def test_it_serves_trio_and_asyncio_tests(runs: Runs) -> None:
    result = runs("""
import asyncio, trio

@pytest.mark.trio
async def test_trio(faultproxy):
    proxy = faultproxy(UPSTREAM)
    stream = await trio.open_tcp_stream(proxy.host, proxy.port)
    async with stream, proxy.fault("latency", delay="1ms") as late:
        await stream.send_all(b"x")
        assert await stream.receive_some() == b"x"
        await trio.to_thread.run_sync(late.wait_fired)

def test_asyncio(faultproxy):
    async def main():
        proxy = faultproxy(UPSTREAM)
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        async with proxy.fault("latency", delay="1ms") as late:
            writer.write(b"x")
            assert await reader.read(1) == b"x"
            await asyncio.to_thread(late.wait_fired)
        writer.close()
        await writer.wait_closed()
    asyncio.run(main())
""")
    result.assert_outcomes(passed=2)


def test_it_hurts_the_arena_and_not_its_other_players(runs: Runs) -> None:
    result = runs("""
import trio
from functools import partial
from faultproxy.arena.player import Player
from faultproxy.arena.server import serve

@pytest.mark.trio
async def test_arena(faultproxy, nursery):
    host, port = await nursery.start(serve, "127.0.0.1", 0)
    proxy = faultproxy(f"{host}:{port}")
    async with await Player.connect(proxy.host, proxy.port) as hurt, await Player.connect(proxy.host, proxy.port) as well:
        await hurt.login("hurt")
        await well.login("well")
        with trio.fail_after(10), proxy.fault("stall_reads", direction="c2s", connections=[1]) as deaf:
            await hurt.send(b"PING\\r\\n")
            await trio.to_thread.run_sync(deaf.wait_fired)
            assert await well.ask("PING") == "PONG"
        with trio.fail_after(10):
            assert await hurt.hear() == "PONG"
    nursery.cancel_scope.cancel()
""")
    result.assert_outcomes(passed=1)


def test_it_costs_the_start_of_pytest_nothing() -> None:
    loaded = "import sys, faultproxy.pytest_plugin; print(sorted({'trio', 'pydantic', 'typer', 'rich'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_it_is_announced_to_pytest() -> None:
    written = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.entry-points.pytest11]\nfaultproxy = "faultproxy.pytest_plugin"\n' in written
