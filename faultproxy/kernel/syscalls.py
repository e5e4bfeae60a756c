"""System calls that Python 3.11 does not wrap. Each raises OSError with the kernel's errno; elsewhere than on Linux, with ENOSYS."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from functools import cache
from typing import Any

# Of linux/sched.h: what unshare(2) and setns(2) are about.
CLONE_NEWNS = 0x0002_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

# Of linux/mount.h.
MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x2, 0x4, 0x8
MS_REC, MS_SLAVE = 0x4000, 0x8_0000

# Of linux/capability.h: bits of a set.
CAP_NET_BIND_SERVICE = 1 << 10
CAP_NET_ADMIN = 1 << 12
CAP_NET_RAW = 1 << 13
CAP_SYS_ADMIN = 1 << 21

# Of linux/prctl.h.
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2

_CAPABILITY_VERSION_3 = 0x2008_0522
_CAPABILITIES = struct.Struct("=6I")  # effective, permitted, inheritable: the lower 32 bits of each, then the upper


def unshare(kinds: int) -> None:
    """unshare(2): moves this process, or for CLONE_NEWPID its children, into new namespaces of these kinds."""
    _call("unshare", kinds)


def setns(descriptor: int, kind: int) -> None:
    """setns(2): moves this process into the namespace of that kind that an open ``/proc/PID/ns`` file stands for."""
    _call("setns", descriptor, kind)


def mount(source: str, target: str, kind: str | None, flags: int) -> None:
    """mount(2), without data."""
    _call("mount", source.encode(), target.encode(), None if kind is None else kind.encode(), ctypes.c_ulong(flags), None)


def ioctl(descriptor: int, request: int, argument: bytes) -> bytes:
    """ioctl(2) with a structure, as the kernel leaves it. By way of the C library, for the module `fcntl` is not everywhere."""
    data = ctypes.create_string_buffer(argument, len(argument))
    _call("ioctl", descriptor, ctypes.c_ulong(request), data)
    return data.raw


def die_with_parent(signal: int) -> None:
    """PR_SET_PDEATHSIG: this process gets that signal when its parent ends, however it ends. A new program keeps it, a child does not."""
    _prctl(_PR_SET_PDEATHSIG, signal)


def adopt_orphans() -> None:
    """PR_SET_CHILD_SUBREAPER: a descendant that loses its parent becomes our child."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def own_proc() -> None:
    """PR_SET_DUMPABLE: makes ``/proc/self`` ours again. It is root's in a program that has capabilities from its file."""
    _prctl(_PR_SET_DUMPABLE, 1)


def capabilities() -> int:
    """The effective set of this process, a bit each, in its own user namespace."""
    effective, _, _, upper, _, _ = _capget()
    return effective | upper << 32


def keep_capabilities(wanted: int) -> None:
    """Lets the programs that this process starts have these capabilities, as far as it has them itself: capabilities(7), ambient set."""
    effective, permitted, inheritable, *upper = _capget()
    held = wanted & permitted
    _capset(effective, permitted, inheritable | held, *upper)
    for number in range(32):
        if held >> number & 1:
            _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number)


def _capget() -> tuple[int, ...]:
    data = ctypes.create_string_buffer(_CAPABILITIES.size)
    _call("capget", struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), data)
    return _CAPABILITIES.unpack(data.raw)


def _capset(*sets: int) -> None:
    _call("capset", struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), _CAPABILITIES.pack(*sets))


def _prctl(option: int, *arguments: int) -> None:
    # prctl takes unsigned longs, and some options insist that those which they do not use are zero.
    padded = (*arguments, 0, 0, 0, 0)[:4]
    _call("prctl", option, *(ctypes.c_ulong(each) for each in padded))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: Any) -> None:
    function = getattr(_libc(), name, None)
    if function is None:
        raise OSError(errno.ENOSYS, f"{name}: {os.strerror(errno.ENOSYS)}")
    if function(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
