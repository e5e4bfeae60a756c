"""Other programs: started each in a process group of its own, waited for, and always ended and reaped."""

from __future__ import annotations

import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.load.common import HOST

ROOT = Path(__file__).resolve().parent.parent
"""Where `python -m bench…` and `python -m faultproxy` find what they run."""

QUEUES = Path("/proc/net/netfilter/nfnetlink_queue")
"""What the kernel tells of packet queues, to the real root only."""

READY_WITHIN = 10.0
END_WITHIN = 3.0


class BenchError(Exception):
    """Something could not be started or measured; the message says what, and what it said itself."""


class _Keeper:
    """Knows every process that runs, so that Ctrl-C and SIGTERM leave none behind, whenever they come.

    A signal unwinds the program once, and whatever it leaves on its way is ended; a second one changes nothing. While a process is
    being started the signal waits, or a child could be there that nobody has been told of.
    """

    def __init__(self) -> None:
        self.running: list[subprocess.Popen[bytes]] = []
        self._starting = False
        self._signal = 0

    def heed(self, number: int, frame: object) -> None:
        if not self._signal:
            self._signal = number
            if not self._starting:
                raise SystemExit(128 + number)

    def start(self, command: Sequence[str], **files: object) -> subprocess.Popen[bytes]:
        self._starting = True
        try:
            process: subprocess.Popen[bytes] = subprocess.Popen(command, cwd=ROOT, process_group=0, **files)  # type: ignore[call-overload]
            self.running.append(process)
        finally:
            self._starting = False
        if self._signal:
            raise SystemExit(128 + self._signal)
        return process


_keeper = _Keeper()


@contextmanager
def nothing_left() -> Iterator[None]:
    """Whatever happens in the block, Ctrl-C and SIGTERM included (they end it with SystemExit), no process that it started outlives it."""
    before = {number: signal.signal(number, _keeper.heed) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for process in list(_keeper.running):
            _end(process)
        for number, handler in before.items():
            signal.signal(number, handler)


def free_port() -> int:
    """A port that nobody listens on, below those that the kernel gives to outgoing connections, so that none of them takes it first."""
    for _ in range(1000):
        port = random.randint(15_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return port
    raise BenchError("no free port between 15000 and 32000")


@contextmanager
def server(command: Sequence[str], port: int, log: Path, core: int | None = None) -> Iterator[int]:
    """Run `command`, on one `core` if that is given, until the block is left; entered when `port` can be connected to.

    Gives its process id.
    Raises BenchError, with the end of what it wrote to `log`, when it ends or is not ready in time.
    """
    with log.open("wb") as said, _running(command, core, stdin=subprocess.DEVNULL, stdout=said, stderr=said) as process:
        deadline = time.monotonic() + READY_WITHIN
        while not _listens(port):
            if process.poll() is not None:
                raise BenchError(f"{_name(command)} ended with {process.returncode} before it listened: {_last_line(log)}")
            if time.monotonic() > deadline:
                raise BenchError(f"{_name(command)} does not listen on {port} after {READY_WITHIN:.0f} s: {_last_line(log)}")
            time.sleep(0.02)
        yield process.pid


@contextmanager
def holder(command: Sequence[str], within: float, log: Path) -> Iterator[str]:
    """Run `command`, give the first line that it prints, and end it when the block is left. Raises BenchError if there is none in time."""
    with log.open("wb") as said, _running(command, None, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said) as process:
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], within)
        line = process.stdout.readline() if readable else b""
        if not line:
            raise BenchError(f"{_name(command)} said nothing within {within:.0f} s: {_last_line(log)}")
        yield line.decode()


def output(command: Sequence[str], within: float, log: Path, core: int | None = None) -> str:
    """What `command` prints. Raises BenchError when it fails or takes longer than `within` seconds."""
    with log.open("wb") as said, _running(command, core, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said) as process:
        try:
            out, _ = process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{_name(command)} took longer than {within:.0f} s: {_last_line(log)}") from None
        if process.returncode:
            raise BenchError(f"{_name(command)} failed: {_last_line(log)}")
        return out.decode()


def python(module: str, *arguments: object) -> list[str]:
    """The command that runs a module of ours in an interpreter of its own."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def find(name: str) -> str | None:
    """Where a program is, also where only root's PATH leads."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"]))


def program(name: str) -> str:
    """The same. Raises BenchError when it is not installed."""
    found = find(name)
    if found is None:
        raise BenchError(f"{name} is not installed")
    return found


def resident(pid: int) -> int:
    """Bytes of memory that the process has in RAM. Raises BenchError when it is gone."""
    return int(_read(pid, "status").partition("VmRSS:")[2].split()[0]) * 1024


def cpu_time(pid: int) -> float:
    """Seconds of CPU that all threads of the process have used, in user space and in the kernel. Raises BenchError when it is gone."""
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def queued(pid: int) -> int:
    """Packets that the queue of the process has been given by the kernel so far; 0 if it has none. Raises BenchError when nobody tells.

    The kernel numbers them, and shows the last number (seq_show in net/netfilter/nfnetlink_queue.c). The queue's socket is named by the
    process id, as the first netlink socket of a process is (netlink(7)).
    """
    try:
        lines = QUEUES.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise BenchError(f"{QUEUES} cannot be read: {error.strerror}") from error
    return sum(int(fields[-2]) for line in lines if (fields := line.split())[1] == str(pid))


def _read(pid: int, file: str) -> str:
    try:
        return Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8")
    except OSError as error:
        raise BenchError(f"process {pid} cannot be looked at any more: {error.strerror}") from error


@contextmanager
def _running(command: Sequence[str], core: int | None, **files: object) -> Iterator[subprocess.Popen[bytes]]:
    try:
        process = _keeper.start(command, **files)
    except OSError as error:
        raise BenchError(f"cannot start {_name(command)}: {error.strerror}") from error
    try:
        if core is not None:
            with suppress(ProcessLookupError):  # it has failed already, and whoever waits for it will tell
                os.sched_setaffinity(process.pid, {core})
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole group to end, then insist: socat, for one, has a process for each connection."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_WITHIN)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    _keeper.running.remove(process)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def _name(command: Sequence[str]) -> str:
    return " ".join(command[2:3] if command[0] == sys.executable else [Path(command[0]).name])


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it wrote nothing"
