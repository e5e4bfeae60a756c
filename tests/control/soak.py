"""A soak: thousands of connections through `faultproxy serve` while its faults are toggled, and what that leaves behind.

    python -m tests.control.soak                     ten minutes, 10,000 connections, 50 orders a second
    python -m tests.control.soak --seconds 20 --connections 400

Half of the connections go through a proxy whose faults come, change, heal and go without a pause; the other half through one that nobody
touches. All say numbered lines to an echo and compare what comes back, byte by byte: the touched ones may wait, and lose nothing either,
for only faults are used that keep every byte. At the end all is taken away, and the daemon must be as it was: descriptors, memory, tasks.
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import select
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.control.processes import Served, served

ECHO = """
import resource, select, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
print(listener.getsockname()[1], flush=True)
poll, streams = select.epoll(), {}
poll.register(listener, select.EPOLLIN)
while True:
    for number, _ in poll.poll():
        if number == listener.fileno():
            stream = listener.accept()[0]
            streams[stream.fileno()] = stream
            poll.register(stream, select.EPOLLIN)
            continue
        try:
            data = streams[number].recv(65536)
            if data:
                streams[number].sendall(data)
        except OSError:
            data = b""
        if not data:
            streams.pop(number).close()
"""
TABLES: list[dict[str, object]] = [
    {"kind": "latency", "delay": "80ms", "jitter": "40ms"},
    {"kind": "bandwidth", "rate": "2kB/s"},
    {"kind": "slice", "size": "5B", "interval": "5ms"},
    {"kind": "stall_reads", "direction": "s2c"},
    {"kind": "coalesce", "size": "64B", "wait": "50ms"},
]
"""Faults that keep every byte. Each hits one connection in a hundred: which ones, is drawn."""


@dataclass
class Talk:
    """One connection: what it has sent and not heard back."""

    stream: socket.socket
    name: int
    said: int = 0
    waits: bytes = b""
    sent_at: float = 0.0


@dataclass
class Crowd:
    """All connections of one process, on one epoll."""

    poll: select.epoll = field(default_factory=select.epoll)
    talks: dict[int, Talk] = field(default_factory=dict)
    answered: int = 0
    wrong: list[str] = field(default_factory=list)

    def connect(self, listen: str, count: int) -> None:
        host, _, port = listen.rpartition(":")
        for _ in range(count):
            stream = socket.create_connection((host, int(port)), 10)
            stream.setblocking(False)
            self.talks[stream.fileno()] = Talk(stream, len(self.talks))
            self.poll.register(stream, select.EPOLLIN)

    def say(self, talk: Talk) -> None:
        line = f"{talk.name}:{talk.said};".encode()
        talk.said += 1
        talk.waits += line
        talk.sent_at = time.monotonic()
        talk.stream.send(line)

    def turn(self, timeout: float) -> None:
        for number, _ in self.poll.poll(timeout):
            talk = self.talks[number]
            try:
                data = talk.stream.recv(65536)
            except OSError as error:
                self.wrong.append(f"connection {talk.name}: {error}")
                self.poll.unregister(number)
                continue
            if not data:
                self.wrong.append(f"connection {talk.name} was closed")
                self.poll.unregister(number)
            elif not talk.waits.startswith(data):
                self.wrong.append(f"connection {talk.name}: {data[:40]!r} where {talk.waits[:40]!r} was due")
                self.poll.unregister(number)
            else:
                talk.waits = talk.waits[len(data) :]
                self.answered += not talk.waits


def figures(pid: int) -> tuple[int, int]:
    """Descriptors, and KiB of resident memory."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return len(list(Path(f"/proc/{pid}/fd").iterdir())), int(found[1]) if found else 0


