"""Whole scenarios, played: every outcome there is, and a harness that leaves nothing behind whatever its server does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import trio

from faultproxy.scenario import load_text
from faultproxy.verify.cast import Settings
from faultproxy.verify.outcome import Result
from faultproxy.verify.play import Play
from faultproxy.verify.pool import Pool, Task

pytestmark = pytest.mark.live

ARENA = f"""
[proxy]
listen = "127.0.0.1:0"
[server]
command = ["{sys.executable}", "-m", "faultproxy.arena.server", "--port", "${{server_port}}"]
ready = {{log = "listening"}}
[[probe]]
name = "healthy"
send = "PING\\r\\n"
reply = "PONG\\r\\n"
every = "50ms"
"""
LATE = '[[fault]]\nname = "late"\nkind = "latency"\ndelay = "20ms"\n'


async def play(text: str, seed: int = 1, head: str = 'timeout = "20s"\n') -> Result:
    """Plays a scenario from its text."""
    (scenario,) = load_text(head + text, "played.toml", Path())
    return await Play(Settings(scenario, seed, "again")).run()


async def outcome(text: str, head: str = 'timeout = "20s"\n') -> tuple[str, str]:
    """How it ended, and why."""
    result = await play(text, head=head)
    return result.outcome, result.reason


CROWD = """
[[crowd]]
name = "players"
count = 3
hello = {send = "LOGIN p${n}\\r\\n", reply = "LOGIN OK\\r\\n"}
send = "PING\\r\\n"
reply = "PONG\\r\\n"
every = "50ms"
"""


async def test_what_must_be_true_is_true() -> None:
    result = await play(ARENA + CROWD + LATE + '[[expect]]\nwhat = "crowd.players.latency_p50"\nat_least = "35ms"\nwithin = "10s"\n')
    assert (result.outcome, result.reason) == ("passed", "")
    assert [finding.judged for finding in result.findings] == ["passed"]
    assert [(fault.name, fault.starts >= 3, fault.fired > 0) for fault in result.faults] == [("late", True, True)]
    assert [*result.phases] == ["server", "baseline", "faults", "healing", "recovery", "end"]
    assert {track.label for track in result.tracks} >= {"players 1", "players 2", "players 3"}


async def test_what_is_not_true_fails_with_what_was_wanted_and_got() -> None:
    result = await play(ARENA + CROWD + LATE + '[[expect]]\nwhat = "crowd.players.latency_p50"\nat_most = "5ms"\nthroughout = "3s"\n')
    assert result.outcome == "failed"
    (finding,) = result.findings
    assert finding.judged == "failed"
    assert "crowd.players.latency_p50 is at most 5 ms throughout" in finding.wanted
    assert result.reason.startswith(finding.wanted)
    assert any("late started" in line for line in result.journal)


async def test_a_fault_that_never_acts_is_an_outcome_of_its_own() -> None:
    never = LATE + 'on_match = {c2s = "XYZZY"}\n'
    expect = '[[expect]]\nwhat = "probe.healthy.failures"\nis = 0\nthroughout = "300ms"\nsince = "start"\n'
    assert await outcome(ARENA + CROWD + never + expect) == ("fault_not_fired", "late never acted")
    waits = '[[expect]]\nwhat = "crowd.players.failures"\nis = 0\nthroughout = "1s"\nsince = "late"\n'
    head = 'timeout = "20s"\nduration = "500ms"\n'
    result = await play(ARENA + CROWD + never + "may_not_fire = true\n" + expect + waits, head=head)
    assert (result.outcome, result.reason) == ("passed", "")
    assert result.left_open == ["1 expectation not judged: late never fired, as it may"]


async def test_a_fault_that_has_met_only_probes_is_told_that_they_are_spared() -> None:
    head = 'timeout = "20s"\nduration = "200ms"\n'
    found, why = await outcome(ARENA + LATE, head=head)
    spared = 'only probes have connected, and they are spared unless they are named, as in connections = {probe = "healthy"}'
    assert (found, why) == ("fault_not_fired", f"late never acted: {spared}")
    nobody = ARENA[: ARENA.index("[[probe]]")]
    assert await outcome(nobody + LATE, head=head) == ("fault_not_fired", "late never acted: nobody has connected")


async def test_where_all_was_not_well_before_nothing_is_said_about_faults() -> None:
    broken = ARENA.replace('reply = "PONG', 'reply = "NO SUCH ANSWER')
    found, why = await outcome(broken + LATE + 'lasts = "100ms"\n')
    assert found == "inconclusive"
    assert why.startswith('before any fault: probe "healthy" has had no right answer')


async def test_who_does_not_recover_has_failed() -> None:
    cut = '[[fault]]\nname = "cut"\nkind = "refuse"\nat = "0s"\nlasts = "300ms"\n'
    stuck = '[[crowd]]\nname = "one"\ncount = 1\nbehaviour = "idle"\n'
    result = await play(ARENA + stuck + cut, head='timeout = "20s"\nrecovery = "2s"\n')
    assert result.outcome == "passed", "the probe's own connection was there before"


async def test_what_cannot_be_observed_here_is_inconclusive() -> None:
    expect = '[[expect]]\nwhat = "host.NoSuchCounter"\nis = 0\nwithin = "200ms"\nsince = "start"\n'
    found, why = await outcome(ARENA + CROWD + LATE + expect)
    assert (found, "counts no NoSuchCounter" in why) == ("inconclusive", True)


@pytest.mark.parametrize(("code", "wanted"), [(0, "passed"), (3, "failed")])
async def test_the_client_is_expected_to_end_well(code: int, wanted: str) -> None:
    program = "import os, socket; socket.create_connection((os.environ['FAULTPROXY_HOST'], int(os.environ['FAULTPROXY_PORT'])))"
    client = f'[client]\ncommand = ["{sys.executable}", "-c", "{program}; raise SystemExit({code})"]\n'
    slow = '[[fault]]\nname = "slow"\nkind = "connect_delay"\ndelay = "10ms"\n'
    result = await play(ARENA + client + slow)
    assert result.outcome == wanted
    assert (result.findings[-1].wanted, result.findings[-1].got) == ("the client exits with 0", f"exit status {code}")


async def test_a_client_that_hangs_is_ended() -> None:
    client = f'[client]\ncommand = ["{sys.executable}", "-c", "import time; time.sleep(99)"]\ntimeout = "500ms"\n'
    result = await play(ARENA + client)
    assert (result.outcome, result.findings[-1].got) == ("failed", "it did not end in time")


SERVERS = {
    "never ready": ("import time; time.sleep(99)", "was not ready within"),
    "dies at once": ("raise SystemExit(7)", "ended with status 7 before it was ready"),
}


@pytest.mark.parametrize("name", [*SERVERS])
async def test_a_server_that_does_not_come_up_is_an_error(name: str) -> None:
    program, words = SERVERS[name]
    command = f'command = ["{sys.executable}", "-c", "{program}"]\nready = {{connect = true, within = "500ms"}}\n'
    found, why = await outcome('[proxy]\nlisten = "127.0.0.1:0"\n[server]\n' + command + LATE + 'lasts = "1s"\n')
    assert (found, words in why) == ("error", True)


async def test_a_run_that_takes_too_long_ends() -> None:
    forever = '[[expect]]\nwhat = "client.tcp_state"\nis = "CLOSING"\nwithin = "30s"\nsince = "start"\n'
    began = trio.current_time()
    result = await play(ARENA + CROWD + LATE + forever.replace("30s", "1900ms"), head='timeout = "2s"\n')
    assert result.outcome in ("failed", "inconclusive")
    assert trio.current_time() - began < 8


# --------------------------------------------------------------- the pool


def task(number: int, play: object) -> Task:
    def failed(reason: str, seconds: float, mistake: bool) -> Result:
        return Result(f"task {number}", "", "error", seconds, 1, "again", reason=reason, mistake=mistake)

    return Task(f"task {number}", 1.0, play, failed)  # type: ignore[arg-type]


def passes(number: int) -> Result:
    return Result(f"task {number}", "", "passed", 0.1, number, "again")


def test_results_come_in_order_whoever_is_done_first() -> None:
    def slow_at_first(number: int) -> object:
        def play(say: object) -> Result:
            time.sleep(0.3 if number == 0 else 0.0)
            return passes(number)

        return play

    tasks = [task(number, slow_at_first(number)) for number in range(4)]
    results = Pool(tasks, 2, progress=lambda *_: None, done=lambda *_: True).run()
    assert [result.seed for result in results] == [0, 1, 2, 3]


def test_what_breaks_in_one_concerns_no_other() -> None:
    def dies(say: object) -> Result:
        os.kill(os.getpid(), signal.SIGSEGV)
        raise AssertionError

    def raises(say: object) -> Result:
        raise ValueError("oh")

    results = Pool(
        [task(0, dies), task(1, raises), task(2, lambda say: passes(2))], 3, progress=lambda *_: None, done=lambda *_: True
    ).run()
    assert [result.outcome for result in results] == ["error", "error", "passed"]
    assert (results[0].reason, results[0].mistake) == ("the process that played it was ended by SIGSEGV", False)
    assert (results[1].reason.splitlines()[0], results[1].mistake) == ("a mistake of faultproxy itself: ValueError('oh')", True)


def test_no_other_is_begun_after_one_that_says_so() -> None:
    results = Pool([task(n, lambda say, n=n: passes(n)) for n in range(5)], 1, progress=lambda *_: None, done=lambda *_: False).run()
    assert [result.seed for result in results] == [0]


def test_progress_is_told() -> None:
    told: list[str] = []

    def play(say: object) -> Result:
        say("baseline")  # type: ignore[operator]
        say("faults")  # type: ignore[operator]
        return passes(0)

    Pool([task(0, play)], 1, progress=lambda task, line: told.append(line), done=lambda *_: True).run()
    assert told == ["baseline", "faults"]


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, ("interrupted", "")),
        (signal.SIGTERM, 143, ("ended by SIGTERM", "faultproxy: ended by SIGTERM\n")),
    ],
)
def test_a_signal_ends_everything_and_is_told_as_what_it_is(
    tmp_path: Path, number: signal.Signals, code: int, said: tuple[str, str]
) -> None:
    file = tmp_path / "long.toml"
    file.write_text(textwrap.dedent(ARENA + LATE + 'lasts = "30s"\n[[crowd]]\nname = "x"\ncount = 1\nbehaviour = "idle"\n'))
    program = [sys.executable, "-m", "faultproxy", "test", str(file)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as running:
        deadline = time.monotonic() + 10
        while not (family := _family(running.pid)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert family, "the server of the scenario was never started"
        os.kill(running.pid, number)
        out, err = running.communicate(timeout=15)
    assert (running.returncode, err) == (code, said[1])
    assert f" {said[0]} before it was over\n" in out
    deadline = time.monotonic() + 5  # a server's guard sees its master end, and ends it
    while (left := [pid for pid in family if Path(f"/proc/{pid}").exists()]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []


def _family(pid: int) -> list[int]:
    """Who plays the scenario, and what that has started; nobody until there is something."""
    players = _children(pid)
    started = [other for player in players for other in _children(player)]
    return players + started if started else []


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except FileNotFoundError:
        return []
