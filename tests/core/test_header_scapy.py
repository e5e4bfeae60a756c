"""The same packets in the eyes of scapy, which shares no line with us: every field, every option, every checksum."""

from __future__ import annotations

import struct
import warnings
from ipaddress import ip_address
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from faultproxy.core.header import MSS, SACK, TIMESTAMPS, WSCALE, Packet
from tests.core.wire import AUTHENTICATION

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what its import has to say is not about us
    from scapy.layers.inet import IP, TCP, IPOption_NOP, IPOption_RR, IPOption_Timestamp
    from scapy.layers.inet6 import (
        IPv6,
        IPv6ExtHdrDestOpt,
        IPv6ExtHdrFragment,
        IPv6ExtHdrHopByHop,
        IPv6ExtHdrRouting,
        PadN,
        RouterAlert,
    )
    from scapy.packet import Raw

calm = settings(max_examples=150, deadline=None, derandomize=True)

SHORT, LONG = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
KINDS = {"MSS": MSS, "WScale": WSCALE, "SAckOK": 4, "SAck": SACK, "Timestamp": TIMESTAMPS}
"""Numbers of the options that scapy calls by name."""

OPTION = st.one_of(
    st.just(("NOP", None)),
    SHORT.map(lambda value: ("MSS", value)),
    st.integers(0, 255).map(lambda value: ("WScale", value)),
    st.just(("SAckOK", b"")),
    st.integers(1, 3).flatmap(lambda blocks: st.tuples(*[LONG] * (2 * blocks))).map(lambda edges: ("SAck", edges)),
    st.tuples(LONG, LONG).map(lambda times: ("Timestamp", times)),
    st.tuples(st.sampled_from([9, 11, 30, 33, 76, 172, 253, 254]), st.binary(max_size=9)),
)


def width(option: tuple[Any, Any]) -> int:
    """How many bytes an option takes."""
    name, value = option
    return {"NOP": 1, "MSS": 4, "WScale": 3, "SAckOK": 2, "Timestamp": 10}.get(name) or 2 + (4 if name == "SAck" else 1) * len(value)


@st.composite
def options(draw: st.DrawFn) -> list[tuple[Any, Any]]:
    """As many as there is room for."""
    found: list[tuple[Any, Any]] = []
    for option in draw(st.lists(OPTION, max_size=8)):
        if sum(map(width, found)) + width(option) <= 40:
            found.append(option)
    return found


PAYLOAD = st.one_of(st.binary(max_size=40), st.integers(0, 2000).map(bytes), st.integers(0, 2000).map(lambda size: b"\xa5" * size))
IP_OPTIONS = [IPOption_NOP(), IPOption_RR(routers=["0.0.0.0"] * 2), IPOption_Timestamp(length=12)]
EXTENSIONS: dict[str, Any] = {
    "hop-by-hop": lambda: IPv6ExtHdrHopByHop(options=[RouterAlert()]),
    "routing": lambda: IPv6ExtHdrRouting(addresses=["fd00::7", "fd00::8"], segleft=0),
    "destination": lambda: IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 11)]),
    "fragment": lambda: IPv6ExtHdrFragment(offset=0, m=0, id=5),
}


@st.composite
def sent(draw: st.DrawFn) -> Any:
    """A packet built by scapy."""
    segment = TCP(
        sport=draw(SHORT),
        dport=draw(SHORT),
        seq=draw(LONG),
        ack=draw(LONG),
        reserved=draw(st.integers(0, 7)),
        flags=draw(st.integers(0, 0x1FF)),
        window=draw(SHORT),
        urgptr=draw(SHORT),
        options=draw(options()),
    )
    payload = draw(PAYLOAD)
    head: Any
    if draw(st.booleans()):
        address = st.ip_addresses(v=4).map(str)
        head = IP(src=draw(address), dst=draw(address), ttl=draw(st.integers(1, 255)), tos=draw(st.integers(0, 255)), id=draw(SHORT))
        head.options = draw(st.lists(st.sampled_from(IP_OPTIONS), max_size=2))
    else:
        address = st.ip_addresses(v=6).map(str)
        head = IPv6(src=draw(address), dst=draw(address), tc=draw(st.integers(0, 255)), fl=draw(st.integers(0, 0xFFFFF)))
        for name in draw(st.lists(st.sampled_from(sorted(EXTENSIONS)), max_size=4)):
            head /= EXTENSIONS[name]()
    return head / segment / Raw(payload) if payload else head / segment


def dissected(raw: bytes) -> Any:
    """As scapy reads it."""
    return IP(raw) if raw[0] >> 4 == 4 else IPv6(raw)


def rebuilt(packet: Any) -> bytes:
    """With lengths and checksums that scapy has computed anew."""
    del packet[TCP].chksum, packet[TCP].dataofs
    if IP in packet:
        del packet[IP].chksum, packet[IP].len, packet[IP].ihl
    else:
        del packet[IPv6].plen
    return bytes(packet)


