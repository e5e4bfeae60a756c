"""Plays scenarios in processes of their own, several at once.

Each scenario gets a process because it may have to enter a network namespace, which moves a whole process for good, and because
whatever goes wrong in one must not concern the next. They are forked from this process, which has everything loaded already: a new
interpreter would cost more than most scenarios. So this process must have one thread, and no event loop runs in it.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import pickle
import select
import signal
import sys
import time
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from faultproxy.errors import PLEASE, Mistake, Terminated
from faultproxy.kernel import syscalls
from faultproxy.verify import strays
from faultproxy.verify.outcome import Result

GRACE = 5.0
"""Seconds that a process has to clean up after SIGTERM; then it is killed, and what it has started with it."""
LATE = 30.0
"""Seconds over its own timeout after which a scenario's process is taken for hung."""

ROUND = 0.2
"""Seconds between two looks at who is late."""

Say = Callable[[str], None]
"""Called in the process that plays: a line about where it stands."""


@dataclass(frozen=True, slots=True)
class Task:
    """One scenario to play. `play` returns how it ended; `failed` makes a result of an end that nobody expected: the reason, how many
    seconds it took, and whether it is a mistake of faultproxy itself."""

    name: str
    timeout: float
    play: Callable[[Say], Result]
    failed: Callable[[str, float, bool], Result]


@dataclass(slots=True)
class _Player:
    task: Task
    number: int
    pid: int
    pipe: int
    began: float
    ends_by: float
    data: bytearray = field(default_factory=bytearray)
    told: int = 0
    """SIGTERMs and SIGKILLs it has got."""


class Pool:
    """Plays `tasks`, at most `jobs` at once.

    `progress` hears where one stands; `done` gets each result as it comes and says whether to go on.
    """

    def __init__(
        self, tasks: Sequence[Task], jobs: int, *, progress: Callable[[Task, str], None], done: Callable[[Task, Result], bool]
    ) -> None:
        self._jobs = jobs
        self._progress = progress
        self._done = done
        self._waiting = deque(enumerate(tasks))
        self._playing: dict[int, _Player] = {}
        """By the pipe that it speaks through."""
        self._results: dict[int, Result] = {}
        self._ended_by: KeyboardInterrupt | Terminated | None = None
        """What has ended it all before its time."""

    def run(self) -> list[Result]:
        """The results in the order of the tasks, without those that were not begun.

        Ctrl-C and SIGTERM end all that is being played; KeyboardInterrupt, or Terminated, is raised when nothing of it is left.
        """
        previous = signal.signal(signal.SIGTERM, _terminate)
        gc.freeze()  # what is loaded stays: no collection of a process forked from here need walk it, and write on its pages
        try:
            while self._waiting or self._playing:
                try:
                    self._round()
                except (KeyboardInterrupt, Terminated) as order:
                    self._ended_by = self._ended_by or order
                    self._waiting.clear()
                    _tell(self._playing.values(), signal.SIGTERM)
        finally:
            signal.signal(signal.SIGTERM, previous)
            gc.unfreeze()
            for player in self._playing.values():
                _kill(player)
        if self._ended_by is not None:
            raise self._ended_by
        return self.results

    @property
    def results(self) -> list[Result]:
        """Those that there are, in the order of the tasks: all, or as far as it has come."""
        return [self._results[number] for number in sorted(self._results)]

    def _round(self) -> None:
        while self._waiting and len(self._playing) < self._jobs:
            number, task = self._waiting.popleft()
            player = _begin(task, number)
            self._playing[player.pipe] = player
        for pipe in select.select(list(self._playing), [], [], ROUND)[0]:
            self._read(pipe)
        now = time.monotonic()
        for player in self._playing.values():
            if now > player.ends_by:
                _tell([player], signal.SIGKILL if player.told else signal.SIGTERM)

    def _read(self, pipe: int) -> None:
        player = self._playing[pipe]
        piece = os.read(pipe, 1 << 16)
        player.data += piece
        for said in _whole(player.data):
            if isinstance(said, Result):
                self._results[player.number] = said
            elif player.number not in self._results:
                self._progress(player.task, str(said))
        if piece:
            return
        del self._playing[pipe]
        code = _kill(player)
        if player.number not in self._results:
            reason, ours = self._why(player, code)
            self._results[player.number] = player.task.failed(reason, time.monotonic() - player.began, ours)
        if not self._done(player.task, self._results[player.number]):
            self._waiting.clear()

    def _why(self, player: _Player, code: int) -> tuple[str, bool]:
        # Why its process has ended without a result, and whether that is our mistake: a signal from outside is none.
        if player.told and self._ended_by is not None:
            return ("ended by SIGTERM" if isinstance(self._ended_by, Terminated) else "interrupted") + " before it was over", False
        if player.told:
            return f"it had hung, {LATE:g} s beyond its timeout, and was ended\n{PLEASE}", True
        if code < 0:
            return f"the process that played it was ended by {_signal(-code)}", False
        return f"the process that played it ended with status {code}\n{PLEASE}", True


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _terminate(number: int, frame: object) -> None:
    raise Terminated


def _begin(task: Task, number: int) -> _Player:
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: there are none
        pid = os.fork()
    if pid == 0:
        os.close(reader)
        _play(task, writer, parent)
    os.close(writer)
    now = time.monotonic()
    return _Player(task, number, pid, reader, now, now + task.timeout + LATE)


def _play(task: Task, writer: int, parent: int) -> NoReturn:
    code = 1
    began = time.monotonic()
    try:
        os.setpgid(0, 0)  # Ctrl-C is for the one who started us, who then tells us
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if sys.platform == "linux":
            syscalls.die_with_parent(signal.SIGKILL)
            with contextlib.suppress(OSError):
                syscalls.adopt_orphans()
            if os.getppid() != parent:
                os._exit(code)
        with open(writer, "wb", closefd=False) as pipe:

            def say(line: str) -> None:
                pickle.dump(line, pipe)
                pipe.flush()

            try:
                result = task.play(say)
            except BaseException as error:
                trace = "".join(traceback.format_exception(error)) if os.environ.get("FAULTPROXY_DEBUG") else ""
                result = task.failed(f"{Mistake(error)}\n{trace}".strip(), time.monotonic() - began, True)
            pickle.dump(result, pipe)
        code = 0
    finally:
        strays.kill_children()
        os._exit(code)


def _whole(data: bytearray) -> Iterator[object]:
    # Takes off all objects that have come whole.
    while data:
        view = bytes(data)
        try:
            found, size = _load(view)
        except (EOFError, pickle.UnpicklingError):
            return
        del data[:size]
        yield found


def _load(data: bytes) -> tuple[object, int]:
    stream = io.BytesIO(data)
    return pickle.load(stream), stream.tell()


def _tell(players: Iterable[_Player], number: int) -> None:
    for player in players:
        player.told += 1
        player.ends_by = time.monotonic() + GRACE
        with contextlib.suppress(ProcessLookupError):
            os.kill(player.pid, number)


def _kill(player: _Player) -> int:
    # Whoever is still in its group goes with it; what it has started in groups of its own has guards that see it end.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(player.pid, signal.SIGKILL)
    _, status = os.waitpid(player.pid, 0)
    os.close(player.pipe)
    return os.waitstatus_to_exitcode(status)
