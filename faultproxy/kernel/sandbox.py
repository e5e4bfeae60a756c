"""A network namespace of one's own: a loopback on which the packet plane needs no privilege, and kernel settings that are nobody else's.

Who has CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_NET_RAW gets a new network namespace and nothing else: every other thing stays as it is, so
that servers may still change their user. Anybody else gets a user namespace around it, in which his user and his group are mapped to
themselves: files, `id` and programs that refuse to run as root see what they always see. The price is that there are no other users in
it: setuid programs and servers that want to become another user fail.

The namespace goes when the last process in it ends, with its settings, its tables and its sockets: nothing of it is left on the host.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from faultproxy.errors import CapabilityError
from faultproxy.kernel import syscalls, sysctl
from faultproxy.kernel.syscalls import CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN, CLONE_NEWNET, CLONE_NEWUSER

MARK = "FAULTPROXY_SANDBOX"
"""Set in the environment of what runs in a sandbox, to the name of its network namespace: ``net:[4026532281]``."""

ALWAYS = ("net.ipv4.tcp_no_metrics_save", "1")
"""The one setting that every sandbox has, where the kernel lets it be set: a connection starts from nothing. Else its time-outs and its
tolerance for reordering would come from those before it, and a run would depend on the last."""

JOIN_PATIENCE = 5.0
"""Seconds until a process that is to be joined must have entered its sandbox."""

_NEEDED = CAP_SYS_ADMIN | CAP_NET_ADMIN | CAP_NET_RAW
_NETWORK = Path("/proc/self/ns/net")

# Of linux/sockios.h and linux/if.h: a struct ifreq is a name of 16 bytes and a union of 24.
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCSIFMTU = 0x8913, 0x8914, 0x8922
_IFF_UP = 0x1


def enter(mtu: int = 1500, settings: Sequence[tuple[str, str]] = ()) -> None:
    """Moves this process into a new sandbox, for good. The loopback is up with `mtu` bytes, and `settings` are made: (name, value) each.

    Only for a process that has one thread. Raises CapabilityError: no namespace can be had (and why, and the way out), or the kernel has no
    such setting. In the latter case the process has been moved all the same.
    """
    try:
        _isolate()
        _loopback(mtu)
    except OSError as error:
        raise CapabilityError(f"no sandbox can be had here: {explain(error)}") from error
    if (name := _network()) is not None:
        os.environ[MARK] = name
    if ALWAYS[0] not in (name for name, _ in settings):
        # No more than a nicety: a read-only /proc/sys, as containers have it, shall not cost the sandbox.
        with contextlib.suppress(CapabilityError):
            sysctl.write(*ALWAYS)
    for name, value in settings:
        sysctl.write(name, value)


def join(pid: int, *, patience: float = JOIN_PATIENCE) -> None:
    """Moves this process into the sandbox that process `pid` lives in, for good. Only for a process that has one thread.

    A process that was only just started may still be on its way there: it gets `patience` seconds. Raises CapabilityError where there is no
    such process, it is in no sandbox, or it is not ours.
    """
    deadline = time.monotonic() + patience
    try:
        while os.stat(f"/proc/{pid}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino:
            if time.monotonic() > deadline:
                raise CapabilityError(f"cannot join process {pid}: it lives in the network that this process is in already")
            time.sleep(0.05)
        for name, kind in (("user", CLONE_NEWUSER), ("net", CLONE_NEWNET)):
            there, here = f"/proc/{pid}/ns/{name}", f"/proc/self/ns/{name}"
            if os.stat(there).st_ino != os.stat(here).st_ino:
                _setns(there, kind)
    except FileNotFoundError as error:
        raise CapabilityError(f"cannot join process {pid}: there is no such process") from error
    except PermissionError as error:
        raise CapabilityError(f"cannot join process {pid}: it must be in a sandbox of your own, or you root ({error.strerror})") from error
    except OSError as error:
        raise CapabilityError(f"cannot join process {pid}: {error}") from error
    if (mark := _network()) is not None:
        os.environ[MARK] = mark


def run(command: Sequence[str], mtu: int = 1500, settings: Sequence[tuple[str, str]] = (), *, shell: bool = False) -> int:
    """Runs a command in a new sandbox and returns its exit code: 128 + n if signal n ended it, 127 or 126 if it could not be started.

    Moves this process there too, for good: so `join` finds the sandbox by its number, and it is fit for nothing else afterwards. What the
    command has started ends with it; `shell` says that it will take the terminal for itself. Raises as `enter` does.
    """
    from faultproxy.kernel import supervisor  # noqa: PLC0415, for it names signals that Linux alone has, and this module loads anywhere

    enter(mtu, settings)
    return supervisor.supervise(command, shell=shell)


def inside() -> bool:
    """Whether this process lives in a sandbox of ours; one that has left it for another network does not, whatever its environment says."""
    mark = os.environ.get(MARK)
    return mark is not None and _network() in (mark, None)


def why_not() -> str:
    """Why no sandbox can be had here, and the way out; empty where one can."""
    return rehearse(str)[0]


def rehearse(body: Callable[[], str]) -> tuple[str, str]:
    """What `body` answers in a sandbox, tried by a child, so that this process stays where it is: why there is none, and the answer.

    One of the two is empty. The sandbox is gone when this returns. What `body` raises is taken for an empty answer.
    """
    try:
        reader, writer = os.pipe()
        with warnings.catch_warnings():
            # Newer Pythons warn of a fork beside threads: this child makes none, and waits for nothing that they hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
    except (OSError, AttributeError) as error:
        return f"no process can be started to try it: {error}", ""
    if child == 0:
        # A child that raised would go on as a second copy of the caller.
        try:
            os.close(reader)
            with os.fdopen(writer, "wb") as told:
                told.write("\0".join(_attempt(body)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        reason, _, answer = said.read().decode().partition("\0")
    os.waitpid(child, 0)
    return reason, answer


def explain(error: OSError) -> str:
    """What a refused namespace means on this machine, and the way out."""
    match error.errno:
        case errno.ENOSPC | errno.EUSERS:
            return _limit()
        case errno.EPERM | errno.EACCES | errno.ENOSYS if syscall_filter():
            return (
                "a filter of system calls (seccomp) forbids namespaces, as containers have it; start the container with "
                "--cap-add NET_ADMIN --cap-add NET_RAW, and no sandbox is needed for packets, or with --security-opt seccomp=unconfined"
            )
        case errno.EPERM | errno.EACCES:
            return _forbidden(error)
        case errno.ENOSYS:
            return "namespaces are a thing of Linux, and this is none, or one without them"
        case errno.ENOENT if not Path("/proc/self").exists():
            return "no /proc is mounted here, through which a user namespace is set up; as root: mount -t proc proc /proc"
        case errno.EINVAL if not Path("/proc/self/ns/user").exists() or not _NETWORK.exists():
            return f"this kernel ({os.uname().release}) was built without user or network namespaces (CONFIG_USER_NS, CONFIG_NET_NS)"
        case errno.EINVAL:
            return "a process with several threads cannot enter a namespace: enter it before any is started"
    return f"the kernel refuses: {error}"


def syscall_filter() -> bool:
    """Whether a seccomp filter watches over this process, as in most containers."""
    try:
        return "\nSeccomp:\t2" in Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False


def _attempt(body: Callable[[], str]) -> tuple[str, str]:
    try:
        _isolate()
        _loopback(65536)
    except OSError as error:
        return explain(error), ""
    return "", body()


def _isolate() -> None:
    if syscalls.capabilities() & _NEEDED == _NEEDED:
        syscalls.unshare(CLONE_NEWNET)
        return
    user, group = os.geteuid(), os.getegid()
    syscalls.unshare(CLONE_NEWUSER | CLONE_NEWNET)
    syscalls.own_proc()
    # user_namespaces(7): without privilege a group may be mapped only after setgroups is given up.
    for file, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path("/proc/self", file).write_text(text, encoding="ascii")


def _loopback(mtu: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        syscalls.ioctl(control.fileno(), _SIOCSIFMTU, struct.pack("16si20x", b"lo", mtu))
        (flags,) = struct.unpack_from("h", syscalls.ioctl(control.fileno(), _SIOCGIFFLAGS, struct.pack("16s24x", b"lo")), 16)
        syscalls.ioctl(control.fileno(), _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))


def _setns(path: str, kind: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.setns(descriptor, kind)
    finally:
        os.close(descriptor)


def _network() -> str | None:
    try:
        return os.readlink(_NETWORK)
    except OSError:
        return None


def _limit() -> str:
    for name in ("user.max_user_namespaces", "user.max_net_namespaces"):
        if sysctl.read(name) == "0":
            return f"{name} is 0; as root: sysctl -w {name}=10000"
    return (
        "the kernel's limit on namespaces is reached (user.max_user_namespaces, user.max_net_namespaces, or 32 of them one inside the "
        "other); end some, or raise the limit as root with sysctl -w"
    )


def _forbidden(error: OSError) -> str:
    if sysctl.read("kernel.unprivileged_userns_clone") == "0":
        return "kernel.unprivileged_userns_clone is 0; as root: sysctl -w kernel.unprivileged_userns_clone=1"
    if sysctl.read("kernel.apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor keeps user namespaces from programs that have no profile for them, as on Ubuntu 24.04; "
            "as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or a profile for this Python alone: docs/packet-plane.md"
        )
    return f"the kernel refuses ({error}): a security module, a chroot, or a user that the present user namespace does not know"
