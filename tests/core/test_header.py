"""A packet read, and packets that are not what they say."""

from __future__ import annotations

import pytest

from faultproxy.core.header import (
    MSS,
    SACK,
    SACK_PERMITTED,
    TIMESTAMPS,
    WSCALE,
    Malformed,
    Packet,
    before,
)
from faultproxy.core.shape import ACK, FIN, PSH, SYN, URG
from tests.core.wire import ATOMIC, AUTHENTICATION, HOP, OPTIONS, ROUTING, SYN_OPTIONS, TIMES, ipv4, ipv6, right, tcp


def test_what_is_read_of_a_syn() -> None:
    packet = Packet(ipv4(tcp(flags=SYN, options=SYN_OPTIONS)), ref=3, outbound=True)
    assert (packet.source, packet.destination, packet.sport, packet.dport) == ("10.0.0.1", "10.0.0.2", 40000, 80)
    assert (packet.seq, packet.ack, packet.flags, packet.window, packet.urgent) == (100, 200, SYN, 512, 0)
    assert (packet.option(MSS), packet.option(WSCALE), packet.option(SACK_PERMITTED)) == (b"\5\xb4", b"\7", b"")
    assert (packet.timestamps, packet.option(SACK)) == ((1000, 0), None)
    assert (packet.size, packet.payload, packet.end, packet.length) == (0, b"", 101, 60)
    assert (packet.ref, packet.outbound, packet.changed, packet.marks, packet.whole) == (3, True, False, 0, True)


def test_what_is_read_of_data_in_ipv6() -> None:
    packet = Packet(ipv6(tcp(b"hello", flags=ACK | PSH, options=TIMES)))
    assert (packet.source, packet.destination, packet.tcp_at, packet.data_at) == ("::1", "::2", 40, 72)
    assert (packet.payload, packet.size, packet.end, packet.timestamps) == (b"hello", 5, 105, (7, 9))


@pytest.mark.parametrize(
    ("flags", "payload", "end"),
    [(ACK, b"", 100), (SYN, b"", 101), (FIN | ACK, b"ab", 103), (SYN | FIN, b"", 102), (ACK, b"abc", 103)],
)
def test_syn_and_fin_take_a_number_each(flags: int, payload: bytes, end: int) -> None:
    assert Packet(ipv4(tcp(payload, flags=flags))).end == end


def test_numbers_wrap() -> None:
    assert Packet(ipv4(tcp(b"abcd", flags=FIN, seq=0xFFFFFFFE))).end == 3
    assert [before(a, b) for a, b in ((1, 2), (2, 1), (1, 1), (0xFFFFFFFF, 0), (0, 0xFFFFFFFF))] == [True, False, False, True, False]


def test_an_acknowledgement_that_carries_nothing_else() -> None:
    found = {(flags, size) for flags in range(64) for size in (0, 1) if Packet(ipv4(tcp(bytes(size), flags=flags))).pure_ack}
    assert found == {(flags | ACK, 0) for flags in (0, PSH, URG, PSH | URG)} | {(flags | ACK, 0) for flags in (PSH, 0)}


def test_the_bare_acknowledgement_of_forty_bytes_is_no_bundle() -> None:
    # In IPv6 a length of 40 is told as 0, which may be one.
    packet = Packet(ipv4(tcp()) + bytes(6))
    assert (packet.length, packet.size) == (40, 0)


def test_of_a_bundle_the_length_is_known_from_elsewhere() -> None:
    for raw in (ipv4(tcp(b"ab"), total=0), ipv6(tcp(b"ab"), told=0)):
        packet = Packet(raw[:-2], length=100_000)
        assert (packet.length, packet.size, packet.whole) == (100_000, 100_000 - packet.data_at, False)


def test_what_stands_behind_the_packet_is_none_of_it() -> None:
    packet = Packet(ipv4(tcp(b"ab")) + b"padding")
    assert (packet.payload, packet.length, Packet(packet.encode()).raw) == (b"ab", 42, packet.encode())


def test_of_a_truncated_copy_the_header_is_there() -> None:
    packet = Packet(ipv4(tcp(b"abcdef", options=TIMES))[:-4], length=58)
    assert (packet.size, packet.payload, packet.whole, packet.end) == (6, b"ab", False, 106)
    with pytest.raises(ValueError, match="54 of 58 bytes were copied: it cannot be written again"):
        packet.encode()


@pytest.mark.parametrize(
    "chain",
    [
        (HOP,),
        (ROUTING,),
        (OPTIONS,),
        (ATOMIC,),
        (AUTHENTICATION,),
        (HOP, OPTIONS, ROUTING, ATOMIC, AUTHENTICATION, OPTIONS),
        (OPTIONS,) * 16,
    ],
)
def test_tcp_is_found_behind_extension_headers(chain: tuple[tuple[int, bytes], ...]) -> None:
    raw = ipv6(tcp(b"hello", options=TIMES), *chain)
    packet = Packet(raw)
    assert (packet.tcp_at, packet.payload, packet.timestamps) == (40 + sum(len(data) for _, data in chain), b"hello", (7, 9))
    assert packet.encode()[: packet.tcp_at] == raw[: packet.tcp_at]
    assert right(packet.encode()) == (True, True)


# ----------------------------------------------------- what does not add up

