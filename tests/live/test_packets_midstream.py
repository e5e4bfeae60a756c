"""Packet faults that join connections that are open: evidence from the peers' own sockets, and afterwards every byte has arrived."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from faultproxy.core.events import Tap
from faultproxy.core.journal import Header, Journal
from faultproxy.core.replay import replay
from faultproxy.faults.tables import fault, plans
from faultproxy.kernel import sockfilter
from tests.live.rig import Rig, holds, in_network, rig, until
from tests.live.taps import HOSTS, TAPS, TO, Way, everywhere, info, way

pytestmark = pytest.mark.live

FROM: tuple[Tap, ...] = ("from_client", "from_server")
BULK = bytes(range(256)) * 8000


def add(r: Rig, kind: str, tap: str | list[str], **keys: Any) -> None:
    """A fault joins, as `it` unless it has a name."""
    made = fault({"kind": kind, "name": "it", "direction": tap} | keys)
    r.proxy.add(made.plan(), made.table())


def change(r: Rig, kind: str, tap: str, **keys: Any) -> None:
    """It gets other figures."""
    made = fault({"kind": kind, "name": "it", "direction": tap} | keys)
    r.proxy.change(made.plan(), made.table())


def queued(r: Rig) -> int:
    """Segments that have come to the queue so far."""
    return r.proxy.queue.received if r.proxy.queue is not None else 0


def patience(r: Rig) -> set[int]:
    """For how many ms our own sockets go on without an answer; 0: as long as the kernel does."""
    socks = [leg.sock for link in r.proxy.links for leg in link.legs.values() if leg.sock is not None]
    return {sock.getsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_USER_TIMEOUT) for sock in socks}


async def talk(w: Way) -> None:
    """A while of talk, so that nothing is as it was when the connection opened."""
    await w.pass_on(BULK[:100_000])
    await w.sink.send(b"and back")
    assert await w.source.recv(8) == b"and back"


async def carries_on(r: Rig, w: Way) -> None:
    """The fault is taken out: all goes on as if it had never been, and no segment is met any more."""
    r.proxy.remove("it")
    await w.hear()
    await w.pass_on(BULK[:200_000])
    await carries_on_unmet(r, w)


async def carries_on_unmet(r: Rig, w: Way) -> None:
    """None of its segments comes to the queue, and our own sockets are as any other."""
    before = queued(r)
    await talk(w)
    assert queued(r) == before
    assert patience(r) == {0}
    await w.end()


@everywhere(*TAPS)
async def test_data_that_is_dropped_is_sent_again(host: str, tap: Tap) -> None:
    async with rig(host=host, tells_all=True) as r:
        w = await way(r, tap)
        await talk(w)
        assert queued(r) == 0
        before = w.sender.total_retrans
        add(r, "drop", tap, segments="data", take=2)
        await w.say(b"lost twice")
        await until(lambda: w.sender.total_retrans >= before + 2, "two resends")
        await w.hear()
        change(r, "drop", tap, segments="data", take=1)
        before = w.sender.total_retrans
        await w.say(b"lost once more")
        await until(lambda: w.sender.total_retrans > before, "a resend")
        await carries_on(r, w)


@pytest.mark.parametrize("tap", TO)
@in_network()
async def test_acknowledgements_that_are_lost(tap: Tap) -> None:
    async with rig(tells_all=True) as r:
        w = await way(r, tap)
        await talk(w)
        before = info(w.near).total_retrans
        add(r, "drop", tap, segments="ack")
        await w.near.send(b"heard, but not acknowledged")
        assert await w.far.recv(27) == b"heard, but not acknowledged"
        await until(lambda: info(w.near).total_retrans >= before + 2, "resends of what has arrived")
        assert info(w.near).unacked
        r.proxy.remove("it")
        await until(lambda: not info(w.near).unacked, "the acknowledgement that was kept back")
        await w.pass_on(BULK[:50_000])
        await w.end()


@pytest.mark.parametrize("tap", FROM)
@in_network()
async def test_a_filter_on_a_socket_that_is_open(tap: Tap) -> None:
    async with rig(tells_all=True) as r:
        w = await way(r, tap)
        await talk(w)
        add(r, "drop", tap, segments="data", on_match="GO")
        assert [plan.filtered for plan in r.proxy.plans] == [sockfilter.permitted()]
        before = w.sender.total_retrans
        await w.pass_on(b"GO")
        await w.say(b"lost")
        await until(lambda: w.sender.total_retrans >= before + 2, "resends of what a filter drops")
        assert w.sink.nothing_to_read()
        if sockfilter.permitted():
            assert queued(r) == 0
        # Another joins the same tap, and has to stand behind it: both are the queue's from now on.
        add(r, "delay", tap, name="late", delay="1ms")
        assert [plan.filtered for plan in r.proxy.plans] == [False, False]
        before = w.sender.total_retrans
        await until(lambda: w.sender.total_retrans > before, "resends of what the queue drops")
        assert w.sink.nothing_to_read()
        r.proxy.remove("late")
        await carries_on(r, w)


@pytest.mark.parametrize("tap", FROM)
@in_network()
async def test_a_filter_that_is_taken_off_has_dropped_something_that_nobody_was_told_yet(tap: Tap) -> None:
    """It is asked for its count as it goes, and the answer comes when its fault is not there any more."""
    async with rig(tells_all=True) as r:
        w = await way(r, tap)
        add(r, "delay", "to_client", name="another of segments", delay="1ms")
        for _ in range(5):  # the count is looked at now and then anyway, and perhaps just before
            add(r, "drop", tap, segments="data", on_match="GO")
            await w.pass_on(b"GO")
            before = w.sender.total_retrans
            await w.say(b"lost")
            await until(lambda before=before: w.sender.total_retrans > before, "a resend")  # type: ignore[misc]
            r.proxy.remove("it")
            await w.hear()
        await w.end()


@everywhere(*TAPS)
async def test_a_delay_lengthens_the_round_trip_and_gives_back_what_it_holds(host: str, tap: Tap) -> None:
    async with rig(host=host, tells_all=True) as r:
        w = await way(r, tap)
        await talk(w)
        add(r, "delay", tap, segments="data", delay="150ms")
        began = trio.current_time()
        await w.say(b"late")
        await w.hear()
        assert trio.current_time() - began >= 0.15
        change(r, "delay", tap, segments="data", delay="1m")
        await w.say(b"as good as never")
        await until(lambda: r.proxy.run.stats[0].last.startswith("held"), "that it is held")
        assert w.sink.nothing_to_read()
        await carries_on(r, w)


@pytest.mark.parametrize("tap", TAPS)
@in_network()
async def test_what_is_put_out_of_order_is_put_in_order_again(tap: Tap) -> None:
    async with rig(tells_all=True) as r:
        w = await way(r, tap)
        await talk(w)
        before = w.receiver.rcv_ooopack
        add(r, "reorder", tap, segments="data", step=5, gap=2)
        add(r, "delay", tap, segments="any", delay="2ms", name="far")
        await w.pass_on(BULK[:500_000])
        await until(lambda: w.receiver.rcv_ooopack > before, "segments out of order")
        r.proxy.remove("far")
        await carries_on(r, w)


@pytest.mark.parametrize("tap", TO)
@pytest.mark.parametrize("host", HOSTS)
@in_network()
async def test_a_reset_is_believed_though_nothing_has_been_said_since(host: str, tap: Tap) -> None:
    """Its number must be the very next one: nobody has seen a segment from which to take it, so it is the kernel that tells."""
    async with rig(host=host, tells_all=True) as r:
        w = await way(r, tap)
        await talk(w)
        other = await way(r, tap)
        await talk(other)
        add(r, "forge", tap, send="RST", connections=[1])
        assert await w.near.error() == "ECONNRESET"
        await other.pass_on(BULK[:1000])
        await other.end()


@pytest.mark.parametrize("tap", TO)
@in_network()
async def test_a_fin_is_believed_too(tap: Tap) -> None:
    async with rig(tells_all=True) as r:
        w = await way(r, tap)
        await talk(w)
        add(r, "forge", tap, send="FIN")
        assert await w.near.recv_all() == b""


@in_network()
async def test_a_window_is_rewritten_by_the_scale_that_was_agreed_on_before() -> None:
    async with rig(tells_all=True) as r:
        w = await way(r, "to_client")
        await talk(w)
        add(r, "window", "to_client", size="16KiB")
        await w.client.send(b"x")
        assert await w.server.recv(1) == b"x"
        await until(lambda: info(w.client).snd_wnd == 16 * 1024, f"a window of 16 KiB, not of {info(w.client).snd_wnd}")
        await carries_on(r, w)


@pytest.mark.parametrize("tap", TO)
@in_network()
async def test_what_starts_it_passes_on_its_way_out(tap: Tap) -> None:
    async with rig(tells_all=True) as r:
        w = await way(r, tap)
        await talk(w)
        add(r, "drop", tap, segments="data", on_match="GO", lasts="500ms")
        await w.pass_on(b"..GO")
        await w.say(b"held back")
        await until(lambda: r.stats("it")[1], "that it has acted")
        assert w.sink.nothing_to_read()
        await w.end()


@everywhere("to_client", "from_server")
async def test_bulk_in_flight_when_faults_come_and_go(host: str, tap: Tap) -> None:
    """Segments in bundles, under way, larger than can be copied whole: nothing is lost, nothing comes twice."""
    async with rig(host=host, tells_all=True) as r:
        w = await way(r, tap)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(w.pass_on, BULK * 4)
            for number in range(4):
                add(r, "delay", tap, delay="3ms", share="20%", name=f"d{number}")
                add(r, "corrupt", tap, segments="data", share="2%", name=f"c{number}", checksum="broken")
                await trio.sleep(0.05)
                r.proxy.remove(f"d{number}")
                r.proxy.remove(f"c{number}")
        await w.end()
        assert all("too large" in note for note in r.notes), r.notes


@in_network()
async def test_only_who_is_chosen_is_queued_and_only_while_anything_wants_it() -> None:
    async with rig(tells_all=True) as r:
        chosen, other = await way(r, "from_client"), await way(r, "from_client")
        add(r, "delay", "from_client", delay="1ms", connections=[1])
        before = queued(r)
        await talk(other)
        await other.end()
        assert queued(r) == before
        await talk(chosen)
        assert queued(r) > before
        r.proxy.remove("it")
        before = queued(r)
        third = await way(r, "from_client")
        await talk(third)
        await talk(chosen)
        assert queued(r) == before, "not even the SYN of a new connection"
        add(r, "delay", "from_client", delay="1ms")
        fourth = await way(r, "from_client")
        for w in (chosen, third, fourth):
            before = queued(r)
            await talk(w)
            assert queued(r) > before
            await w.end()


@in_network()
async def test_a_fault_that_goes_before_the_server_is_dialled_leaves_nothing() -> None:
    async with rig('kind = "connect_delay"\ndelay = "300ms"', tells_all=True) as r:
        add(r, "delay", "to_server", delay="1ms")
        client = await r.dial()
        await until(lambda: patience(r) == {3_600_000}, "a connection that is about to be dialled")
        r.proxy.remove("it")
        await carries_on_unmet(r, Way("to_server", client, await r.accept()))


@pytest.mark.parametrize("others", [[], ['kind = "delay"\ndirection = "to_server"\ndelay = "1ms"']], ids=["unseen", "its SYN was seen"])
@in_network()
async def test_who_had_knocked_before_and_is_let_in_after(others: list[str]) -> None:
    async with rig('kind = "accept_stall"\nname = "shut"', *others, tells_all=True) as r:
        client = await r.dial()
        await until(lambda: r.proxy.snapshot().listening == "stalled", "a listener that accepts nobody")
        add(r, "drop", "from_client", segments="data", take=1)
        r.proxy.order("shut", heal=True)
        server = await r.accept()
        w = Way("from_client", client, server)
        before = w.sender.total_retrans
        await w.say(b"lost once")
        await until(lambda: w.sender.total_retrans > before, "a resend")
        await w.end()


@in_network()
async def test_who_had_knocked_before_a_fault_went_and_is_let_in_after() -> None:
    late = 'kind = "delay"\nname = "it"\ndirection = "from_client"\ndelay = "1ms"'
    async with rig('kind = "accept_stall"\nname = "shut"', late, tells_all=True) as r:
        client = await r.dial()
        await until(lambda: r.proxy.snapshot().listening == "stalled", "a listener that accepts nobody")
        r.proxy.remove("it")
        r.proxy.order("shut", heal=True)
        await carries_on_unmet(r, Way("from_client", client, await r.accept()))


@pytest.mark.parametrize("tap", ["from_server", "to_server"])
@in_network()
async def test_who_is_being_connected_meanwhile(tap: Tap) -> None:
    async with rig('kind = "connect_delay"\ndelay = "300ms"', tells_all=True) as r:
        client = await r.dial()
        await until(lambda: r.proxy.snapshot().open == 1, "a connection that is being dialled")
        add(r, "drop", tap, segments=["syn", "synack"], take=1)
        server = await r.accept()
        await until(lambda: r.stats("it")[1], "a SYN that was dropped")
        w = Way(tap, client, server)
        await carries_on(r, w)


@pytest.mark.parametrize("tap", TAPS)
@in_network()
async def test_what_was_decided_on_an_open_connection_is_decided_again(tap: Tap) -> None:
    lines: list[str] = []
    journal = Journal(Header(1, [], tells_all=True), lines.append, clock=trio.current_time)
    async with rig(watch=journal, tells_all=True) as r:
        w = await way(r, tap)
        await talk(w)
        add(r, "drop", tap, segments="data", share="10%")
        add(r, "delay", tap, delay="5ms", jitter="5ms", name="late", share="50%")
        await w.pass_on(BULK[:200_000])
        change(r, "drop", tap, segments="data", share="5%")
        await w.pass_on(BULK[:200_000])
        r.proxy.remove("late")
        await carries_on(r, w)
    journal.flush()
    result = replay("".join(lines).splitlines(keepends=True), plans)
    assert (result.difference, result.truncated) == (None, False), result.difference


@in_network()
async def test_our_own_socket_does_not_give_up_while_it_is_met_and_may_again_afterwards() -> None:
    async with rig(tells_all=True) as r:
        w = await way(r, "from_client")
        await talk(w)
        add(r, "drop", "from_client", segments="rst", connections=[1])
        assert patience(r) == {3_600_000}
        other = await way(r, "from_client")
        assert patience(r) == {3_600_000, 0}, "of the one that it chose, and not of the other"
        await other.end()
        other.server.fin()
        await until(lambda: r.proxy.snapshot().open == 1, "the end of the other")
        r.proxy.remove("it")
        assert patience(r) == {0}
        await holds(lambda: r.proxy.snapshot().open == 1, 0.1, "the connection")
