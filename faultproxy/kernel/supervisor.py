"""A command, with all that it starts, in processes of its own: when it ends, or when who watches over it is killed, all of it is gone.

Three processes take part. The *supervisor* is the one that calls `supervise`; it stays in the process namespace of its caller, waits, and
hands on the signals that it gets. The *reaper* is its child, and process 1 of a new process namespace with a ``/proc`` of its own: when
it ends, the kernel kills whatever else is in there. The *command* is its child in turn. The reaper dies with the supervisor, by
PR_SET_PDEATHSIG; so a SIGKILL of any of the three takes everything along.

Where a new ``/proc`` cannot be mounted (in containers that hide parts of theirs) there is no process namespace, for ``/proc`` would tell
the command lies about itself. Then supervisor and reaper adopt what loses its parent, and kill it at the end. All is the same, but for one
thing: if both get a SIGKILL at once, the command ends, and what it has started may live on.

All three stay in the process group and the session that they were called in: the terminal stays the command's. What is typed there (Ctrl-C,
Ctrl-\\, Ctrl-Z) reaches all of them at once from the kernel, so it is not handed on; what somebody has sent by kill(2) is. Hanging up
is handed on in either case: the kernel tells that to the leader of the session alone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from faultproxy.kernel import syscalls
from faultproxy.kernel.syscalls import CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, CAP_NET_RAW, CLONE_NEWNS, CLONE_NEWPID

NOT_FOUND, NOT_EXECUTABLE, FAILED = 127, 126, 125
"""Exit codes for a command that could not be started, as shells and env(1) have them, and for a supervisor that could not work."""

KEPT = CAP_NET_ADMIN | CAP_NET_RAW | CAP_NET_BIND_SERVICE
"""What a command may do in its sandbox, whoever its user is: packets, and ports below 1024."""

HANDED_ON = {
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTSTP,
    signal.SIGCONT,
}
_GONE = signal.SIGRTMAX
"""What a reaper without a process namespace gets when its supervisor dies. No program sends it by habit."""
_WATCHED = HANDED_ON | {signal.SIGCHLD, _GONE}

_SI_KERNEL = 0x80
"""`si_code` of a signal that no process has sent: it comes from the terminal."""


def supervise(command: Sequence[str], *, shell: bool = False) -> int:
    """Runs it and returns its exit code, 128 + n if signal n ended it, 127 or 126 if it could not be started (and then it says why).

    `shell` is for a command that will take the terminal for itself and give it back at the end: it gets a process group of its own, for
    ours has no number in its process namespace.

    Needs CAP_SYS_ADMIN in its user namespace, as `sandbox.enter` gives it, and a process with one thread that has no other children.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # inherited as ignored, it would let children go without a word
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    foreground = _in_foreground()
    apart = _can_be_apart()
    if apart:
        syscalls.unshare(CLONE_NEWPID)
    else:
        syscalls.adopt_orphans()
    alive, held = os.pipe()
    reaper = _fork(lambda: _reap(command, mask, alive, held, apart=apart, shell=shell and foreground))
    os.close(alive)
    code = _wait(reaper, _supervisor_signal)
    if not apart:
        _kill_children()
    os.close(held)
    if foreground:
        _take_terminal()  # the command may have given it to a group that is no more
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return code


def become(command: Sequence[str]) -> int:
    """Replaces this process by the command, which keeps the capabilities for packets. Returns, after saying why, only where that fails."""
    # Python ignores these; the command is to have them as any program has.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        if os.geteuid():  # root's programs have them anyway
            syscalls.keep_capabilities(KEPT)
        os.execvp(command[0], list(command))
    except OSError as error:
        code, why = _unstartable(command[0], error)
        print(f"faultproxy: cannot start {shlex.quote(command[0])}: {why}", file=sys.stderr, flush=True)
        return code


def _unstartable(name: str, error: OSError) -> tuple[int, str]:
    # A folder of PATH that cannot be read turns "not found" into "permission denied".
    if "/" not in name and shutil.which(name) is None:
        return NOT_FOUND, "there is no program of that name in PATH"
    if error.errno == errno.ENOEXEC:
        return NOT_EXECUTABLE, "it is no program: a script needs a first line such as #!/bin/sh"
    return NOT_FOUND if isinstance(error, FileNotFoundError | NotADirectoryError) else NOT_EXECUTABLE, error.strerror or str(error)


