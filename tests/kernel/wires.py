"""Connections over loopback whose segments the tests of the packet plane lay hold of, and segments made by hand."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from faultproxy.kernel.nfqueue import INPUT, OUTPUT, Queue, Queued
from faultproxy.kernel.nftables import Flow, mark

HOSTS = ["127.0.0.1", "::1"]
both_versions = pytest.mark.parametrize("host", HOSTS)

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


class Wire(NamedTuple):
    """An established connection, both ends ours. All sockets give up after 5 s."""

    listener: socket.socket
    client: socket.socket
    server: socket.socket

    def forth(self, hook: int = INPUT) -> Flow:
        """The flow of the segments from client to server."""
        return hook, port(self.client), port(self.listener)

    def back(self, hook: int = OUTPUT) -> Flow:
        """The flow of the segments from server to client."""
        return hook, port(self.listener), port(self.client)


def listening(host: str, number: int = 0) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.create_server((host, number), family=family, backlog=64)
    sock.settimeout(5)
    return sock


def dialling(listener: socket.socket, marked: int = 0) -> socket.socket:
    """A client whose SYN is on its way."""
    client = socket.socket(listener.family)
    if marked:
        mark(client, marked)
    client.setblocking(False)
    client.connect_ex(listener.getsockname())
    client.settimeout(5)
    return client


@contextmanager
def wire(host: str) -> Iterator[Wire]:
    with listening(host) as listener, socket.create_connection(listener.getsockname()[:2], timeout=5) as client:
        server, _ = listener.accept()
        with server:
            server.settimeout(5)
            yield Wire(listener, client, server)


def port(sock: socket.socket) -> int:
    number: int = sock.getsockname()[1]
    return number


def take(queue: Queue, count: int = 1, within: float = 5.0) -> list[Queued]:
    """At least `count` packets, waited for."""
    deadline = time.monotonic() + within
    found: list[Queued] = []
    while len(found) < count:
        assert select.select([queue], [], [], max(0.0, deadline - time.monotonic()))[0], (
            f"{len(found)} of {count} packets within {within} s"
        )
        found += queue.read()
    return found


def carry(queue: Queue, until: Callable[[], bool], within: float = 5.0) -> list[Queued]:
    """Accepts all that comes until `until()`, and tells what came."""
    deadline = time.monotonic() + within
    found: list[Queued] = []
    while not until():
        assert time.monotonic() < deadline, f"not within {within} s; {len(found)} packets came"
        select.select([queue], [], [], 0.01)
        for packet in queue.read():
            found.append(packet)
            queue.accept(packet.id)
        queue.flush()
    return found


def readable(sock: socket.socket, within: float = 0.0) -> bool:
    return bool(select.select([sock], [], [], within)[0])


def header(packet: bytes) -> int:
    """Where the TCP header begins."""
    return 40 if packet[0] >> 4 == 6 else (packet[0] & 15) * 4


def flags(packet: bytes) -> int:
    return packet[header(packet) + 13]


def payload(packet: bytes) -> bytes:
    start = header(packet)
    return packet[start + (packet[start + 12] >> 4) * 4 :]


def changed(packet: bytes, old: bytes, new: bytes) -> bytes:
    """The packet with other bytes, as many, in its payload and a right TCP checksum."""
    start = header(packet)
    segment = bytearray(packet[start:].replace(old, new))
    segment[16:18] = b"\0\0"
    addresses = packet[8:40] if start == 40 else packet[12:20]
    summed = addresses + struct.pack(">II", socket.IPPROTO_TCP, len(segment)) + segment
    segment[16:18] = struct.pack(">H", checksum(summed))
    return packet[:start] + bytes(segment)


def checksum(data: bytes) -> int:
    """The Internet checksum, RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
