"""`faultproxy` as a program of its own: `async with program("run", file) as running`, and a scenario that echoes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from tests.live.rig import until

SERVER = """
import socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
while True:
    c, _ = s.accept()
    while d := c.recv(1000):
        c.sendall(d)
    c.close()
"""
ECHO = f"""
title = "echo"
[proxy]
listen = "127.0.0.1:0"
[server]
command = [{json.dumps(sys.executable)}, "-c", {json.dumps(SERVER)}, "${{server_port}}"]
ready = {{log = "ready"}}
[[fault]]
name = "slow"
kind = "latency"
delay = "20ms"
jitter = "10ms"
after_bytes = "5B"
[[fault]]
name = "idle"
kind = "hold_fin"
manual = true
"""


class Program:
    """The program while it runs: its lines so far, and how it ended."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.out = ""
        self.err = ""

    @property
    def address(self) -> tuple[str, int]:
        found = re.search(r"listening on ([\d.]+):(\d+),|\"address\": \"([\d.]+):(\d+)\"", self.out)
        assert found is not None
        return found[1] or found[3], int(found[2] or found[4])

    async def listening(self) -> None:
        await until(lambda: "listening" in self.out or self.process.poll() is not None, f"it listens; it says {self.out!r} {self.err!r}")
        assert self.process.returncode is None, self.err

    async def says(self, words: str) -> None:
        await until(lambda: words in self.out, f"it says {words!r}")

    async def ended(self) -> int:
        with trio.fail_after(10):
            return await self.process.wait()

    async def read(self, stream: trio.abc.ReceiveStream, name: str) -> None:
        async for data in stream:
            setattr(self, name, getattr(self, name) + bytes(data).decode())


@asynccontextmanager
async def program(*arguments: object) -> AsyncIterator[Program]:
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "faultproxy", *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    running = Program(process)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.read, process.stdout, "out")
            nursery.start_soon(running.read, process.stderr, "err")
            yield running
            with trio.move_on_after(5):
                await process.wait()
            await until(lambda: not nursery.child_tasks, "its pipes are read to the end")
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdout.aclose()
            await process.stderr.aclose()


async def ask(address: tuple[str, int], question: bytes) -> bytes:
    """All that comes back until the FIN."""
    stream = await trio.open_tcp_stream(*address)
    async with stream:
        await stream.send_all(question)
        await stream.send_eof()
        return b"".join([bytes(data) async for data in stream])