@calm
@given(sent())
def test_every_field_is_what_scapy_wrote(packet: Any) -> None:
    raw = bytes(packet)
    ours, theirs = Packet(raw), dissected(raw)
    segment = theirs[TCP]
    assert (ours.sport, ours.dport, ours.seq, ours.ack) == (segment.sport, segment.dport, segment.seq, segment.ack)
    # Scapy counts the bit before CWR, the former NS, among the flags; here it is one of the four reserved ones.
    assert (ours.flags, ours.reserved) == (int(segment.flags) & 0xFF, segment.reserved << 1 | int(segment.flags) >> 8)
    assert (ours.window, ours.urgent, ours.payload) == (segment.window, segment.urgptr, bytes(segment.payload))
    assert (ip_address(ours.source), ip_address(ours.destination)) == (ip_address(theirs.src), ip_address(theirs.dst))
    assert ours.length == len(raw)
    assert ours.data_at - ours.tcp_at == segment.dataofs * 4


@calm
@given(sent())
def test_every_option_is_what_scapy_wrote(packet: Any) -> None:
    ours = Packet(bytes(packet))
    for kind in (*KINDS.values(), 9, 11, 30, 33, 76, 172, 253, 254):
        values = [encoded(option) for option in packet[TCP].options if KINDS.get(option[0], option[0]) == kind]
        assert ours.option(kind) == (values[0] if values else None)
    times = [value for name, value in packet[TCP].options if name == "Timestamp"]
    assert ours.timestamps == (times[0] if times else None)


def encoded(option: tuple[Any, Any]) -> bytes:
    """The value of an option as it stands in the header."""
    name, value = option
    if name in ("SAck", "Timestamp"):
        return b"".join(edge.to_bytes(4, "big") for edge in value)
    return bytes(value.to_bytes(2 if name == "MSS" else 1, "big")) if isinstance(value, int) else bytes(value)


@calm
@given(sent())
def test_written_again_it_is_what_scapy_sends(packet: Any) -> None:
    raw = bytes(packet)
    assert Packet(raw).encode() == raw
    wrong = bytearray(raw)
    at = Packet(raw).tcp_at + 16
    wrong[at : at + 2] = b"\xab\xcd"  # as a queued packet has it, before the network card has filled it in
    assert Packet(bytes(wrong)).encode() == raw


@calm
@given(sent(), st.binary(max_size=60), LONG, SHORT, st.integers(0, 255))
def test_an_edit_gives_what_scapy_gives(packet: Any, payload: bytes, number: int, window: int, flags: int) -> None:
    raw = bytes(packet)
    ours, theirs = Packet(raw), dissected(raw)
    ours.seq, ours.ack, ours.window, ours.flags, ours.payload = number, number ^ 1, window, flags, payload
    segment = theirs[TCP]
    segment.seq, segment.ack, segment.window, segment.flags = number, number ^ 1, window, (int(segment.flags) & 0x100) | flags
    segment.remove_payload()
    theirs = theirs / Raw(payload) if payload else theirs
    assert ours.encode() == rebuilt(theirs)


@calm
@given(sent(), st.sets(st.sampled_from(sorted(KINDS))), LONG, LONG, SHORT)
def test_options_stripped_and_replaced_as_by_scapy(packet: Any, names: set[str], value: int, echo: int, mss: int) -> None:
    ours = Packet(bytes(packet))
    ours.strip(*(KINDS[name] for name in names))
    ours.set_timestamps(value, echo)
    ours.set_option(MSS, struct.pack("!H", mss))
    wanted: list[tuple[Any, Any]] = []
    done: set[str] = set()
    for option in packet[TCP].options:
        name = option[0]
        if name in names:
            wanted += [("NOP", None)] * width(option)
        elif name not in done and name in ("Timestamp", "MSS"):
            done.add(name)  # of two, the first is meant
            wanted.append((name, (value, echo) if name == "Timestamp" else mss))
        else:
            wanted.append(option)
    packet[TCP].options = wanted
    assert ours.encode() == bytes(packet)


@calm
@given(sent())
def test_an_authentication_header_is_stepped_over(packet: Any) -> None:
    # Scapy computes no TCP checksum behind one, but it is the same as without: the header is no part of what is summed (RFC 8200, 8.1).
    raw = bytes(packet)
    if raw[0] >> 4 == 4:
        return
    at = Packet(raw).tcp_at
    length = struct.unpack_from("!H", raw, 4)[0] + len(AUTHENTICATION[1])
    chain = bytearray(raw[:at])
    chain[4:6] = struct.pack("!H", length)
    chain[last_kind(raw, at)] = 51
    with_it = bytes(chain) + b"\6" + AUTHENTICATION[1][1:] + raw[at:]
    assert (Packet(with_it).tcp_at, Packet(with_it).payload) == (at + len(AUTHENTICATION[1]), Packet(raw).payload)
    assert Packet(with_it).encode() == with_it


def last_kind(raw: bytes, tcp_at: int) -> int:
    """Where an IPv6 packet says that TCP is next."""
    where, at = 6, 40
    while at < tcp_at:
        where, at = at, at + (8 if raw[where] == 44 else (raw[at + 1] + 1) * 8)
    return where
