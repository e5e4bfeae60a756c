"""Every packet fault at each of its taps, over IPv4 and IPv6, on segments of 1500 bytes and of 64 KiB: what the peers' kernels make of it.

Each time the fault ends, whatever it held or lost is made good, and not a byte of the stream is missing, doubled or changed.
"""

from __future__ import annotations

from functools import partial
from random import Random

import pytest
import trio

from faultproxy.core.events import Tap
from faultproxy.kernel.tcpinfo import SACK, TIMESTAMPS, WSCALE
from tests.live.rig import holds, rig, until
from tests.live.taps import TAPS, TO, Counted, everywhere, fault, info, way

pytestmark = pytest.mark.live

MANUAL = "manual = true"
LARGE = Random(1).randbytes(1_000_000)
"""Sixteen segments at the very least."""


@everywhere(*TAPS)
async def test_dropped_data_is_sent_again(host: str, tap: Tap) -> None:
    async with rig(fault("drop", tap, 'segments = "data"\nskip = 1\nstep = 5\ntake = 2'), host=host) as r:
        w = await way(r, tap)
        await w.pass_on(LARGE)
        assert w.sender.total_retrans >= 2
        await w.end()


@everywhere(*TAPS)
async def test_dropped_acknowledgements_make_the_other_end_send_again(host: str, tap: Tap) -> None:
    drop = fault("drop", tap, 'segments = "ack"\nrewind = true', starts=MANUAL)
    async with rig(drop, host=host) as r:
        w = await way(r, tap)
        r.proxy.order("drop")  # what passes the tap acknowledges what goes the other way
        sent = b"heard, and not acknowledged"
        await w.sink.send(sent)
        assert await w.source.recv(len(sent)) == sent
        await until(lambda: w.receiver.total_retrans >= 2 and w.receiver.unacked >= 1, "resends")
        await w.say(b"the other way")
        await w.hear()
        r.proxy.order("drop", heal=True)
        await until(lambda: w.receiver.unacked == 0, "that all is acknowledged")
        await w.end()
        w.sink.fin()
        assert await w.source.recv_all() == b""


@everywhere(*TAPS)
async def test_delay_is_in_the_round_trip_that_is_measured(host: str, tap: Tap) -> None:
    async with rig(fault("delay", tap, 'delay = "50ms"'), host=host) as r:
        w = await way(r, tap)
        await w.say(b"hello")
        await w.hear()
        assert w.sender.rtt >= 45_000
        await w.pass_on(LARGE[:200_000])
        r.proxy.order("delay", heal=True)
        await w.end()


@everywhere(*TAPS)
async def test_what_is_delayed_by_jitter_arrives_in_order_all_the_same(host: str, tap: Tap) -> None:
    async with rig(fault("delay", tap, 'segments = "data"\ndelay = "20ms"\njitter = "20ms"', starts=MANUAL), host=host) as r:
        w = await way(r, tap)
        r.proxy.order("delay")
        await w.pass_on(LARGE[:200_000])
        r.proxy.order("delay", heal=True)
        await w.end()


@everywhere(*TAPS)
async def test_copies_reach_the_kernel_and_no_program(host: str, tap: Tap) -> None:
    async with rig(fault("duplicate", tap, 'segments = "data"'), host=host) as r:
        w = await way(r, tap)
        await w.say(b"once")
        await w.hear()
        await until(lambda: w.receiver.data_segs_in == 2, "the copy")
        await until(lambda: w.sender.dsack_dups == 1, "the report of it")
        await w.pass_on(LARGE)
        await w.end()


@everywhere(*TAPS)
async def test_what_is_overtaken_comes_out_of_order(host: str, tap: Tap) -> None:
    async with rig(fault("reorder", tap, 'segments = "data"\nskip = 2\nstep = 6\ntake = 2\ngap = 2\nwithin = "1s"'), host=host) as r:
        w = await way(r, tap)
        await w.pass_on(LARGE)
        assert w.receiver.rcv_ooopack >= 2
        await w.end()


@everywhere(*TAPS)
async def test_a_broken_checksum_is_noticed_and_the_segment_sent_again(host: str, tap: Tap) -> None:
    wrong = Counted("Tcp.InCsumErrors")
    async with rig(fault("corrupt", tap, "skip = 3\nstep = 4\ntake = 2\nbits = 5"), host=host) as r:
        w = await way(r, tap)
        await w.pass_on(LARGE)
        assert wrong() == 2
        assert w.sender.total_retrans >= 2
        await w.end()


@everywhere(*TAPS)
async def test_with_a_right_checksum_wrong_bits_reach_the_program(host: str, tap: Tap) -> None:
    wrong = Counted("Tcp.InCsumErrors")
    async with rig(fault("corrupt", tap, 'skip = 3\ntake = 1\nbits = 5\nchecksum = "fixed"'), host=host) as r:
        w = await way(r, tap)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(w.source.send, LARGE)
            got = await w.sink.recv(len(LARGE))
        assert sum((a ^ b).bit_count() for a, b in zip(got, LARGE, strict=True)) == 5
        assert wrong() == 0
        await w.end()