def _can_be_apart() -> bool:
    """Whether a process namespace with a ``/proc`` of its own can be had: rehearsed by a child, for there is no way back from one."""

    def rehearse() -> int:
        syscalls.unshare(CLONE_NEWPID)
        return os.waitstatus_to_exitcode(os.waitpid(_fork(_mount_proc, silent=True), 0)[1])

    return os.waitpid(_fork(rehearse, silent=True), 0)[1] == 0


def _mount_proc() -> int:
    syscalls.unshare(CLONE_NEWNS)
    # What is mounted outside later shows up in here too, and nothing that is mounted in here outside.
    syscalls.mount("none", "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
    syscalls.mount("proc", "/proc", "proc", syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC)
    return 0


def _reap(command: Sequence[str], mask: set[int | signal.Signals], alive: int, held: int, *, apart: bool, shell: bool) -> int:
    os.close(held)
    syscalls.die_with_parent(signal.SIGKILL if apart else _GONE)
    # A supervisor that has died before that will send nothing any more; but then nobody holds the other end of the pipe.
    if select.select([alive], [], [], 0)[0]:
        return FAILED
    if apart:
        _mount_proc()
    else:
        syscalls.adopt_orphans()
    child = _fork(lambda: _start(command, mask, shell))
    code = _wait(child, _reaper_signal)
    if not apart:
        _kill_children()
    return code


def _start(command: Sequence[str], mask: set[int | signal.Signals], shell: bool) -> int:
    syscalls.die_with_parent(signal.SIGKILL)
    if shell:
        os.setpgid(0, 0)
        _take_terminal()
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return become(command)


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def _take_terminal() -> None:
    # Who takes it from the background gets a SIGTTOU, and would stop.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    with contextlib.suppress(OSError):
        os.tcsetpgrp(0, os.getpgrp())
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait(child: int, handle: Callable[[int, signal.struct_siginfo], bool]) -> int:
    """Waits for that child, and for any other that ends meanwhile; `handle` gets every other signal, and says whether to go on."""
    while True:
        received = signal.sigwaitinfo(_WATCHED)
        if received.si_signo != signal.SIGCHLD:
            if not handle(child, received):
                return FAILED
            continue
        for pid, status in _ended():
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code


def _ended() -> list[tuple[int, int]]:
    found = []
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            found.append(ended)
    except ChildProcessError:
        pass
    return found


def _supervisor_signal(reaper: int, received: signal.struct_siginfo) -> bool:
    number = received.si_signo
    if number in HANDED_ON and _to_hand_on(received):
        os.kill(reaper, number)
    if number == signal.SIGTSTP:
        os.kill(os.getpid(), signal.SIGSTOP)  # the shell waits for this process, and shall see it stopped
    return True


def _reaper_signal(command: int, received: signal.struct_siginfo) -> bool:
    if received.si_signo == _GONE:
        return False
    if received.si_signo in HANDED_ON and _to_hand_on(received):
        os.kill(command, received.si_signo)
    return True


def _to_hand_on(received: signal.struct_siginfo) -> bool:
    return received.si_code != _SI_KERNEL or received.si_signo == signal.SIGHUP


def _kill_children() -> None:
    """Kills every child, then those that become ours by that, until there is none."""
    while children := _children():
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass


def _children() -> list[int]:
    own, found = str(os.getpid()), []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # proc(5): the name of the program is in brackets and may hold anything; the parent is the second field behind it.
            if stat.read_text(errors="replace").rpartition(")")[2].split()[1] == own:
                found.append(int(stat.parent.name))
        except OSError:
            continue
    return found


def _fork(body: Callable[[], int], *, silent: bool = False) -> int:
    """A child that does this and ends with what it returns; it never comes back into the caller's code."""
    child = os.fork()
    if child == 0:
        _finish(body, silent)
    return child


def _finish(body: Callable[[], int], silent: bool) -> NoReturn:
    code = FAILED
    try:
        code = body()
    except BaseException as error:
        if not silent:
            print(f"faultproxy: the sandbox could not be kept: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)
