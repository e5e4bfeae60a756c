"""Captures as files: what is in them when, and what happens when they cannot be written."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from faultproxy.core import pcapng
from faultproxy.core.limits import CAPTURE_BUFFER
from faultproxy.errors import ScenarioError
from faultproxy.net.capture import Capture

SECTION = pcapng.section("faultproxy")


def never(message: str) -> None:
    raise AssertionError(message)


def test_a_file_is_readable_from_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    capture = Capture(path, never)
    assert path.read_bytes() == SECTION
    capture.close()
    assert path.read_bytes() == SECTION


def test_packets_wait_for_a_flush_and_interfaces_are_told_once(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    capture = Capture(path, never, application="faultproxy 1.0", comment="seed 7")
    assert [capture.interface(name) for name in ("from_client", "to_client", "from_client")] == [0, 1, 0]
    capture.packet(1, 12.5, b"E", outbound=True, length=40, comment="drop")
    expected = [
        pcapng.section("faultproxy 1.0", "seed 7"),
        pcapng.interface("from_client"),
        pcapng.interface("to_client"),
        pcapng.packet(1, 12.5, b"E", outbound=True, length=40, comment="drop"),
    ]
    assert path.read_bytes() == expected[0]
    capture.flush()
    assert path.read_bytes() == b"".join(expected)
    capture.packet(0, 13.0, b"F", outbound=False)
    capture.close()
    assert path.read_bytes() == b"".join(expected) + pcapng.packet(0, 13.0, b"F", outbound=False)
    capture.packet(0, 14.0, b"G", outbound=False)
    capture.flush()
    capture.close()
    assert path.stat().st_size == len(b"".join(expected)) + len(pcapng.packet(0, 13.0, b"F", outbound=False))


def test_what_waits_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    capture = Capture(path, never)
    one = pcapng.packet(0, 1.0, bytes(1000), outbound=True)
    for number in range(1, 200):
        capture.packet(0, 1.0, bytes(1000), outbound=True)
        assert len(SECTION) + number * len(one) - path.stat().st_size < CAPTURE_BUFFER
    capture.close()


@pytest.mark.parametrize("where", ["", "nowhere/run.pcapng"])
def test_a_file_that_cannot_be_made_is_a_mistake_of_the_command_line(tmp_path: Path, where: str) -> None:
    with pytest.raises(ScenarioError, match=r"--pcap .*: cannot be written \((Is a directory|No such file or directory)\)"):
        Capture(tmp_path / where, never)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_disk_that_is_full_from_the_beginning_ends_it_with_one_notice() -> None:
    told: list[str] = []
    capture = Capture(Path("/dev/full"), told.append)
    for _ in range(1000):
        capture.packet(capture.interface("lo"), 1.0, bytes(1000), outbound=True)
    capture.close()
    assert told == ["the capture /dev/full ends here: it cannot be written (No space left on device)"]


@pytest.fixture
def little_room() -> Iterator[int]:
    """Files of this process may have 100 000 bytes, as if the disk were full then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        yield 100_000
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_fills_up_leaves_whole_packets(tmp_path: Path, little_room: int) -> None:
    path, told = tmp_path / "run.pcapng", list[str]()
    capture = Capture(path, told.append)
    one = pcapng.packet(0, 1.0, bytes(999), outbound=True)
    for _ in range(300):
        capture.packet(0, 1.0, bytes(999), outbound=True)
    capture.close()
    assert told == [f"the capture {path} ends here: it cannot be written (File too large)"]
    count, rest = divmod(path.stat().st_size - len(SECTION), len(one))
    assert (count > 50, rest) == (True, 0)
    assert path.stat().st_size <= little_room


def test_a_pipe_whose_reader_has_gone_ends_it_too(tmp_path: Path) -> None:
    path, told = tmp_path / "pipe", list[str]()
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    capture = Capture(path, told.append)
    os.close(reader)
    capture.interface("lo")
    capture.close()
    assert told == [f"the capture {path} ends here: it cannot be written (Broken pipe)"]


KILLED = """
import os, signal, sys
from pathlib import Path
from faultproxy.net.capture import Capture
capture = Capture(Path(sys.argv[1]), print)
for _ in range(500):
    capture.packet(0, 1.0, bytes(999), outbound=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_leaves_whole_packets(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, cwd=Path(__file__).parents[2])
    assert ended.returncode == -signal.SIGKILL
    one = pcapng.packet(0, 1.0, bytes(999), outbound=True)
    count, rest = divmod(path.stat().st_size - len(SECTION), len(one))
    assert (count >= 500 - CAPTURE_BUFFER // len(one) - 1, rest) == (True, 0)