@everywhere(*TO)
async def test_a_window_of_zero_is_believed(host: str, tap: Tap) -> None:
    async with rig(fault("window", tap, 'size = "0B"', starts=MANUAL), host=host) as r:
        w = await way(r, tap)  # whoever is told is `near`, and what it then cannot send goes to `far`
        r.proxy.order("window")
        await w.near.send(b"the news is met")
        assert await w.far.recv(15) == b"the news is met"
        await until(lambda: info(w.near).snd_wnd == 0, "the news")
        await w.near.send(LARGE[:5000])

        def persists() -> bool:
            row = w.row("receiver")
            return row is not None and row.timer == "window_probe" and row.send_queue == 5000

        await until(persists, "the persist state")
        assert info(w.near).unacked == 0
        assert w.far.nothing_to_read()
        r.proxy.order("window", heal=True)
        assert await w.far.recv(5000) == LARGE[:5000]
        await w.pass_on(LARGE)
        await w.end()


@everywhere(*TO)
async def test_a_forged_reset_ends_one_side_only(host: str, tap: Tap) -> None:
    async with rig(fault("forge", tap, 'send = "RST"', starts=MANUAL), host=host) as r:
        w = await way(r, tap)
        await w.say(b"before")
        await w.hear()
        r.proxy.order("forge")
        assert await w.near.error() == "ECONNRESET"
        assert w.near.state() == "CLOSED"
        assert w.far.state() == "ESTABLISHED"
        assert w.sender.state == "ESTABLISHED"  # the proxy's own socket of that leg


@everywhere(*TO)
async def test_a_forged_fin_ends_one_direction_of_one_side(host: str, tap: Tap) -> None:
    async with rig(fault("forge", tap, 'send = "FIN"', starts=MANUAL), host=host) as r:
        w = await way(r, tap)
        await w.say(b"before")
        await w.hear()
        r.proxy.order("forge")
        assert await w.near.recv_all() == b""
        assert (w.near.state(), w.far.state()) == ("CLOSE_WAIT", "ESTABLISHED")


@everywhere(*TO)
async def test_blind_segments_are_challenged_and_survived(host: str, tap: Tap) -> None:
    challenges = Counted("TcpExt.TCPChallengeACK")
    for number, send in enumerate(("RST", "SYN"), 1):
        async with rig(fault("forge", tap, f'send = "{send}"\nsequence = "blind"', starts=MANUAL), host=host) as r:
            w = await way(r, tap)
            await w.say(b"before")
            await w.hear()
            r.proxy.order("forge")
            await until(partial(challenges.are, number), f"a challenge to a blind {send}")
            assert (w.near.state(), w.far.state()) == ("ESTABLISHED", "ESTABLISHED")
            await w.pass_on(LARGE)
            await w.end()


@everywhere(*TAPS)
async def test_what_is_stripped_from_a_syn_is_not_agreed_on(host: str, tap: Tap) -> None:
    async with rig(fault("strip", tap, 'options = ["sack", "timestamps", "wscale"]'), host=host) as r:
        w = await way(r, tap)
        assert w.receiver.options & (SACK | TIMESTAMPS | WSCALE) == 0
        await w.say(b"hello")
        await w.end()
    async with rig(fault("strip", tap, "mss = 600"), host=host) as r:
        w = await way(r, tap)
        assert w.receiver.snd_mss <= 600
        await w.pass_on(LARGE)
        await w.end()


@everywhere(*TAPS)
async def test_a_fin_without_its_flag_is_none(host: str, tap: Tap) -> None:
    async with rig(fault("flags", tap, 'segments = "fin"\nclear = "FIN"'), host=host) as r:
        w = await way(r, tap)
        await w.say(b"the last words")
        await w.hear()
        w.source.fin()
        await until(lambda: w.sender.state == "FIN_WAIT_1" and w.sender.total_retrans >= 1, "a FIN sent again")
        assert w.sink.nothing_to_read()
        r.proxy.order("flags", heal=True)
        assert await w.sink.recv_all() == b""


@everywhere(*TAPS)
async def test_segments_with_an_old_clock_are_thrown_away(host: str, tap: Tap) -> None:
    old = Counted("TcpExt.PAWSEstab")
    async with rig(fault("timestamps", tap, "shift = -100000", starts=MANUAL), host=host) as r:
        w = await way(r, tap)
        await w.say(b"before")
        await w.hear()
        r.proxy.order("timestamps")
        await w.say(b"discarded")
        await until(lambda: old() >= 2 and w.sender.total_retrans >= 1, "segments that PAWS discards")
        assert w.sink.nothing_to_read()
        r.proxy.order("timestamps", heal=True)
        await w.hear()
        await w.end()


@everywhere(*TAPS)
async def test_a_black_hole_takes_what_is_large(host: str, tap: Tap) -> None:
    async with rig(fault("mtu", tap, 'size = "1000B"'), host=host) as r:
        w = await way(r, tap)
        await w.say(b"small")
        await w.hear()
        await w.say(LARGE[:1400])
        await until(lambda: w.sender.total_retrans >= 1, "a resend")
        assert w.sink.nothing_to_read()
        r.proxy.order("mtu", heal=True)
        await w.hear()
        await w.end()


@everywhere("from_client", "from_server")
async def test_who_has_vanished_neither_hears_nor_speaks(host: str, tap: Tap) -> None:
    leg: tuple[Tap, Tap] = (tap, "to_client" if tap == "from_client" else "to_server")
    async with rig(fault("vanish", leg, starts=MANUAL), host=host) as r:
        w = await way(r, tap)
        await w.say(b"before")
        await w.hear()
        r.proxy.order("vanish")
        await w.say(b"into the dark")
        await until(lambda: w.sender.total_retrans >= 2 and w.sender.unacked == 1, "resends")
        await holds(w.sink.nothing_to_read, 0.05, "silence")
        assert w.near.state() == "ESTABLISHED"
        r.proxy.order("vanish", heal=True)
        await w.hear()
        await w.end()
