"""`faultproxy run` and whoever watches it: pipes that are not read, a terminal, a second Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import trio

from tests.live.program import Program, ask, program
from tests.live.rig import until

pytestmark = pytest.mark.live


async def test_a_reader_that_goes_away_ends_it_quietly(scenario: Path) -> None:
    command = f"{sys.executable} -m faultproxy run --upstream 127.0.0.1:1 --for 500ms | head -1"
    with trio.fail_after(10):
        ended = await trio.run_process(["bash", "-c", command], capture_stdout=True, capture_stderr=True)
    assert (ended.stdout[:5], ended.stderr) == (b"seed ", b"")


async def test_a_reader_who_does_not_read_holds_up_nobody(scenario: Path) -> None:
    reader, writer = os.pipe()
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "faultproxy", "run", str(scenario), "--json"], stdout=writer, stderr=subprocess.DEVNULL
    )
    os.close(writer)
    try:
        told = ""
        while '"address"' not in told:
            told += (await trio.to_thread.run_sync(os.read, reader, 65536)).decode()
        running = Program(process)
        running.out = told
        data = bytes(2000)
        for _ in range(60):  # some 100 kB of events, and a pipe takes 64 KiB
            with trio.fail_after(10):
                assert await ask(running.address, data) == data
        process.send_signal(signal.SIGINT)
        with trio.fail_after(10):
            assert await process.wait() == 0
    finally:
        process.kill()
        await process.wait()
        os.close(reader)


async def test_a_second_signal_ends_it_by_force(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    file.write_text(
        f'[proxy]\nlisten = "127.0.0.1:0"\n[server]\ncommand = [{json.dumps(sys.executable)}, "-c", {json.dumps(stubborn)}]\n'
        'ready = {log = "ready"}\n'
    )
    async with program("run", file) as running:
        await running.listening()
        began = trio.current_time()
        running.process.send_signal(signal.SIGINT)
        await trio.sleep(0.2)  # two signals at once would be one
        running.process.send_signal(signal.SIGINT)
        assert await running.ended() == 128 + signal.SIGINT
        assert trio.current_time() - began < 1.5


async def test_on_a_terminal_it_draws_a_table(scenario: Path) -> None:
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (40, 120))
    environment = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LINES")}
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "faultproxy", "run", str(scenario), "--seed", "7"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment | {"TERM": "xterm"},
    )
    os.close(terminal)
    running = Program(process)

    async def watch() -> None:
        while True:
            try:
                running.out += (await trio.to_thread.run_sync(os.read, controller, 65536, abandon_on_cancel=True)).decode()
            except OSError:  # EIO: nobody has the terminal open any more
                return

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await running.listening()
            async with await trio.open_tcp_stream(*running.address) as stream:
                await stream.send_all(b"hello world")
                await running.says("active faults")
                await until(lambda: re.search(r"127\.0\.0\.1:\d+.*open.*11 B", running.out) is not None, "a row for the connection")
                await running.says("Ctrl-C ends the run")
                process.send_signal(signal.SIGINT)
                assert await running.ended() == 0
    finally:
        process.kill()
        await process.wait()
        os.close(controller)
    assert "to repeat it: faultproxy run" in running.out
    assert "\x1b[" in running.out
    assert "Traceback" not in running.out
