"""`faultproxy sandbox`, as this user and as nobody: the command notices nothing, and nothing outlives it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.users import NOBODY, PROGRAM, USERS, environment, needs_sandbox, program

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("_sandbox")]

PATIENCE = 10.0
AT_ONCE = 1.0
"""Seconds within which all is gone once somebody has been killed."""

ALONE = "from faultproxy.kernel import supervisor; supervisor._can_be_apart = lambda: False"
"""For a program that shall find no process namespace, as in a container that hides parts of its /proc."""


@pytest.fixture(scope="module")
def _sandbox() -> None:
    needs_sandbox()


def until(true: Callable[[], bool], what: str, within: float = PATIENCE) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {within} s"
        time.sleep(0.005)


def call(user: str, *arguments: str, stdin: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        program(user, "sandbox", *arguments),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env=environment(),
        cwd=cwd,
    )


def network(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""


def members(name: str) -> dict[int, str]:
    """The processes of that network namespace, with what they are called; zombies belong to none."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if network(int(folder.name)) == name:
            try:
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ").strip()
            except OSError:
                continue
    return found


@contextmanager
def running(user: str, *command: str, apart: bool = True) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The program in a session of its own once its sandbox is there, and the name of its network."""
    line = program(user, "sandbox", "--", *command)
    if not apart:
        at = line.index("-m")
        line[at : at + 2] = ["-c", f"{ALONE}\nfrom faultproxy.cli import main\nmain()"]
    process = subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
        yield process, network(process.pid)
    finally:
        process.kill()
        process.communicate()


# ---------------------------------------------------------------- the command is as it would be outside


@pytest.mark.parametrize("user", USERS)
def test_the_command_keeps_what_it_had(user: str) -> None:
    script = 'read line; echo "$line"; pwd; echo "$FAULTPROXY_SANDBOX"; id -u; echo wrong >&2; exit 7'
    called = call(user, "--", "sh", "-c", script, stdin="hello\n", cwd=Path("/usr"))
    said, folder, mark, uid = called.stdout.splitlines()
    assert (called.returncode, called.stderr) == (7, "wrong\n")
    assert (said, folder) == ("hello", "/usr")
    assert mark.startswith("net:[")
    assert mark != os.readlink("/proc/self/ns/net")
    assert int(uid) == (NOBODY if user == "nobody" else os.getuid())


@pytest.mark.parametrize("user", USERS)
def test_the_command_may_handle_packets(user: str) -> None:
    called = call(user, "sh", "-c", "grep CapEff /proc/self/status")
    effective = int(called.stdout.split()[1], 16)
    assert [effective >> bit & 1 for bit in (10, 12, 13)] == [1, 1, 1]  # NET_BIND_SERVICE, NET_ADMIN, NET_RAW


@pytest.mark.parametrize("user", USERS)
def test_settings_are_its_own(user: str) -> None:
    settings = Path("/proc/sys/net/ipv4")
    before = (settings / "tcp_retries2").read_text()
    script = f"cat {settings}/tcp_retries2 {settings}/ip_local_port_range {settings}/tcp_no_metrics_save"
    called = call(user, "--sysctl", "net.ipv4.tcp_retries2=3", "--sysctl", "net.ipv4.ip_local_port_range=40000 40009", "sh", "-c", script)
    assert called.stdout.split() == ["3", "40000", "40009", "1"]
    assert (settings / "tcp_retries2").read_text() == before


def test_it_sees_no_processes_but_its_own() -> None:
    called = call("own", "sh", "-c", "echo $$; echo /proc/[0-9]*")
    assert called.stdout.splitlines() == ["2", "/proc/1 /proc/2"]


def test_signals_that_were_ignored_by_python_are_not_by_the_command() -> None:
    called = call("own", "grep", "-E", "Sig(Ign|Blk)", "/proc/self/status")
    outside = subprocess.run(["grep", "-E", "Sig(Ign|Blk)", "/proc/self/status"], capture_output=True, text=True, check=True).stdout
    assert called.stdout == outside


def test_options_behind_the_command_are_the_commands() -> None:
    assert call("own", "sh", "-c", 'echo "$@"', "name", "--mtu", "--help").stdout == "--mtu --help\n"


# ---------------------------------------------------------------- how it ends


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        (["true"], 0, ""),
        (["sh", "-c", "kill -9 $$"], 128 + 9, ""),
        (["sh", "-c", "kill -TERM $$"], 128 + 15, ""),
        (["no-such-program", "--x"], 127, "faultproxy: cannot start no-such-program: there is no program of that name in PATH\n"),
        (["/no/such program"], 127, "faultproxy: cannot start '/no/such program': No such file or directory\n"),
        (["/etc/passwd"], 126, "faultproxy: cannot start /etc/passwd: Permission denied\n"),
    ],
)
def test_the_exit_code_is_the_commands(user: str, command: list[str], code: int, told: str) -> None:
    called = call(user, "--", *command)
    assert (called.returncode, called.stderr) == (code, told)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 2, "say what to run: faultproxy sandbox -- COMMAND"),
        (["--sysctl", "net.ipv4.tcp_retries=3", "true"], 2, "did you mean `net.ipv4.tcp_retries2`?"),
        (["--sysctl", "kernel.panic=1", "true"], 2, "`kernel.panic` cannot be set in a sandbox"),
        (["--sysctl", "net.ipv4.tcp_sack", "true"], 2, "write it as NAME=VALUE"),
        (["--sysctl", "net.ipv4.tcp_retries2=many", "true"], 4, "the kernel does not take 'many' for net.ipv4.tcp_retries2"),
        (["--mtu", "20", "true"], 2, "--mtu"),
        (["--join", "4190000", "true"], 4, "cannot join process 4190000: there is no such process"),
        (["--join", str(os.getpid()), "true"], 4, "the network that this process is in already"),
        (["--join", "1", "--sysctl", "net.ipv4.tcp_sack=0", "true"], 2, "--sysctl is for a new sandbox"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], code: int, told: str) -> None:
    called = call("own", *arguments)
    assert called.returncode == code
    assert told in called.stderr
    assert "Traceback" not in called.stderr


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("victim", ["supervisor", "reaper", "command"])
def test_a_kill_takes_all_along(user: str, apart: bool, victim: str) -> None:
    script = "setsid sh -c 'setsid sleep 1001 & sleep 1002' & sleep 1003 & echo ready; exec sleep 1004"
    with running(user, "sh", "-c", script, apart=apart) as (process, name):
        assert name not in ("", os.readlink("/proc/self/ns/net"))
        until(lambda: sum(f"sleep 100{number}" in members(name).values() for number in range(1, 5)) == 4, "all four sleep")
        there = members(name)
        supervisor = process.pid
        command = next(pid for pid, line in there.items() if line == "sleep 1004")
        reaper = int(Path(f"/proc/{command}/stat").read_text().rpartition(")")[2].split()[1])
        assert reaper in there
        os.kill({"supervisor": supervisor, "reaper": reaper, "command": command}[victim], signal.SIGKILL)
        until(lambda: {pid for pid in members(name) if pid != supervisor} == set(), "all of them are gone", AT_ONCE)
        process.communicate(timeout=PATIENCE)
        assert process.returncode == (-9 if victim == "supervisor" else 128 + 9)


@pytest.mark.parametrize("apart", [True, False])
def test_what_the_command_leaves_running_ends_with_it(apart: bool) -> None:
    with running("own", "sh", "-c", "setsid sleep 1005 & echo ready; read go; exit 5", apart=apart) as (process, name):
        until(lambda: "sleep 1005" in members(name).values(), "it sleeps")
        process.communicate("go\n", timeout=PATIENCE)
        assert process.returncode == 5
        assert members(name) == {}


def test_where_proc_is_hidden_in_part_it_does_without_a_process_namespace() -> None:
    # As in containers: the kernel then grants a user no /proc of his own.
    line = program("nobody", "sandbox", "sh", "-c", "readlink /proc/self/ns/pid; exit 6")
    hidden = ["unshare", "-m", "sh", "-c", 'mount --bind /dev/null /proc/version || exit 99; exec "$@"', "sh", *line]
    called = subprocess.run(hidden, capture_output=True, text=True, check=False, timeout=30, env=environment())
    if called.returncode in (1, 99, 127):
        pytest.skip(f"nothing can be mounted here: {called.stderr}")
    assert (called.returncode, called.stderr) == (6, "")
    assert called.stdout.strip() == os.readlink("/proc/self/ns/pid")


# ---------------------------------------------------------------- signals and the terminal

COUNTING = """
import signal, sys, time
seen = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, lambda number, frame: (seen.append(number), print(signal.Signals(number).name, flush=True)))
print("ready", flush=True)
while signal.SIGTERM not in seen:
    time.sleep(0.01)
