"""A server process of a scenario: real processes, real ports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from faultproxy.errors import UpstreamError
from faultproxy.verify.server import Server, free_port
from tests.live.rig import until

pytestmark = pytest.mark.live

LISTENER = """
import socket, sys, time
s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen()
print("ready", flush=True); time.sleep(60)
"""
STUBBORN = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
PARENT = """
import subprocess, sys, time
stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", stubborn])
print("child", child.pid, flush=True); time.sleep(60)
"""


def python(script: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", script, *map(str, arguments)]


def is_alive(pid: int) -> bool:
    """A zombie of a foreign parent counts as dead: whoever inherits it may be slow to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


async def test_it_is_ready_when_it_accepts_and_gone_when_cancelled() -> None:
    port = free_port()
    server = Server(python(LISTENER, port), port=port, connect=True)
    async with trio.open_nursery() as nursery:
        assert await nursery.start(server.serve) is server
        await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
        nursery.cancel_scope.cancel()
    assert server.pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


async def test_it_is_ready_when_it_has_written_the_words() -> None:
    server = Server(python(LISTENER, free_port()), port=1, log="ready")
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve)
        assert "ready" in server.output
        nursery.cancel_scope.cancel()


async def test_what_it_has_started_is_stopped_too_even_against_its_will() -> None:
    server = Server(python(PARENT), port=1, log="up")
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve)
        await until(lambda: "child" in server.output, "the number of the child")
        child = int(str(server.output).split("child ")[1].split()[0])
        assert is_alive(child)
        nursery.cancel_scope.cancel()
    await until(lambda: not is_alive(child), "the child is gone")


async def test_one_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faultproxy.verify.server.STOP_GRACE", 0.1)
    server = Server(python(STUBBORN), port=1, log="ready")
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(server.serve)
            nursery.cancel_scope.cancel()
    assert server.pid is not None
    assert not is_alive(server.pid)


async def failure(server: Server) -> str:
    with pytest.RaisesGroup(UpstreamError, flatten_subgroups=True) as caught:
        async with trio.open_nursery() as nursery:
            await nursery.start(server.serve)
    error: BaseException = caught.value
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert server.pid is None or not is_alive(server.pid)
    return str(error)


async def test_one_that_fails_is_told_with_its_last_words() -> None:
    server = Server(python("import sys; print('no configuration', file=sys.stderr); sys.exit(3)"), port=1, log="ready")
    message = await failure(server)
    assert message.startswith("the server ended with status 3 before it was ready\n  command: ")
    assert message.endswith("\n  | no configuration")


async def test_one_that_is_killed_is_told_with_the_signal() -> None:
    server = Server(python("import os; os.kill(os.getpid(), 9)"), port=1, log="ready")
    assert (await failure(server)).startswith("the server ended with SIGKILL before it was ready\n")


async def test_one_that_is_never_ready_is_told_with_what_is_lacking() -> None:
    message = await failure(Server(python("import time; time.sleep(60)"), port=free_port(), connect=True, within=0.2))
    assert "was not ready within 0.2 s: nothing accepts connections on 127.0.0.1:" in message
    assert message.endswith("(it has written nothing)")
    message = await failure(Server(python("import time; time.sleep(60)"), port=1, log="up", within=0.2))
    assert "was not ready within 0.2 s: it has not written 'up'" in message


async def test_a_program_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    assert await failure(Server(["no-such-program"], port=1)) == (
        "the server cannot be started: there is no program 'no-such-program' (is it installed, and on PATH?)\n  command: no-such-program"
    )
    assert "there is no folder" in await failure(Server(["true"], port=1, folder=tmp_path / "gone"))


async def test_one_that_ends_by_itself_is_told() -> None:
    told: list[str] = []
    server = Server(python("print('ready', flush=True); input()"), port=1, log="ready", notify=told.append)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve)
        await until(lambda: bool(told), "its end")
        nursery.cancel_scope.cancel()
    assert told[0].startswith("the server has ended by itself with status 1:\n  | ready\n")


async def test_where_we_are_killed_the_server_dies_too() -> None:
    port = free_port()
    program = f"""
import sys, trio
from faultproxy.verify.server import Server
async def main():
    server = Server({python(LISTENER, port)!r}, port={port}, connect=True)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve)
        print(server.pid, flush=True)
trio.run(main)
"""
    with subprocess.Popen(python(program), stdout=subprocess.PIPE) as ours:  # noqa: ASYNC220 - it must not be trio's to reap
        assert ours.stdout is not None
        pid = int(await trio.to_thread.run_sync(ours.stdout.readline))
        assert is_alive(pid)
        ours.kill()
    await until(lambda: not is_alive(pid), "the server's death")
