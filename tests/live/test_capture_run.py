"""Every packet fault in a capture, in a journal and in the replay of that: what is said of a segment is what was done to it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from faultproxy.core.actions import Fired
from faultproxy.core.header import Packet
from faultproxy.core.journal import Header, Journal
from faultproxy.core.replay import replay
from faultproxy.faults.tables import plans
from faultproxy.net.capture import Capture
from faultproxy.net.proxy import mechanisms
from tests.core.test_pcapng import blocks
from tests.live.program import ask, program
from tests.live.rig import Rig, in_network, rig, until
from tests.live.taps import fault

pytestmark = pytest.mark.live

KINDS = {
    "drop": 'segments = "data"\ntake = 1\n',
    "delay": 'delay = "20ms"\nsegments = "data"\n',
    "duplicate": 'segments = "data"\ntake = 2\n',
    "reorder": 'segments = "data"\ntake = 1\ngap = 2\nwithin = "50ms"\n',
    "corrupt": "take = 1\n",
    "window": 'size = "4KiB"\n',
    "forge": 'send = "ACK"\nafter_bytes = "5B"\n',
    "strip": 'options = ["sack", "wscale"]\n',
    "flags": 'segments = "data"\nclear = "PSH"\n',
    "timestamps": 'shift = 1\nafter_bytes = "5B"\n',  # on a SYN it would depend on the millisecond whether the SYN-ACK is believed
    "mtu": 'size = "1000B"\nlasts = "300ms"\n',
    "vanish": 'after_bytes = "5B"\nlasts = "300ms"\n',
}
ENDS = {
    "drop": "it got no further",
    "duplicate": "sent by faultproxy",
    "forge": "sent by faultproxy",
    "mtu": "it got no further",
    "vanish": "it got no further",
    "corrupt": "this is how it was sent on",
    "window": "this is how it was sent on",
    "strip": "this is how it was sent on",
    "flags": "this is how it was sent on",
    "timestamps": "this is how it was sent on",
}
"""What else a comment says, but for those that only hold."""

TEXT = bytes(range(256)) * 80


def taps(kind: str) -> tuple[str, str]:
    return ("to_client", "to_server") if kind == "forge" else ("from_client", "to_server")


@dataclass
class Told:
    """Watches a run, and writes its journal besides."""

    journal: Journal
    fired: list[Fired] = field(default_factory=list)

    def __call__(self, *told: object) -> None:
        self.journal(*told)  # type: ignore[arg-type]
        self.fired += [action for action in told[3] if isinstance(action, Fired)]  # type: ignore[attr-defined]


async def conversation(r: Rig) -> None:
    """A greeting, its answer, a longer text, and both FINs."""
    client, server = await r.connect()
    await client.send(b"hello")
    assert await server.recv(5) == b"hello"
    await server.send(b"welcome")
    assert await client.recv(7) == b"welcome"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send, TEXT)
        assert await server.recv(len(TEXT)) == TEXT
    client.fin()
    assert await server.recv_all() == b""
    server.fin()
    assert await client.recv_all() == b""
    await until(lambda: r.proxy.snapshot().open == 0, "the end of the connection")


@pytest.mark.parametrize("captured", [True, False], ids=["captured", "not captured"])
@pytest.mark.parametrize("kind", sorted(KINDS))
@in_network()
async def test_what_was_done_is_in_the_capture_and_comes_out_again(tmp_path: Path, kind: str, captured: bool) -> None:
    table = fault(kind, taps(kind), KINDS[kind])  # type: ignore[arg-type]
    path = tmp_path / "run.pcapng"
    capture = Capture(path, pytest.fail) if captured else None
    lines: list[str] = []
    tables = [{"name": kind, **tomllib.loads(table)}]
    filtered = [plan.name for plan in mechanisms(plans(tables), capture) if plan.filtered]
    started: list[float] = []
    told = Told(Journal(Header(1, tables, filtered=filtered), lines.append, clock=lambda: started[0]))

    def watch(*what: object) -> None:
        started.append(what[0])  # type: ignore[arg-type]
        told(*what)

    async with rig(table, watch=watch, capture=capture) as r:
        await conversation(r)
    assert told.fired
    assert r.notes == []

    told.journal.flush()
    result = replay("".join(lines).splitlines(keepends=True), plans)
    assert str(result.difference or "") == ""
    assert (result.truncated, result.connections) == (False, 1)
    if capture is not None:
        capture.close()
        commented(path, kind, told.fired)


def commented(path: Path, kind: str, fired: list[Fired]) -> None:
    """Each act is said of a segment; and a segment of which nothing is said went by as it came."""
    found = blocks(path.read_bytes())
    names = [block.options[2].decode() for block in found if block.kind == 1]
    assert names == ["client - proxy", "proxy - server"]
    packets = [block for block in found if block.kind == 6]
    comments = [block.options[1].decode() for block in packets if 1 in block.options]
    for action in fired:
        assert any(f"{kind}: {action.what}" in comment for comment in comments), (action.what, comments)
    assert any(comment.endswith(ENDS.get(kind, "")) for comment in comments)
    for block in packets:
        segment = Packet(block.body[20:], length=int.from_bytes(block.body[16:20], "little"))
        assert segment.whole


@in_network(programs=True)
async def test_from_the_command_line(tmp_path: Path, scenario: Path) -> None:
    path, journal = tmp_path / "run.pcapng", tmp_path / "run.jsonl"
    words = ["--fault", "corrupt direction=to_server take=1", "--pcap", path, "--journal", journal, "--seed", "7"]
    async with program("run", scenario, *words) as running:
        await running.listening()
        assert await ask(running.address, b"hello world") == b"hello world"
        await running.says("connection 1: closed")
        running.process.terminate()
        assert await running.ended() == 0
    found = blocks(path.read_bytes())
    assert b"--seed 7" in found[0].options[1]
    assert any(b"corrupt: corrupted a data segment" in block.options.get(1, b"") for block in found)
    async with program("replay", journal) as replayed:
        assert await replayed.ended() == 0
    assert replayed.out.endswith("every decision came out as on record\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@in_network(programs=True)
async def test_a_full_disk_ends_the_capture_and_not_the_run(scenario: Path) -> None:
    async with program("run", scenario, "--pcap", "/dev/full") as running:
        await running.listening()
        assert await ask(running.address, b"hello world") == b"hello world"
        running.process.terminate()
        assert await running.ended() == 0
    assert running.out.count("the capture /dev/full ends here: it cannot be written (No space left on device)") == 1