sys.exit(40 + len(seen))
"""


@pytest.mark.parametrize("apart", [True, False])
def test_signals_are_handed_on_once_each(apart: bool) -> None:
    with running("own", sys.executable, "-c", COUNTING, apart=apart) as (process, _):
        assert process.stdout is not None
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGINT, signal.SIGTERM):
            process.send_signal(number)
            assert process.stdout.readline() == f"{number.name}\n"
        assert process.wait(PATIENCE) == 44


@pytest.mark.parametrize("apart", [True, False])
def test_a_stopped_supervisor_is_seen_by_the_shell_and_goes_on(apart: bool) -> None:
    with running("own", sys.executable, "-c", COUNTING, apart=apart) as (process, _):
        process.send_signal(signal.SIGTSTP)
        assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 41


@pytest.mark.parametrize("apart", [True, False])
def test_ctrl_c_reaches_the_command_once(apart: bool) -> None:
    start = [*PROGRAM] if apart else [sys.executable, "-c", f"{ALONE}\nfrom faultproxy.cli import main\nmain()"]
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [*start, "sandbox", "--", sys.executable, "-c", COUNTING], environment())
    try:
        said = b""

        def hear(word: bytes) -> None:
            nonlocal said
            while word not in said:
                said += os.read(terminal, 1000)

        hear(b"ready")
        os.write(terminal, b"\x03")
        hear(b"SIGINT")
        os.kill(child, signal.SIGTERM)
        hear(b"SIGTERM")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42  # one SIGINT and one SIGTERM
    finally:
        os.close(terminal)


def test_on_a_terminal_it_starts_the_shell_of_the_user() -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [*PROGRAM, "sandbox"], environment() | {"SHELL": "/bin/sh", "PS1": "? "})
    os.write(terminal, b"test -t 0 && echo in${FAULTPROXY_SANDBOX%%:*}side; exit 9\n")
    said = b""
    try:
        while part := os.read(terminal, 1000):
            said += part
    except OSError:  # how a terminal ends on Linux
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9, said
    os.close(terminal)
    assert b"innetside" in said


# ---------------------------------------------------------------- joining


@pytest.mark.parametrize("user", USERS)
def test_a_second_command_can_join(user: str) -> None:
    with running(user, "sh", "-c", "echo ready; exec sleep 1006") as (process, name):
        joined = call(
            user, "--join", str(process.pid), "--", "sh", "-c", 'readlink /proc/self/ns/net; echo "$FAULTPROXY_SANDBOX"; id -u; exit 3'
        )
        assert joined.stdout.splitlines() == [name, name, str(NOBODY if user == "nobody" else os.getuid())]
        assert (joined.returncode, joined.stderr) == (3, "")


def test_nobody_joins_another_users_sandbox() -> None:
    program("nobody")
    with running("own", "sh", "-c", "echo ready; exec sleep 1007") as (process, _):
        refused = call("nobody", "--join", str(process.pid), "true")
        assert refused.returncode == 4
        assert refused.stderr.startswith(f"faultproxy: cannot join process {process.pid}: it must be in a sandbox of your own, or you root")
