"""Foreign programs: found, started in a process group of their own, waited for, and always stopped and reaped."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from faultproxy.kernel import procnet

PATIENCE = 15.0
"""Seconds until a state that should come is given up. Long, because it is only ever waited for in full by a test that fails."""

PLACES = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])
"""Where programs are looked for: Debian keeps nginx in a folder that is not on an ordinary user's PATH."""

Address = tuple[str, int]


def program(name: str, package: str) -> str:
    """The path of an installed program; skips the test, saying what is missing, where there is none."""
    found = shutil.which(name, path=PLACES)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian's package {package} has it)")
    return found


def node_packages(source: Path, folder: Path) -> Path:
    """`folder`, with the files of `source` and the packages from npm that are pinned there; skips the test where they cannot be had."""
    npm = program("npm", "npm")
    program("node", "nodejs")
    for file in source.iterdir():
        shutil.copy(file, folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        pytest.skip(f"npm could not install what {source.name} needs: {done.stderr}")
    return folder


def until(condition: Callable[[], object], what: str | Callable[[], str], within: float = PATIENCE) -> None:
    """Polls until it holds; fails with `what` if it does not come."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what if isinstance(what, str) else what()} did not come within {within:g} s")
        time.sleep(0.005)


def free_port() -> int:
    """A port on which nobody listens now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def daemon(command: Callable[[int], Sequence[str]], log: Path) -> Iterator[int]:
    """A server that listens on the port it is given; yields that port once it accepts connections. What it says goes to `log`."""
    process, port = _started(command, log)
    try:
        yield port
    finally:
        _stop(process)


def _started(command: Callable[[int], Sequence[str]], log: Path) -> tuple[subprocess.Popen[bytes], int]:
    for _ in range(3):  # a free port can be taken before it is used; then another is tried
        port = free_port()
        with log.open("wb") as output:
            process = subprocess.Popen(
                command(port), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        if _is_ready(process, port, log):
            return process, port
    raise AssertionError(f"{process.args!r} ended with {process.returncode}: {log.read_text()}")


def _is_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    # False: it has ended.
    try:
        until(lambda: process.poll() is not None or accepts(("127.0.0.1", port)), lambda: f"{process.args!r}: {log.read_text()}")
        return process.poll() is None
    except BaseException:
        _stop(process)
        raise


def accepts(address: Address) -> bool:
    """Whether somebody accepts connections there."""
    try:
        with socket.create_connection(address, timeout=5) as sock:
            # A dial to a free port of this machine can meet itself, when the kernel takes that very port as its source.
            return bool(sock.getsockname() != sock.getpeername())
    except ConnectionRefusedError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        # The leader may be gone and others of its group not; nobody left in it at all is what is wanted.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
    process.wait(5)


def established(server_port: int) -> list[procnet.Socket]:
    """The server's own sockets that its kernel holds to be ESTABLISHED."""
    return procnet.find(local_port=server_port, state="ESTABLISHED")
