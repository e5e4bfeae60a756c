"""Faults that a filter on our own socket can carry out: the kernel drops, nothing passes the queue, and it is told how much it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from faultproxy.core.actions import Fired, Started
from faultproxy.core.events import Tap
from faultproxy.core.journal import Header, Journal
from faultproxy.core.replay import replay
from faultproxy.faults.tables import plans
from faultproxy.kernel import sockfilter
from faultproxy.net.capture import Capture
from faultproxy.net.plane import PacketPlane
from tests.live.rig import Rig, in_network, rig, until
from tests.live.taps import HOSTS, Way, fault, way

pytestmark = pytest.mark.live

FROM: tuple[Tap, ...] = ("from_client", "from_server")
GO = 'on_match = "GO"'


class Told:
    """Watches a run: by which means faults were started, and what they did."""

    def __init__(self) -> None:
        self.means: list[str | None] = []
        self.fired: list[str] = []

    def __call__(self, *told: object) -> None:
        for action in told[3]:  # type: ignore[attr-defined]
            if isinstance(action, Started):
                self.means.append(action.by)
            elif isinstance(action, Fired):
                self.fired.append(action.what)


def plane(r: Rig) -> PacketPlane | None:
    assert r.proxy._conductor is not None
    return r.proxy._conductor.plane


def permitted() -> None:
    if not sockfilter.permitted():
        pytest.skip("no filters on sockets here")


async def begun(w: Way, r: Rig, name: str) -> None:
    """Says the word and waits until the fault has started."""
    await w.say(b"GO")
    await w.hear()
    await until(lambda: r.stats(name)[0] == 1, "its start")


@pytest.mark.parametrize("tap", FROM)
@pytest.mark.parametrize("host", HOSTS)
@in_network()
async def test_data_is_dropped_by_the_kernel_and_comes_when_it_heals(host: str, tap: Tap) -> None:
    permitted()
    told = Told()
    async with rig(fault("drop", tap, 'segments = "data"', starts=GO), host=host, watch=told) as r:
        assert plane(r) is None
        w = await way(r, tap)
        await begun(w, r, "drop")
        assert told.means == ["socket filter"]
        await w.say(b"lost at first")
        await until(lambda: w.sender.total_retrans >= 2 and w.sender.unacked == 1, "resends")
        await until(lambda: r.stats("drop")[1], "that it is told")
        assert w.sink.nothing_to_read()
        await w.sink.send(b"the other way")
        assert await w.source.recv(13) == b"the other way"
        r.proxy.order("drop", heal=True)
        await w.hear()
        await w.pass_on(bytes(500_000))
        await w.end()
    assert set(told.fired) <= {f"dropped {count} in the socket filter" for count in ("1 segment", "2 segments", "3 segments")}


@in_network()
async def test_it_lasts_and_starts_again() -> None:
    permitted()
    told = Told()
    table = fault("drop", "from_client", 'segments = "data"\nlasts = "250ms"\ntimes = 2', starts=GO)
    async with rig(table, watch=told) as r:
        w = await way(r, "from_client")
        for start in (1, 2):
            await w.say(b"GO")
            await w.hear()
            await until(lambda: r.stats("drop")[0] == start, "its start")  # noqa: B023, it is asked for right here
            before = w.sender.total_retrans
            await w.say(b"late")
            await w.hear()
            assert w.sender.total_retrans > before
        await w.end()
    assert told.means == ["socket filter"] * 2


@in_network()
async def test_a_client_that_vanishes_to_us() -> None:
    permitted()
    told = Told()
    async with rig(fault("vanish", "from_client", 'lasts = "300ms"', starts=GO), watch=told) as r:
        w = await way(r, "from_client")
        await begun(w, r, "vanish")
        w.client.fin()
        await until(lambda: w.sender.state == "FIN_WAIT_1" and w.sender.total_retrans >= 1, "a FIN sent again")
        assert w.server.nothing_to_read()
        assert await w.server.recv_all() == b""
    assert told.means == ["socket filter"]


@in_network()
async def test_beside_a_fault_of_the_queue_its_own_segments_pass_no_queue() -> None:
    permitted()
    told = Told()
    queued = fault("delay", "from_server", 'delay = "1ms"\nsegments = "data"')
    async with rig(fault("drop", "from_client", 'segments = "data"', starts=GO), queued, watch=told) as r:
        w = await way(r, "from_client")
        await begun(w, r, "drop")
        assert sorted(map(str, told.means)) == ["queue", "socket filter"]
        there = plane(r)
        assert there is not None
        assert [flow.tap for tapped in there.tapped for flow in tapped.flows] == ["from_server"]
        await w.say(b"lost at first")
        await until(lambda: w.sender.total_retrans >= 1, "a resend")
        r.proxy.order("drop", heal=True)
        await w.hear()
        await w.sink.send(b"a little late")
        assert await w.source.recv(13) == b"a little late"
        await w.end()


@in_network()
async def test_where_a_capture_wants_to_see_them_the_queue_does_it(tmp_path: Path) -> None:
    told = Told()
    capture = Capture(tmp_path / "run.pcapng", pytest.fail)
    async with rig(fault("drop", "from_client", 'segments = "data"', starts=GO), watch=told, capture=capture) as r:
        w = await way(r, "from_client")
        await begun(w, r, "drop")
        await w.say(b"lost at first")
        await until(lambda: w.sender.total_retrans >= 1, "a resend")
        r.proxy.order("drop", heal=True)
        await w.hear()
        await w.end()
    capture.close()
    assert told.means == ["queue"]


@in_network()
async def test_its_journal_is_replayed() -> None:
    permitted()
    tables = [{"kind": "drop", "name": "drop", "direction": "from_client", "segments": "data", "on_match": "GO", "lasts": "200ms"}]
    lines: list[str] = []
    journal = Journal(Header(1, tables, filtered=["drop"]), lines.append)
    async with rig(fault("drop", "from_client", 'segments = "data"\nlasts = "200ms"', starts=GO), watch=journal) as r:
        w = await way(r, "from_client")
        await begun(w, r, "drop")
        await w.say(b"late")
        await w.hear()
        await w.end()
        w.sink.fin()
        await until(lambda: r.proxy.snapshot().open == 0, "the end")
    journal.flush()
    assert '"by": "socket filter"' in "".join(lines)
    assert '"event": "filtered"' in "".join(lines)
    result = replay("".join(lines).splitlines(keepends=True), plans)
    assert (str(result.difference or ""), result.truncated, result.connections) == ("", False, 1)
