"""What comes to a tapped port and is no proper segment: never a crash, told once, and the connection goes on."""

from __future__ import annotations

import socket
import struct

import pytest
import trio.testing

from tests.live.rig import in_network, rig, until
from tests.live.taps import HOSTS, fault, way

pytestmark = pytest.mark.live

PSH_ACK = 0x18
HEADER = struct.Struct("!HHIIBBHHH")


def tcp(ports: tuple[int, int], *, offset: int = 5, rest: bytes = b"") -> bytes:
    return HEADER.pack(*ports, 1, 1, offset << 4, PSH_ACK, 100, 0, 0) + rest


def strange(ports: tuple[int, int]) -> dict[str, bytes]:
    """Segments of that flow that nobody's kernel makes."""
    return {
        "a header that ends before it begins": tcp(ports, offset=2),
        "a header longer than the packet": tcp(ports, offset=15),
        "half a header": tcp(ports)[:8],
        "options without end": tcp(ports, offset=6, rest=b"\x08\x00\x08\x00"),
        "an option that is longer than the header": tcp(ports, offset=6, rest=b"\x05\xff\x01\x01"),
        "no flags at all": tcp(ports)[:13] + b"\0" + tcp(ports)[14:],
        "all flags": tcp(ports)[:13] + b"\xff" + tcp(ports)[14:],
    }


def packets(host: str, segment: bytes) -> list[bytes]:
    """In an IP packet; over IPv4 also with options and as a first fragment, over IPv6 behind extension headers and as one."""
    if host == "::1":
        ends = socket.inet_pton(socket.AF_INET6, host) * 2

        def six(kind: int, payload: bytes) -> bytes:
            return struct.pack("!IHBB", 6 << 28, len(payload), kind, 64) + ends + payload

        options = bytes((socket.IPPROTO_TCP, 0)) + b"\x01\x04\0\0\0\0"
        fragment = struct.pack("!BBHI", socket.IPPROTO_TCP, 0, 1, 7)
        return [six(socket.IPPROTO_TCP, segment), six(0, options + segment), six(60, options + segment), six(44, fragment + segment)]
    ends = socket.inet_aton(host) * 2

    def four(payload: bytes, *, options: bytes = b"", fragment: int = 0) -> bytes:
        head = 0x45 + len(options) // 4
        return (
            struct.pack("!BBHHHBBH", head, 0, 20 + len(options) + len(payload), 7, fragment, 64, socket.IPPROTO_TCP, 0)
            + ends
            + options
            + payload
        )

    return [four(segment), four(segment, options=b"\x01\x01\x01\x00"), four(segment, fragment=0x2000), four(segment, fragment=0x0100)]


def send(host: str, packet: bytes) -> None:
    """As it is: the kernel fills in the checksum of an IPv4 header, and nothing else."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(packet, (host, 0))


@pytest.mark.parametrize("fail_open", [True, False])
@pytest.mark.parametrize("host", HOSTS)
@in_network()
async def test_it_is_told_once_and_the_connection_goes_on(host: str, fail_open: bool) -> None:
    kinds = (
        ("drop", 'segments = "rst"'),
        ("strip", 'options = "mss"'),
        ("window", 'size = "1MiB"'),
        ("timestamps", "shift = 1"),
        ("delay", 'delay = "1ms"'),
    )
    faults = [fault(kind, ("from_client", "to_client"), rest) for kind, rest in kinds]
    async with rig(*faults, host=host, fail_open=fail_open) as r:
        w = await way(r, "from_client")
        await w.say(b"before")
        await w.hear()
        ports = (w.client.sock.getsockname()[1], w.client.sock.getpeername()[1])
        for segment in strange(ports).values():
            for packet in packets(host, segment):
                send(host, packet)
        await until(lambda: r.notes != [], "a word about it")
        for number in range(20):
            await w.say(b"goes on %d" % number)
            await w.hear()
        (note,) = r.notes
        assert note.startswith("a segment cannot be read (")
        assert note.endswith("such are let through" if fail_open else "such are dropped")
        await w.end()


@pytest.mark.parametrize("host", HOSTS)
@in_network()
async def test_it_goes_by_where_no_fault_acts(host: str) -> None:
    async with rig(fault("drop", ("from_client", "to_client"), 'segments = "data"', starts="manual = true"), host=host) as r:
        w = await way(r, "from_client")
        await w.say(b"before")
        await w.hear()
        ports = (w.client.sock.getsockname()[1], w.client.sock.getpeername()[1])
        for segment in strange(ports).values():
            for packet in packets(host, segment):
                send(host, packet)
                await trio.testing.wait_all_tasks_blocked(0.002)
                r.proxy.order("drop", heal=True)  # which brings the core up to date with what has gone by
        await w.say(b"after")
        await w.end()
