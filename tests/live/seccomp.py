"""Starts a program under a filter of system calls that forbids namespaces and netlink, as containers have it.

    python seccomp.py COMMAND ARGUMENT…

The filter is classic BPF over ``struct seccomp_data`` (seccomp(2)): unshare(2), setns(2) and sockets of family AF_NETLINK fail with EPERM.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

NUMBERS = {"x86_64": (272, 308, 41), "aarch64": (97, 268, 198)}
"""Of unshare, setns and socket, by machine."""

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _FILTER = 22, 38, 2
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K, BPF_RET | BPF_K
_ALLOW, _ERRNO = 0x7FFF_0000, 0x0005_0000
_NUMBER, _FIRST_ARGUMENT = 0, 16  # where they stand in struct seccomp_data
_AF_NETLINK = 16


def forbid() -> None:
    """From now on, for this process and all that it starts. Raises OSError, and KeyError on a machine whose numbers are not known."""
    unshare, setns, socket = NUMBERS[platform.machine()]
    refuse = _ERRNO | errno.EPERM
    program = [
        (_LOAD, 0, 0, _NUMBER),
        (_IF_EQUAL, 5, 0, unshare),
        (_IF_EQUAL, 4, 0, setns),
        (_IF_EQUAL, 0, 2, socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_IF_EQUAL, 1, 0, _AF_NETLINK),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, refuse),
    ]
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    kept = ctypes.create_string_buffer(code, len(code))
    fprog = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(kept)))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _FILTER, ctypes.addressof(fprog), 0, 0)):
        if libc.prctl(*map(ctypes.c_ulong, arguments)) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    forbid()
    os.execvp(sys.argv[1], sys.argv[1:])
