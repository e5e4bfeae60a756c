"""Intercepting connections to another machine, and from one: segments are taken where they leave and where they come in.

The other machine is a second network namespace at the far end of a cable (veth(4)), with a program in it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
import trio

from faultproxy.kernel import procnet, syscalls
from faultproxy.net.intercept import Intercept
from tests.live.ground import intercepting, tables
from tests.live.rig import PATIENCE, End, in_network, until
from tests.live.taps import info

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("ip") is None or shutil.which("unshare") is None, reason="ip (iproute2) or unshare is not installed"),
]

NEAR, FAR = {"v4": "10.9.0.1", "v6": "fd09::1"}, {"v4": "10.9.0.2", "v6": "fd09::2"}
MASK = {"v4": 24, "v6": 64}
MAC = {"near": "02:00:00:00:09:01", "far": "02:00:00:00:09:02"}
PORT = 7000
either_version = pytest.mark.parametrize("version", ["v4", "v6"])

# Gives back what it gets until the end of the stream: as a server on PORT, or as a client of the address that it is told.
ECHO = f"""
import socket, sys
print("here", flush=True)
word = sys.stdin.readline().strip()
if word == "listen":
    listener = socket.create_server(("::", {PORT}), family=socket.AF_INET6, dualstack_ipv6=True)
    print("listening", flush=True)
    sock, _ = listener.accept()
else:
    sock = socket.create_connection((word, {PORT}))
    sock.sendall(b"hello")
try:
    while data := sock.recv(65536):
        sock.sendall(data)
    print("FIN", flush=True)
except ConnectionResetError:
    print("RST", flush=True)
