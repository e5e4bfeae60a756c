"""Captures opened by tshark, Wireshark's own command: packets, comments, interfaces, and files that were cut off."""

from __future__ import annotations

import socket
import struct
import subprocess
from pathlib import Path

import pytest

from faultproxy.core.shape import ACK, FIN, PSH, RST, SYN
from faultproxy.net.capture import Capture
from tests.peers.programs import PATIENCE, program

pytestmark = pytest.mark.peers

CLIENT, SERVER = ("192.0.2.1", 40000), ("192.0.2.2", 8000)


def summed(data: bytes) -> int:
    """The checksum of RFC 1071."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data)) if len(data) % 2 == 0 else summed(data + b"\0") ^ 0xFFFF
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def segment(source: tuple[str, int], target: tuple[str, int], flags: int, sequence: int, ack: int, *, payload: bytes = b"") -> bytes:
    """An IPv4 or IPv6 packet, checksums and all."""
    family = socket.AF_INET6 if ":" in source[0] else socket.AF_INET
    ends = socket.inet_pton(family, source[0]) + socket.inet_pton(family, target[0])
    tcp = struct.pack("!HHIIBBHHH", source[1], target[1], sequence, ack, 5 << 4, flags, 65535, 0, 0) + payload
    tcp = tcp[:16] + struct.pack("!H", summed(ends + struct.pack("!II", len(tcp), socket.IPPROTO_TCP) + tcp)) + tcp[18:]
    if family == socket.AF_INET6:
        return struct.pack("!IHBB", 6 << 28, len(tcp), socket.IPPROTO_TCP, 64) + ends + tcp
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0, 64, socket.IPPROTO_TCP, 0) + ends
    return head[:10] + struct.pack("!H", summed(head)) + head[12:] + tcp


def written(path: Path, *, client: str = CLIENT[0], server: str = SERVER[0]) -> Path:
    """A short connection, to which a few things were done."""
    c, s = (client, CLIENT[1]), (server, SERVER[1])
    capture = Capture(path, pytest.fail, application="faultproxy 0", comment="seed 7, example.toml")
    inward, outward = capture.interface("from_client"), capture.interface("to_client")
    capture.packet(inward, 1_700_000_000.000001, segment(c, s, SYN, 99, 0), outbound=False)
    capture.packet(outward, 1_700_000_000.5, segment(s, c, SYN | ACK, 499, 100), outbound=True)
    capture.packet(
        inward, 1_700_000_001.0, segment(c, s, PSH | ACK, 100, 500, payload=b"odd"), outbound=False, comment="slow-down: held 40 ms"
    )
    whole = segment(s, c, PSH | ACK, 500, 103, payload=bytes(4000))
    capture.packet(outward, 1_700_000_001.25, whole[:128], length=len(whole), outbound=True, comment="acks-lost: drop „für immer“")
    capture.packet(inward, 1_700_000_002.0, segment(c, s, FIN | ACK, 103, 500), outbound=False)
    capture.packet(outward, 1_700_000_003.0, segment(s, c, RST | ACK, 500, 104), outbound=True, comment="forge: RST")
    capture.close()
    return path


def tshark(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [program("tshark", "tshark"), "-n", "-r", str(path), *arguments]
    return subprocess.run(command, check=False, capture_output=True, encoding="utf-8", timeout=PATIENCE)


def fields(path: Path, *names: str) -> list[list[str]]:
    """These fields of each packet."""
    words = [word for name in names for word in ("-e", name)]
    ended = tshark(path, "-T", "fields", "-E", "separator=|", "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", *words)
    assert (ended.returncode, [line for line in ended.stderr.splitlines() if "Running as user" not in line]) == (0, [])
    return [line.split("|") for line in ended.stdout.splitlines()]


@pytest.mark.parametrize(("client", "server"), [(CLIENT[0], SERVER[0]), ("2001:db8::1", "2001:db8::2")])
def test_packets_comments_and_interfaces(tmp_path: Path, client: str, server: str) -> None:
    path = written(tmp_path / "run.pcapng", client=client, server=server)
    assert fields(path, "frame.time_epoch", "frame.interface_name", "tcp.flags.str", "tcp.len", "frame.comment") == [
        ["1700000000.000001000", "from_client", "··········S·", "0", ""],
        ["1700000000.500000000", "to_client", "·······A··S·", "0", ""],
        ["1700000001.000000000", "from_client", "·······AP···", "3", "slow-down: held 40 ms"],
        ["1700000001.250000000", "to_client", "·······AP···", "4000", "acks-lost: drop „für immer“"],
        ["1700000002.000000000", "from_client", "·······A···F", "0", ""],
        ["1700000003.000000000", "to_client", "·······A·R··", "0", "forge: RST"],
    ]


def test_directions_lengths_and_checksums(tmp_path: Path) -> None:
    path = written(tmp_path / "run.pcapng")
    inward, outward, right, unverified = "0x00000001", "0x00000002", "1", "2"
    assert fields(path, "frame.packet_flags", "frame.cap_len", "frame.len", "tcp.checksum.status", "ip.checksum.status") == [
        [inward, "40", "40", right, right],
        [outward, "40", "40", right, right],
        [inward, "43", "43", right, right],
        [outward, "128", "4040", unverified, right],
        [inward, "40", "40", right, right],
        [outward, "40", "40", right, right],
    ]


def test_nothing_is_malformed(tmp_path: Path) -> None:
    ended = tshark(written(tmp_path / "run.pcapng"), "-Y", "_ws.malformed")
    assert (ended.returncode, ended.stdout) == (0, "")


def test_comments_can_be_searched_for(tmp_path: Path) -> None:
    ended = tshark(written(tmp_path / "run.pcapng"), "-Y", 'frame.comment contains "acks-lost"', "-T", "fields", "-e", "frame.number")
    assert (ended.returncode, ended.stdout) == (0, "4\n")


def test_a_capture_without_packets_opens(tmp_path: Path) -> None:
    Capture(tmp_path / "run.pcapng", pytest.fail).close()
    assert fields(tmp_path / "run.pcapng", "frame.number") == []


@pytest.mark.parametrize("cut", [1, 40, 99])
def test_a_file_that_was_cut_off_opens_up_to_there(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path / "run.pcapng")
    path.write_bytes(path.read_bytes()[:-cut])
    ended = tshark(path, "-T", "fields", "-e", "frame.number")
    assert ended.stdout == "1\n2\n3\n4\n5\n"
    assert "cut short in the middle of a packet" in ended.stderr
