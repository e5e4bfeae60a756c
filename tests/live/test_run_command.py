"""`faultproxy run` as a program of its own, with real clients, signals and pipes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.live.program import ECHO, ask, program
from tests.live.rig import until

pytestmark = pytest.mark.live


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_runs_until_a_signal_and_then_sums_up(scenario: Path, number: signal.Signals) -> None:
    async with program("run", scenario, "--seed", "7") as running:
        await running.listening()
        assert await ask(running.address, b"hello world") == b"hello world"
        await running.says("connection 1: closed")
        began = trio.current_time()
        running.process.send_signal(number)
        assert await running.ended() == 0
        assert trio.current_time() - began < 2
    lines = running.out.splitlines()
    assert lines[:4] == [
        "seed 7",
        "echo.toml: echo",
        "  slow: latency both, delay 20ms, jitter 10ms; behind 5B; on every connection",
        "  idle: hold_fin both; when started by hand; on every connection",
    ]
    assert lines[4].startswith("server: ")
    events = [line.partition(" s  ")[2].partition(" from ")[0] for line in lines if " s  connection" in line]
    assert events == [
        "connection 1: opened",
        "connection 1: slow started (5 bytes sent in c2s)",
        "connection 1: slow fired for the first time: delayed",
        "connection 1: slow healed (the connection has ended)",
        "connection 1: closed",
    ]
    assert "1 connection, 11 B from clients, 11 B from the server" in running.out
    assert "never fired: idle: hold_fin both; when started by hand; on every connection" in lines
    assert lines[-1] == f"to repeat it: faultproxy run {scenario} --seed 7"
    assert running.err == ""
    assert "\x1b" not in running.out


async def test_nothing_of_it_is_left(scenario: Path) -> None:
    async with program("run", scenario) as running:
        await running.listening()
        host, port = running.address
        upstream = int(running.out.split("upstream 127.0.0.1:")[1].split()[0])
        running.process.send_signal(signal.SIGTERM)
        assert await running.ended() == 0
    for closed in (port, upstream):
        with pytest.raises(ConnectionRefusedError), socket.create_connection((host, closed)):
            pass


async def test_what_it_recorded_is_replayed(scenario: Path, tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    async with program("run", scenario, "--journal", journal, "--quiet") as running:
        await running.listening()
        async with trio.open_nursery() as nursery:
            for size in (3, 10, 5000, 100_000):
                nursery.start_soon(ask, running.address, os.urandom(size))
        running.process.send_signal(signal.SIGINT)
        assert await running.ended() == 0
    assert "connection 1:" not in running.out
    async with program("replay", journal) as replayed:
        assert await replayed.ended() == 0
    assert "4 connections" in replayed.out
    assert replayed.out.endswith("every decision came out as on record\n")

    tampered = tmp_path / "tampered.jsonl"
    tampered.write_text(journal.read_text().replace('"do": "started", "fault": "slow"', '"do": "started", "fault": "fast"', 1))
    async with program("replay", tampered) as replayed:
        assert await replayed.ended() == 1
    assert re.match(r"the replay decides otherwise in line \d+, at [\d.]+ s, connection \d:\n  on record: .*fast", replayed.err)


async def test_a_journal_survives_a_kill(tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    async with program("run", "--upstream", "127.0.0.1:1", "--fault", "latency delay=5ms", "--journal", journal) as running:
        await running.listening()
        with pytest.raises(trio.BrokenResourceError):
            await ask(running.address, b"x")
        await until(lambda: '"event": "close"' in journal.read_text(), "the journal is written while it runs")
        running.process.kill()
        assert await running.ended() == -signal.SIGKILL
    with journal.open("a") as file:
        file.write('{"time": 1.')
    async with program("replay", journal) as replayed:
        assert await replayed.ended() == 0
    assert "the journal is cut off at its end, as by a kill" in replayed.out


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


async def test_json_is_a_line_for_each_event_and_a_summary(scenario: Path, tmp_path: Path) -> None:
    async with program("run", scenario, "--seed", "7", "--json") as running:
        await running.listening()
        await ask(running.address, b"hello world")
        await running.says('"event": "close"')
        running.process.send_signal(signal.SIGINT)
        assert await running.ended() == 0
    told = objects(running.out)
    assert told[0]["seed"] == 7
    assert [each.get("event") for each in told[1:6]] == ["open", "listening", "connect", "open", "dial"]
    summary = told[-1]
    assert (summary["event"], summary["seed"]) == ("summary", 7)
    (proxy,) = summary["proxies"]
    assert (proxy["opened"], proxy["c2s"], proxy["s2c"], proxy["never_fired"]) == (1, 11, 11, ["idle"])
    assert proxy["faults"][0]["name"] == "slow"
    assert proxy["faults"][0]["starts"] == 1

    saved = tmp_path / "out.jsonl"
    saved.write_text(running.out)
    async with program("replay", saved) as replayed:
        assert await replayed.ended() == 0


async def test_without_a_file_it_is_a_plain_relay_that_says_when_the_upstream_refuses() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        upstream = f"127.0.0.1:{taken.getsockname()[1]}"
        async with program("run", "--upstream", upstream, "--for", "20s") as running:
            await running.listening()
            with pytest.raises(trio.BrokenResourceError):
                await ask(running.address, b"x")
            await running.says(f"connection 1: upstream {upstream} refused the connection: is the server running there?")
            await running.says("connection 1: closed")
            running.process.send_signal(signal.SIGINT)
            assert await running.ended() == 0
    assert "no faults: a plain relay" in running.out
    assert "1 connection (1 without upstream)" in running.out


async def test_it_ends_by_itself_when_its_time_is_over() -> None:
    async with program("run", "--upstream", "127.0.0.1:1", "--fault", "latency delay=5ms", "--for", "100ms") as running:
        assert await running.ended() == 0
    assert "latency both, delay 5ms; from the start; on every connection" in running.out
    assert "to repeat it: faultproxy run --upstream 127.0.0.1:1 --fault 'latency delay=5ms' --for 100ms --seed " in running.out


async def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        async with program("run", "--listen", address, "--upstream", "127.0.0.1:1") as running:
            assert await running.ended() == 2
    assert address in running.err
    assert running.err.startswith("faultproxy: ")
    assert "Traceback" not in running.err


async def test_without_an_upstream_it_says_how_to_give_one() -> None:
    async with program("run") as running:
        assert await running.ended() == 2
    assert running.err == (
        "faultproxy: nothing says what the proxy connects to: give --upstream HOST:PORT, or `upstream` in [proxy], or a [server]\n"
    )


async def test_a_server_that_fails_is_told_with_its_words(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('[proxy]\nlisten = "127.0.0.1:0"\n[server]\ncommand = ["sh", "-c", "echo no configuration; exit 3"]\n')
    async with program("run", file) as running:
        assert await running.ended() == 1
    assert "faultproxy: the server ended with status 3 before it was ready" in running.err
    assert running.err.endswith("  | no configuration\n")


async def test_a_journal_that_cannot_be_written_is_told_before_anything_starts(scenario: Path, tmp_path: Path) -> None:
    async with program("run", scenario, "--journal", tmp_path / "no" / "where.jsonl") as running:
        assert await running.ended() == 2
    assert running.err == f"faultproxy: --journal {tmp_path}/no/where.jsonl: cannot be written (No such file or directory)\n"
    assert "listening" not in running.out


async def test_the_server_can_know_the_port_of_the_proxy(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(ECHO.replace('"${server_port}"]', '"${server_port}", "${proxy_port}"]'))
    async with program("run", file) as running:
        await running.listening()
        server = next(line for line in running.out.splitlines() if "ready" in line or line.endswith(str(running.address[1])))
        assert server
        running.process.send_signal(signal.SIGINT)
        assert await running.ended() == 0
    assert f" {running.address[1]}\n" in running.out


async def test_several_proxies_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "two.toml"
    proxies = "".join(f'[[proxy]]\nname = "{name}"\nlisten = "127.0.0.1:0"\nupstream = "127.0.0.1:1"\n' for name in ("db", "cache"))
    file.write_text(proxies + '[[fault]]\nkind = "latency"\nproxy = "db"\ndelay = "1ms"\n')
    journal = tmp_path / "two.jsonl"
    async with program("run", file, "--journal", journal, "--for", "300ms") as running:
        assert await running.ended() == 0
    assert "db: listening on 127.0.0.1:" in running.out
    assert "cache: listening on 127.0.0.1:" in running.out
    assert Counter(entry["proxy"] for entry in objects(journal.read_text())) == {"db": 3, "cache": 3}
    async with program("replay", journal) as replayed:
        assert await replayed.ended() == 0