"""


@contextmanager
def cable() -> Iterator[subprocess.Popen[str]]:
    """The program at the far end of a cable whose near end is ours."""
    syscalls.keep_capabilities(syscalls.CAP_NET_ADMIN | syscalls.CAP_SYS_ADMIN)  # for ip and the others, where we are not root
    command = ["unshare", "-n", sys.executable, "-c", ECHO]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as far:
        try:
            assert heard(far) == "here"
            ip("link", "add", "near", "address", MAC["near"], "type", "veth", "peer", "far", "address", MAC["far"], "netns", str(far.pid))
            lay("near", NEAR, FAR, [])
            lay("far", FAR, NEAR, ["nsenter", f"--net=/proc/{far.pid}/ns/net"])
            yield far
        finally:
            far.kill()


def lay(end: str, own: dict[str, str], other: dict[str, str], enter: list[str]) -> None:
    """Addresses of one end; that of the other is known already, or asking for it would delay the first SYN by a second."""
    for version, address in own.items():
        ip("addr", "add", f"{address}/{MASK[version]}", "dev", end, *["nodad"] * (version == "v6"), enter=enter)
    ip("link", "set", end, "up", enter=enter)
    for address in other.values():
        ip("neigh", "replace", address, "lladdr", MAC["far" if end == "near" else "near"], "dev", end, "nud", "permanent", enter=enter)


def ip(*words: str, enter: list[str] | None = None) -> None:
    # Where others lay cables at the same moment, the kernel may say of a new one that it exists; a moment later it does not.
    for _ in range(10):
        done = subprocess.run([*(enter or []), "ip", *words], capture_output=True, text=True, check=False)
        if not (done.returncode and "veth" in words and "File exists" in done.stderr):
            break
    if done.returncode and "veth" in words:
        pytest.skip(f"no cable can be laid here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr


def heard(far: subprocess.Popen[str]) -> str:
    assert far.stdout is not None
    return far.stdout.readline().strip()


def tell(far: subprocess.Popen[str], word: str) -> None:
    assert far.stdin is not None
    far.stdin.write(f"{word}\n")
    far.stdin.flush()


def at(address: str) -> str:
    return f"[{address}]:{PORT}" if ":" in address else f"{address}:{PORT}"


@asynccontextmanager
async def to_the_far_end(version: str, *faults: str) -> AsyncIterator[tuple[subprocess.Popen[str], End, Intercept]]:
    """The echo server is there, the client is here; we intercept here."""
    with cable() as far:
        tell(far, "listen")
        assert heard(far) == "listening"
        async with intercepting(*faults, upstream=at(FAR[version])) as intercept:
            with trio.socket.socket(trio.socket.AF_INET6 if version == "v6" else trio.socket.AF_INET) as sock:
                with trio.fail_after(PATIENCE):
                    await sock.connect((FAR[version], PORT))
                yield far, End(sock), intercept
            assert [stats.name for stats in intercept.run.never_fired()] == []
        assert tables() == []


async def echoed(end: End, data: bytes) -> None:
    await end.send(data)
    assert await end.recv(len(data)) == data


@either_version
@in_network()
async def test_lost_on_the_way_out(version: str) -> None:
    fault = 'kind = "drop"\ndirection = "c2s"\nsegments = "data"\nafter_bytes = "5B"\n'
    async with to_the_far_end(version, fault) as (_, client, intercept):
        await echoed(client, b"hello")
        await client.send(b"lost")
        await until(lambda: info(client).total_retrans >= 2, "resends")
        assert client.nothing_to_read()
        intercept.order("drop", heal=True)
        assert await client.recv(4) == b"lost"


@either_version
@in_network()
async def test_lost_on_the_way_in(version: str) -> None:
    async with to_the_far_end(version, 'kind = "drop"\ndirection = "s2c"\nsegments = "data"\ntake = 2\n') as (_, client, _):
        before = trio.current_time()
        await echoed(client, b"hello")
        assert trio.current_time() - before > 0.15, "only a resend of the far end has brought it"
        assert info(client).total_retrans == 0


@either_version
@in_network()
async def test_late_both_ways(version: str) -> None:
    async with to_the_far_end(version, 'kind = "delay"\ndirection = "both"\ndelay = "30ms"\n') as (_, client, _):
        for _ in range(5):
            await echoed(client, b"hello")
        assert info(client).min_rtt > 55_000
        big = bytes(range(256)) * 1000
        await client.send(big)
        assert await client.recv(len(big)) == big


@either_version
@in_network()
async def test_changed(version: str) -> None:
    async with to_the_far_end(version, 'kind = "corrupt"\ndirection = "c2s"\nchecksum = "fixed"\ntake = 1\n') as (_, client, _):
        await client.send(b"hello")
        got = await client.recv(5)
        assert sum((a ^ b).bit_count() for a, b in zip(got, b"hello", strict=True)) == 1
        await echoed(client, b"again")


@either_version
@in_network()
async def test_reset_in_anothers_name(version: str) -> None:
    fault = 'kind = "forge"\ndirection = "{}"\nsend = "RST"\non_match = {{c2s = "bye"}}\n'
    async with to_the_far_end(version, fault.format("s2c")) as (far, client, _):
        await client.send(b"bye")
        assert await client.error() == "ECONNRESET"
    silence = 'kind = "vanish"\ndirection = "s2c"\non_match = {c2s = "bye"}\nmay_not_fire = true\n'
    async with to_the_far_end(version, silence, fault.format("c2s")) as (far, client, _):
        await client.send(b"bye")
        assert await trio.to_thread.run_sync(heard, far) == "RST"
        assert client.state() == "ESTABLISHED", "he was not told"


@either_version
@in_network()
async def test_from_the_far_end(version: str) -> None:
    drop = 'kind = "drop"\nname = "{0}"\ndirection = "{0}"\nsegments = "data"\ntake = 1\n'
    family = trio.socket.AF_INET6 if version == "v6" else trio.socket.AF_INET
    with cable() as far, trio.socket.socket(family) as listener:
        await listener.bind((NEAR[version], PORT))
        listener.listen()
        async with intercepting(drop.format("c2s"), drop.format("s2c"), upstream=at(NEAR[version])) as intercept:
            tell(far, NEAR[version])
            with trio.fail_after(PATIENCE):
                sock, _ = await listener.accept()
            with sock:
                server = End(sock)
                assert await server.recv(5) == b"hello"
                await echoed(server, b"again")
                assert info(server).total_retrans == 1
                assert [stats.fired for stats in intercept.run.stats] == [1, 1]
                server.fin()
                assert await server.recv_all() == b""
                assert await trio.to_thread.run_sync(heard, far) == "FIN"
                await until(lambda: intercept.snapshot().open == 0, "that it is known to be over")
                assert (intercept.snapshot().c2s, intercept.snapshot().s2c) == (10, 5)
                assert {row.state for row in procnet.find(local_port=PORT)} == {"LISTEN", "TIME_WAIT"}
