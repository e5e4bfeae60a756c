"""The sandbox from within: each test enters one in a child, for there is no way back."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from faultproxy.errors import CapabilityError
from faultproxy.kernel import sandbox, syscalls, sysctl

SIOCGIFMTU = 0x8921


def entered(body: Callable[[], object], mtu: int = 1500, settings: tuple[tuple[str, str], ...] = ()) -> str:
    """What `body` says in a sandbox that `enter` has made, or what it raised."""

    def child() -> str:
        try:
            sandbox.enter(mtu, settings)
            return str(body())
        except CapabilityError as error:
            return f"CapabilityError: {error}"

    refused, answer = sandbox.rehearse(child)
    if refused:
        pytest.skip(refused)
    return answer


def mtu() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        told: int = struct.unpack_from("i", syscalls.ioctl(control.fileno(), SIOCGIFMTU, struct.pack("16s24x", b"lo")), 16)[0]
        return told


def talk() -> bytes:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        server, _ = listener.accept()
        with server:
            client.sendall(b"hello")
            return server.recv(5)


@pytest.mark.parametrize("size", [576, 1500, 65536])
def test_its_loopback_is_up_and_has_the_mtu(size: int) -> None:
    assert entered(lambda: (mtu(), talk()), size) == f"({size}, b'hello')"


def test_it_has_a_loopback_and_nothing_else() -> None:
    names = entered(lambda: [name for _, name in socket.if_nameindex()])
    assert "'lo'" in names
    assert "eth" not in names


def test_settings_are_made_and_connections_start_from_nothing() -> None:
    told = entered(
        lambda: [sysctl.read(f"net.ipv4.{name}") for name in ("tcp_retries2", "ip_local_port_range", "tcp_no_metrics_save")],
        settings=(("net.ipv4.tcp_retries2", "3"), ("net.ipv4.ip_local_port_range", "40000 40099")),
    )
    assert told == "['3', '40000 40099', '1']"


def test_a_scenario_may_have_metrics_saved() -> None:
    setting = "net.ipv4.tcp_no_metrics_save"
    assert entered(lambda: sysctl.read(setting), settings=((setting, "0"),)) == "0"


def test_a_setting_that_the_kernel_lacks_is_named() -> None:
    assert "has no setting net.ipv4.tcp_no_such" in entered(str, settings=(("net.ipv4.tcp_no_such", "1"),))


def test_the_user_is_who_he_was() -> None:
    assert entered(lambda: (os.getuid(), os.geteuid(), os.getgid())) == str((os.getuid(), os.geteuid(), os.getgid()))


def test_it_grants_what_packets_need() -> None:
    needed = syscalls.CAP_NET_ADMIN | syscalls.CAP_NET_RAW
    assert entered(lambda: syscalls.capabilities() & needed == needed) == "True"


def test_this_process_stays_where_it_is() -> None:
    before = [os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "user")]
    there = entered(lambda: os.readlink("/proc/self/ns/net"))
    assert [os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "user")] == before
    assert there != before[0]
    assert not sandbox.inside()


def test_who_is_inside_knows_and_who_has_left_does_not() -> None:
    def told() -> tuple[bool, bool]:
        here = sandbox.inside()
        syscalls.unshare(syscalls.CLONE_NEWNET)
        return here, sandbox.inside()

    assert entered(told) == "(True, False)"


def test_a_rehearsal_that_fails_has_no_answer() -> None:
    def body() -> str:
        raise CapabilityError("no")

    assert sandbox.rehearse(body) == (sandbox.why_not(), "")


@pytest.mark.parametrize(
    ("file", "text", "number", "told"),
    [
        ("kernel/unprivileged_userns_clone", "0", errno.EPERM, "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", errno.EACCES, "AppArmor keeps user namespaces from programs"),
        ("user/max_user_namespaces", "0", errno.ENOSPC, "user.max_user_namespaces is 0"),
        ("user/max_net_namespaces", "0", errno.ENOSPC, "user.max_net_namespaces is 0"),
        ("user/max_user_namespaces", "100", errno.EUSERS, "limit on namespaces is reached"),
        ("kernel/other", "1", errno.EPERM, "the kernel refuses"),
        ("kernel/other", "1", errno.ENOSYS, "a thing of Linux"),
        ("kernel/other", "1", errno.EINVAL, "a process with several threads"),
    ],
)
def test_each_refusal_is_told_apart(  # noqa: PLR0917
    file: str, text: str, number: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No machine refuses in all of these ways: its settings stand in a folder instead of /proc/sys.
    if sandbox.syscall_filter() and number in (errno.EPERM, errno.EACCES, errno.ENOSYS):
        pytest.skip("a seccomp filter is there, and is named first")
    monkeypatch.setattr(sysctl, "ROOT", tmp_path)
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(f"{text}\n")
    assert told in sandbox.explain(OSError(number, os.strerror(number)))


def test_where_no_more_namespaces_are_allowed_it_says_so() -> None:
    def child() -> str:
        # Inside a user namespace of our own, so that the limit is ours as well.
        user = os.getuid()
        syscalls.unshare(syscalls.CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/sys/user/max_net_namespaces").write_text("0")
        return sandbox.why_not()

    refused, answer = sandbox.rehearse(child)
    if refused or not answer:
        pytest.skip(refused or "no user namespace can be had here")
    assert answer == "user.max_net_namespaces is 0; as root: sysctl -w user.max_net_namespaces=10000"


@pytest.mark.parametrize(
    ("pid", "told"), [(4_190_000, "there is no such process"), (os.getpid(), "the network that this process is in already")]
)
def test_only_a_sandbox_can_be_joined(pid: int, told: str) -> None:
    with pytest.raises(CapabilityError, match=told):
        sandbox.join(pid)