SAYS: list[tuple[bytes, str]] = [
    (b"", "it ends within a header"),
    (b"\x45", "it ends within a header"),
    (b"\x60", "it ends within a header"),
    (b"\x00" * 60, "IP version 0"),
    (b"\x50" * 60, "IP version 5"),
    (b"\xf0" * 60, "IP version 15"),
    (ipv4(tcp(), protocol=17), "not TCP, or a fragment of it"),
    (ipv4(tcp(), fragment=0x2000), "not TCP, or a fragment of it"),
    (ipv4(tcp(), fragment=1), "not TCP, or a fragment of it"),
    (ipv4(tcp(), fragment=0x0100), "not TCP, or a fragment of it"),
    (b"\x44" + ipv4(tcp())[1:], "the IPv4 header is too short"),
    (b"\x4f" + ipv4(tcp())[1:], "it ends within a header"),
    (ipv4(tcp(), total=39), "the lengths in its headers do not add up"),
    (ipv4(tcp(), total=41), "the lengths in its headers do not add up"),
    (ipv4(tcp(offset=4)), "the lengths in its headers do not add up"),
    (ipv4(tcp(offset=0)), "the lengths in its headers do not add up"),
    (ipv4(tcp(offset=6)), "the lengths in its headers do not add up"),
    (ipv4(tcp(bytes(39), offset=15)), "the lengths in its headers do not add up"),
    (ipv4(tcp(), options=b"\x83\x07\x04" + bytes(5)), "it is still on its source route"),
    (ipv4(tcp(), options=b"\1\x89\x07\x04" + bytes(4)), "it is still on its source route"),
    (ipv4(tcp(), options=b"\1\1\1\x44"), "it ends within a header"),
    (ipv6(tcp(), told=21), "the lengths in its headers do not add up"),
    (ipv6(tcp(), told=19), "the lengths in its headers do not add up"),
    (ipv6(tcp(), (50, bytes(8))), "not TCP"),
    (ipv6(tcp(), (59, bytes(8))), "not TCP"),
    (ipv6(tcp(), (44, bytes([0, 0, 0, 1]) + bytes(4))), "a fragment"),
    (ipv6(tcp(), (44, bytes([0, 0, 0, 8]) + bytes(4))), "a fragment"),
    (ipv6(tcp(), (44, bytes([0, 0, 1, 0]) + bytes(4))), "a fragment"),
    (ipv6(tcp(), (43, bytes([0, 2, 0, 1]) + bytes(20))), "it is still on its source route"),
    (ipv6(tcp(), (0, bytes([0, 255]) + bytes(6))), "it ends within a header"),
    (ipv6(tcp(), *[HOP] * 20), "too many extension headers"),
    (ipv6(tcp(), *[ATOMIC] * 17), "too many extension headers"),
]


@pytest.mark.parametrize(("raw", "told"), SAYS, ids=range(len(SAYS)))
def test_what_does_not_add_up_is_malformed(raw: bytes, told: str) -> None:
    with pytest.raises(Malformed, match=f"^{told}$"):
        Packet(raw)


@pytest.mark.parametrize(
    "raw",
    [
        ipv4(tcp(b"hello", flags=SYN, options=SYN_OPTIONS)),
        ipv4(tcp(b"hello"), options=b"\x83\x07\x08" + bytes(5)),
        ipv6(tcp(b"hello", flags=SYN, options=SYN_OPTIONS), HOP, ROUTING, ATOMIC, AUTHENTICATION, OPTIONS),
    ],
)
def test_cut_off_anywhere_it_is_read_or_malformed(raw: bytes) -> None:
    whole = Packet(raw)
    for at in range(len(raw)):
        with pytest.raises(Malformed):
            Packet(raw[:at])  # nobody says that there was more
        if at < whole.data_at:
            with pytest.raises(Malformed):
                Packet(raw[:at], length=len(raw))
        else:
            packet = Packet(raw[:at], length=len(raw))
            assert (packet.size, packet.payload, packet.options) == (5, raw[whole.data_at : at], whole.options)


@pytest.mark.parametrize("length", [-1, 0, 39, 41, 44])
def test_a_length_that_contradicts_the_header(length: int) -> None:
    with pytest.raises(Malformed):
        Packet(ipv4(tcp(b"hello")), length=length)


HOSTILE_OPTIONS = {
    "length 0": b"\x08\0\0\0",
    "length 1": b"\x08\1\0\0",
    "too long": b"\x08\x0a\0\0",
    "nothing behind the kind": b"\1\1\1\x08",
    "behind the end of the list": b"\0\x08\x02\0",
}


@pytest.mark.parametrize("options", HOSTILE_OPTIONS.values(), ids=HOSTILE_OPTIONS)
def test_options_that_cannot_be_end_the_list(options: bytes) -> None:
    packet = Packet(ipv4(tcp(options=b"\2\4\5\xb4" + options)))
    assert (packet.option(MSS), packet.option(TIMESTAMPS), packet.timestamps) == (b"\5\xb4", None, None)
    assert (packet.strip(TIMESTAMPS), packet.set_option(TIMESTAMPS, bytes(8)), packet.changed) == (False, False, False)
    assert packet.strip(MSS)
    assert Packet(packet.encode()).options == b"\1\1\1\1" + options


def test_timestamps_of_another_length_are_none() -> None:
    packet = Packet(ipv4(tcp(options=b"\x08\x06\0\0\0\1\1\1")))
    assert (packet.timestamps, packet.set_timestamps(1, 2), packet.option(TIMESTAMPS)) == (None, False, b"\0\0\0\1")
