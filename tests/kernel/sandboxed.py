"""Runs the body of a test in a child process, in a user and a network namespace of its own with nothing but loopback: no privilege needed.

The body is an ordinary function; what it raises is told here, and a skip in it is a skip. Where namespaces are refused the test is skipped.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import os
import pickle
import select
import signal
import socket
import struct
import time
import traceback
import warnings
from collections.abc import Callable
from typing import NoReturn, ParamSpec

import pytest

P = ParamSpec("P")

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCSIFMTU = 0x8913, 0x8914, 0x8922
_IFF_UP = 1

libc = ctypes.CDLL(None, use_errno=True)


class Refused(Exception):
    """This machine lets us have no namespace."""


def in_sandbox(body: Callable[P, None]) -> Callable[P, None]:
    """Decorates a test: each call of it runs by `sandboxed`. Arguments, such as parameters, are handed on."""

    @functools.wraps(body)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        sandboxed(lambda: body(*args, **kwargs))

    return pytest.mark.packets(run)


def sandboxed(body: Callable[[], None], *, within: float = 30.0, enter: Callable[[], None] | None = None) -> None:
    """Runs `body` in a namespace of its own, made by `enter`.

    Fails with its traceback if it raises, and if it has not returned `within` so many seconds.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads: the child makes none and calls no lock of theirs
        child = os.fork()
    if child == 0:
        os.close(reader)
        _child(body, writer, enter or _default)
    os.close(writer)
    kind, told = _result(child, reader, within)
    if kind == "skipped":
        pytest.skip(told)
    if kind == "failed":
        pytest.fail(told, pytrace=False)


def until(true: Callable[[], bool], what: str, within: float = 5.0) -> None:
    """Polls until `true()`, or fails with `what` was waited for."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {within} s"
        time.sleep(0.002)


def enter(mtu: int = 1500) -> None:
    """Moves this process, which must have one thread, into new namespaces. Raises Refused."""
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        raise Refused(f"no user and network namespaces here: {os.strerror(ctypes.get_errno())}")
    try:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    except OSError as exc:
        raise Refused(f"user ids cannot be mapped: {exc}") from exc
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        lo = b"lo".ljust(16, b"\0")
        fcntl.ioctl(sock, _SIOCSIFMTU, struct.pack("16si20x", lo, mtu))
        flags = struct.unpack_from("h", fcntl.ioctl(sock, _SIOCGIFFLAGS, lo + bytes(24)), 16)[0]
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh22x", lo, flags | _IFF_UP))


def _default() -> None:
    enter()


def _child(body: Callable[[], None], writer: int, enter: Callable[[], None]) -> NoReturn:
    result = "passed", ""
    try:
        os.setpgid(0, 0)  # so that whatever it starts is ended with it
        enter()
        body()
    except (Refused, pytest.skip.Exception) as exc:
        result = "skipped", str(exc)
    except BaseException:
        result = "failed", traceback.format_exc()
    with contextlib.suppress(BaseException):
        os.write(writer, pickle.dumps(result)[:65536])
    os._exit(0)


def _result(child: int, reader: int, within: float) -> tuple[str, str]:
    deadline = time.monotonic() + within
    data = b""
    try:
        while select.select([reader], [], [], max(0.0, deadline - time.monotonic()))[0]:
            if not (piece := os.read(reader, 65536)):
                break
            data += piece
            with contextlib.suppress(pickle.UnpicklingError, EOFError):
                kind, told = pickle.loads(data)
                return kind, told
    finally:
        os.close(reader)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return "failed", "the body ended without a word" if time.monotonic() < deadline else f"the body had not returned within {within} s"
