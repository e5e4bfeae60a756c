"""However a run with packet faults ends, in the middle of them: no rule, no queue and no held segment of it is left."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import closing
from pathlib import Path

import pytest
import trio

from faultproxy.errors import CapabilityError
from faultproxy.kernel import netlink, nftables, sandbox
from faultproxy.kernel.nfqueue import NUMBERS, Queue
from tests.live.program import ECHO, Program, program
from tests.live.rig import PATIENCE, End, in_network, until
from tests.live.taps import info

pytestmark = pytest.mark.live

PROMPT = 1.0
"""Seconds in which nothing of it may be left."""


def tables() -> list[str]:
    """The packet tables of this network, ours and others."""
    with netlink.connect(netlink.NETFILTER, "listing packet tables") as sock:
        return [name for _, name, _ in nftables._tables(sock)]


def first_queue_is_free() -> bool:
    """Whether the number that a run takes first can be had."""
    try:
        with closing(Queue(NUMBERS.start)):
            return True
    except CapabilityError:
        return False


async def accepted(listener: trio.socket.SocketType) -> End:
    with trio.fail_after(PATIENCE):
        sock, _ = await listener.accept()
    return End(sock)


async def dialled(port: int) -> End:
    sock = trio.socket.socket()
    with trio.fail_after(PATIENCE):
        await sock.connect(("127.0.0.1", port))
    return End(sock)


async def ended(running: Program, number: signal.Signals) -> None:
    """Ends it; and within a second it is as if it had never been."""
    assert any(name.startswith(nftables.PREFIX) for name in tables())
    assert not first_queue_is_free()
    running.process.send_signal(number)
    await until(lambda: running.process.poll() is not None, "its end", within=PROMPT)
    await until(lambda: tables() == [], "that its rules are gone", within=PROMPT)
    await until(first_queue_is_free, "that its queue is free", within=PROMPT)
    assert await running.ended() == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    assert running.err == ""


async def both_ways(client: End, server: End) -> None:
    for source, sink in ((client, server), (server, client)):
        await source.send(b"flows")
        assert await sink.recv(5) == b"flows"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
@in_network(programs=True)
async def test_a_proxy_in_mid_fault(number: signal.Signals) -> None:
    with trio.socket.socket() as listener:
        await listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        faults = [
            "delay direction=from_client segments=data delay=1m",
            'drop direction=to_client segments=ack rewind=true after_bytes="1B"',
        ]
        words = [word for fault in faults for word in ("--fault", fault)]
        async with program("run", "--upstream", f"127.0.0.1:{port}", *words) as running:
            await running.listening()
            client = await dialled(running.address[1])
            server = await accepted(listener)
            await client.send(b"held")
            await until(lambda: info(client).total_retrans >= 1, "a resend of what is held")
            direct, other = await dialled(port), await accepted(listener)
            await both_ways(direct, other)
            await ended(running, number)
            await both_ways(direct, other)
            if number == signal.SIGKILL:
                assert await server.recv_all() == b""
            else:  # it heals: what was held goes on
                assert await server.recv_all() == b"held"
            assert await client.error() in ("EOF", "ECONNRESET")
            for end in (client, server, direct, other):
                end.sock.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("fault", ["vanish", "delay segments=data delay=1m", "drop segments=data", 'window size="0B"'])
@in_network(programs=True)
async def test_a_connection_that_was_intercepted_goes_on(fault: str, number: signal.Signals) -> None:
    with trio.socket.socket() as listener:
        await listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        async with program("run", "--intercept", f"127.0.0.1:{port}", "--fault", f"{fault} after=200ms") as running:
            await running.says("intercepting")
            client, server = await dialled(port), await accepted(listener)
            await running.says(" started ")
            await client.send(b"held?")
            await client.send(b"lost?")
            await until(lambda: info(client).backoff >= 1, "that the client's kernel waits")
            await ended(running, number)
            assert await server.recv(10) == b"held?lost?"
            await both_ways(client, server)
            client.fin()
            assert await server.recv_all() == b""
            client.sock.close()
            server.sock.close()


CLIENT = """
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"into the dark")
print("sent", flush=True)
s.recv(1)
"""


def inhabitants(network: str) -> list[int]:
    """Who lives in that network namespace."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.readlink(entry / "ns" / "net") == network:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
async def test_a_sandbox_in_mid_fault(tmp_path: Path, number: signal.Signals) -> None:
    if reason := sandbox.why_not():
        pytest.skip(f"no sandbox: {reason}")
    file = tmp_path / "echo.toml"
    file.write_text(
        ECHO.partition("[[fault]]")[0] + '[[fault]]\nkind = "delay"\ndirection = "from_client"\nsegments = "data"\ndelay = "1m"\n'
    )
    run = [sys.executable, "-m", "faultproxy", "run", str(file), "--listen", "127.0.0.1:7000"]
    async with program("sandbox", "--", *run) as running:
        await running.listening()
        pid = running.process.pid
        network = os.readlink(f"/proc/{pid}/ns/net")
        assert network != os.readlink("/proc/self/ns/net")
        async with program("sandbox", "--join", pid, "--", sys.executable, "-c", CLIENT, 7000) as client:
            await client.says("sent")
            assert client.process.pid in inhabitants(network)
            await running.says("delay fired for the first time: held a data segment, 13 bytes")
            running.process.send_signal(number)
            await until(lambda: running.process.poll() is not None, "its end", within=2 * PROMPT)
            assert running.process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 0)
            # The client has joined from outside; it ends because its connection has.
            await until(lambda: inhabitants(network) == [], "that nobody lives there", within=2 * PROMPT)