def toggle(daemon: Served, there: set[str], chance: random.Random) -> None:
    """One order: a fault is added, changed, healed, started or taken out. `there`: those that the proxy has."""
    table = chance.choice(TABLES)
    name = str(table["kind"])
    path = f"/v1/proxies/touched/faults/{name}"
    if name not in there:
        answer = daemon.call("POST", "/v1/proxies/touched/faults", table | {"connections": _some(chance)})
        there.add(name)
    else:
        order = chance.choice(["remove", "drain", "heal", "start", "change"])
        if order in ("heal", "start"):
            answer = daemon.call("POST", f"{path}/{order}")
        elif order == "change":
            answer = daemon.call("PATCH", path, {"connections": _some(chance)})
        else:
            answer = daemon.call("DELETE", path + ("?drain=true" if order == "drain" else ""))
            there.discard(name)
    assert answer.status_code < 300, f"{answer.status_code} {answer.text}"


def _some(chance: random.Random) -> dict[str, int]:
    return {"skip": chance.randrange(100), "step": 100}


def soak(connections: int, seconds: float, orders: float, seed: int = 1) -> list[str]:
    """What was wrong; empty: nothing."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    connections = min(connections, (hard - 300) // 2)  # the daemon has two descriptors for each
    with subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True) as echo, served("--seed", seed) as daemon:
        try:
            assert echo.stdout is not None
            return _soak(
                daemon, f"127.0.0.1:{int(echo.stdout.readline())}", connections, seconds, orders=orders, chance=random.Random(seed)
            )
        finally:
            echo.kill()


def _soak(daemon: Served, upstream: str, connections: int, seconds: float, *, orders: float, chance: random.Random) -> list[str]:
    pid = daemon.process.pid
    daemon.made("warm", upstream, [])
    daemon.call("DELETE", "/v1/proxies/warm")
    before = figures(pid)
    touched, spared = daemon.made("touched", upstream, []), daemon.made("spared", upstream, [])
    crowd = Crowd()
    crowd.connect(touched, connections // 2)
    crowd.connect(spared, connections // 2)
    talks = list(crowd.talks.values())
    began = now = time.monotonic()
    full = figures(pid)
    print(f"{connections} connections are open: {full[0]} descriptors, {full[1] / 1024:.0f} MiB", flush=True)
    there: set[str] = set()
    done, slowest, told = 0, 0.0, began
    while (now := time.monotonic()) < began + seconds:
        for _ in range(20):
            talk = talks[chance.randrange(len(talks))]
            if len(talk.waits) < 200:
                crowd.say(talk)
        crowd.turn(0.002)
        if done < (now - began) * orders:
            toggle(daemon, there, chance)
            slowest = max(slowest, time.monotonic() - now)
            done += 1
        if now - told > 30:
            told = now
            print(f"{now - began:5.0f} s: {done} orders, {crowd.answered} answers, {len(crowd.wrong)} wrong; {figures(pid)}", flush=True)
    wrong = crowd.wrong
    daemon.call("POST", "/v1/proxies/touched/heal")
    for fault in daemon.call("GET", "/v1/proxies/touched/faults").json()["faults"]:
        daemon.call("DELETE", f"/v1/proxies/touched/faults/{fault['name']}")
    patience = time.monotonic() + 30
    while any(talk.waits for talk in talks) and time.monotonic() < patience:
        crowd.turn(0.1)
    wrong += [f"connection {talk.name} still waits for {len(talk.waits)} bytes" for talk in talks if talk.waits]
    said = sum(talk.said for talk in talks)
    print(f"{done} orders ({done / seconds:.0f} a second), the slowest in {slowest * 1000:.0f} ms; {said} lines; at the end {figures(pid)}")
    for talk in talks:
        talk.stream.close()
    for name in ("touched", "spared"):
        daemon.call("DELETE", f"/v1/proxies/{name}")
    patience = time.monotonic() + 10
    while figures(pid)[0] > before[0] + 2 and time.monotonic() < patience:
        time.sleep(0.1)
    after = figures(pid)
    print(f"before {before}, full {full}, after {after} (descriptors, KiB)")
    if after[0] > before[0] + 2:
        wrong.append(f"{after[0] - before[0]} descriptors were not given back")
    if after[1] > full[1] * 1.2 + 32 * 1024:
        wrong.append(f"memory has grown from {full[1]} to {after[1]} KiB")
    return wrong


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--orders", type=float, default=50, help="a second")
    given = parser.parse_args()
    wrong = soak(given.connections, given.seconds, given.orders)
    print("\n".join(wrong[:20]) or "nothing was wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
