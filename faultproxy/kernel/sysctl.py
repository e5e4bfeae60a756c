"""The kernel's settings under ``/proc/sys``, by the names that sysctl(8) uses: ``net.ipv4.tcp_retries2``.

Names that begin with ``net.`` are answered for the network namespace of the process that asks. Which names may be written is for the
caller to decide: this module writes what it is told to.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from faultproxy.errors import CapabilityError

ROOT = Path("/proc/sys")


def read(name: str) -> str | None:
    """The value with its fields one blank apart, or None where there is no such setting, or none that we may read."""
    try:
        return " ".join(_path(name).read_text(encoding="ascii").split())
    except OSError:
        return None


def write(name: str, value: str) -> None:
    """Sets it. Raises CapabilityError that names it where the kernel has no such setting or refuses the value."""
    try:
        _write(_path(name), value)
    except OSError as error:
        raise CapabilityError(_refusal(name, value, error)) from error


def writable(name: str) -> bool:
    """Whether this process may set it: tried by opening it to write, so that nothing changes."""
    try:
        os.close(os.open(_path(name), os.O_WRONLY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _path(name: str) -> Path:
    if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+", name):
        raise ValueError(f"{name!r} is no name of a kernel setting")
    return ROOT.joinpath(*name.split("."))


def _write(path: Path, value: str) -> None:
    # One write, and unbuffered: through a buffer a refusal would come when the file is closed, and perhaps unseen.
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def _refusal(name: str, value: str, error: OSError) -> str:
    match error.errno:
        case errno.ENOENT:
            if not ROOT.is_dir():
                return f"cannot set {name}: there is no {ROOT} here; it needs Linux with /proc mounted"
            return (
                f"this kernel ({os.uname().release}) has no setting {name} in a network namespace: leave it out, or run on one that has it"
            )
        case errno.EINVAL | errno.ERANGE:
            return f"the kernel does not take {value!r} for {name}, which is {read(name)!r} now"
        case errno.EROFS:
            return (
                f"cannot set {name}: {ROOT} is mounted read-only, as it is in containers; "
                "start the container with --privileged, or with --security-opt systempaths=unconfined"
            )
        case errno.EPERM | errno.EACCES:
            return (
                f"cannot set {name} ({error.strerror}): it takes CAP_NET_ADMIN in the user namespace that this network namespace belongs to"
            )
    return f"cannot set {name} to {value!r}: {error.strerror}"
