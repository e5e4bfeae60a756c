"""`faultproxy test` as a shell calls it: each outcome, each exit code, and what is said. The judging itself is tested in tests/verify."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from faultproxy.verify.outcome import OUTCOMES
from tests.cli.conftest import Call
from tests.live import seccomp

pytestmark = pytest.mark.live

SERVED = f"""
[proxy]
listen = "127.0.0.1:0"
[server]
command = ["{sys.executable}", "-m", "faultproxy.arena.server", "--port", "${{server_port}}"]
ready = {{log = "listening"}}
[[crowd]]
name = "one"
count = 1
hello = {{send = "LOGIN one\\r\\n", reply = "LOGIN OK\\r\\n"}}
send = "PING\\r\\n"
reply = "PONG\\r\\n"
every = "20ms"
"""
LATE = '[[fault]]\nname = "late"\nkind = "latency"\ndelay = "1ms"\n'
SURE = '[[expect]]\nwhat = "crowd.one.ok"\nat_least = 1\nwithin = "10s"\nsince = "start"\n'
WRONG = '[[expect]]\nwhat = "crowd.one.failures"\nat_least = 1\nwithin = "1s"\nsince = "start"\n'
NEVER = '[[expect]]\nwhat = "crowd.one.failures"\nis = 0\nthroughout = "5s"\nsince = "start"\n'

FILES = {
    "passed": SERVED + LATE + SURE,
    "failed": SERVED + LATE + WRONG,
    "error": SERVED.replace('"-m", "faultproxy.arena.server"', '"-c", "raise SystemExit(7)"') + LATE + SURE,
    "fault_not_fired": SERVED + LATE + 'on_match = "XYZZY"\n' + SURE,
    "inconclusive": SERVED + LATE + '[[expect]]\nwhat = "host.NoSuchCounter"\nis = 0\nwithin = "100ms"\nsince = "start"\n',
    "skipped": SERVED + LATE + SURE + "[sandbox]\n",  # where namespaces are refused
}
"""A scenario for each outcome, by its name."""
CODES = {"passed": 0, "failed": 1, "error": 1, "fault_not_fired": 1, "inconclusive": 3, "skipped": 4}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / f"{name}.toml").write_text(f'title = "{name}"\ntimeout = "20s"\n{text}')
    return tmp_path


def confined(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The program where namespaces and netlink are refused, as in a container."""
    words = [sys.executable, seccomp.__file__, sys.executable, "-m", "faultproxy", "test", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, encoding="utf-8", timeout=60, check=False)


def test_there_is_a_file_for_each_outcome() -> None:
    assert set(FILES) == set(CODES) == set(OUTCOMES)


@pytest.mark.parametrize("outcome", [name for name in OUTCOMES if name != "skipped"])
def test_each_outcome_and_its_exit_code(call: Call, folder: Path, outcome: str) -> None:
    called = call("test", folder / f"{outcome}.toml", "--seed", 7, "--json", folder / "out")
    assert (called.code, called.err) == (CODES[outcome], ""), called.out
    first, second, *_ = called.out.splitlines()
    assert first == "seed 7"
    assert second.startswith(f"{outcome.upper().replace('_', ' '):12} {folder}/{outcome}.toml  ")
    (told,) = json.loads((folder / "out").read_text())["results"]
    assert (told["outcome"], told["seed"]) == (outcome, 7)
    if outcome != "passed":
        assert f"    faultproxy test {folder}/{outcome}.toml --seed 7" in called.out.splitlines()


def test_what_is_not_allowed_here_is_skipped_and_the_reason_told(folder: Path) -> None:
    ran = confined(folder / "skipped.toml", "--seed", 7)
    assert (ran.returncode, ran.stderr) == (4, "")
    _, line, reason, *_ = ran.stdout.splitlines()
    assert line.startswith(f"SKIPPED      {folder}/skipped.toml")
    assert "namespace" in reason


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        (("passed", "inconclusive"), 3),
        (("inconclusive", "skipped"), 4),
        (("skipped", "inconclusive", "failed", "passed"), 1),
    ],
)
def test_of_several_the_code_that_says_most(folder: Path, outcomes: tuple[str, ...], code: int) -> None:
    # Sockets cannot be asked about either where netlink is refused, and none of these needs that.
    ran = confined(*(folder / f"{name}.toml" for name in outcomes), "--jobs", 4)
    assert (ran.returncode, ran.stderr) == (code, ""), ran.stdout


def test_one_wrong_file_and_nothing_is_played(call: Call, folder: Path) -> None:
    (folder / "wrong.toml").write_text('title = "x"\n[[fault]]\nkind = "drop"\ndirektion = "c2s"\n')
    called = call("test", folder)
    assert (called.code, called.out) == (2, "")
    assert "direktion" in called.err
    assert call("test").code == call("test", folder / "passed.toml", "--jobs", 0).code == call("test", folder / "gone.toml").code == 2


def test_the_first_that_fails_may_end_it(call: Call, folder: Path) -> None:
    called = call("test", folder / "failed.toml", folder / "passed.toml", "--fail-fast")
    assert called.code == 1
    assert "1 scenario in" in called.out
    assert "PASSED" not in called.out


def test_each_repetition_has_a_seed_of_its_own(call: Call, folder: Path) -> None:
    called = call("test", str(folder / "passed.toml"), "--repeat", 3, "--jobs", 3, "--seed", 5, "--json", folder / "out")
    assert called.code == 0
    assert [told["seed"] for told in json.loads((folder / "out").read_text())["results"]] == [5, 6, 7]


def test_a_file_that_is_only_included_is_not_played_and_that_is_said_once(call: Call, folder: Path) -> None:
    for file in folder.glob("*.toml"):
        file.unlink()
    cases = folder / "cases"
    cases.mkdir()
    (folder / "game.toml").write_text(SERVED)
    (folder / "spare.toml").write_text(SERVED)
    for name in ("one", "two"):
        (cases / f"{name}.toml").write_text(f'include = ["../game.toml"]\ntimeout = "20s"\n{LATE}{SURE}')
    called = call("test", folder, "--jobs", 2)
    assert (called.code, called.err) == (0, "")
    assert called.out.splitlines()[1] == (
        f"not played: {folder}/game.toml, which others include; {folder}/spare.toml: no fault, nothing expected"
    )
    assert called.out.count("not played") == 1
    assert "2 scenarios in" in called.out


def test_a_server_that_does_not_start_is_one_paragraph(call: Call, folder: Path) -> None:
    talks = "import os; [print('line', number) for number in range(30)]; raise SystemExit(7)"
    for name in ("one", "two"):
        text = SERVED.replace('"-m", "faultproxy.arena.server"', f'"-c", "{talks}"')
        (folder / f"{name}.toml").write_text(f'title = "{name}"\ntimeout = "20s"\n{text}{LATE}{SURE}')
    lines = call("test", folder / "one.toml", "--seed", 7).out.splitlines()
    assert lines[2:6] == [
        lines[2],
        "  one",
        "    the server ended with status 7 before it was ready",
        lines[5],
    ]
    assert lines[5].startswith("      command: ")
    assert lines[6:27] == ["  server wrote", *(f"      | line {number}" for number in range(10, 30))]
    assert lines[27:30] == ["  seed", "    7", "  to repeat it"]
    both = call("test", folder / "one.toml", folder / "two.toml").out
    assert both.count("| line 29") == 1
    assert f"    as {folder}/one.toml: the server ended with status 7 before it was ready" in both.splitlines()


# ------------------------------------------------------------- in trouble


def with_a_mistake(where: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The program with a mistake in it: that function divides by zero."""
    module, _, name = where.partition(":")
    program = f"import {module} as module; module.{name} = lambda *_, **__: 1 // 0; from faultproxy.cli import main; main()"
    words = [sys.executable, "-c", program, "test", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, encoding="utf-8", timeout=60, check=False, env={**os.environ, **environment})


def test_a_mistake_of_our_own_is_no_finding(folder: Path) -> None:
    ran = with_a_mistake("faultproxy.verify.play:Play.run", folder / "passed.toml", folder / "failed.toml")
    assert (ran.returncode, ran.stderr) == (70, "")
    assert "    a mistake of faultproxy itself: ZeroDivisionError('integer division or modulo by zero')" in ran.stdout.splitlines()
    assert "Please report it" in ran.stdout
    assert "Traceback" not in ran.stdout


def test_a_report_that_cannot_be_made_takes_nothing_else_along(folder: Path) -> None:
    page, document = folder / "page.html", folder / "out.json"
    reports = "--report", page, "--json", document
    ran = with_a_mistake("faultproxy.verify.reports:html", folder / "passed.toml", *reports)
    assert ran.returncode == 70
    assert ran.stdout.splitlines()[-1].endswith(": 1 passed")
    assert json.loads(document.read_text())["outcome"] == "passed"
    assert ran.stderr.startswith(f"faultproxy: a mistake of faultproxy itself, writing {page}: ZeroDivisionError(")
    assert "Traceback" not in ran.stderr
    ran = with_a_mistake("faultproxy.verify.reports:html", folder / "passed.toml", *reports, FAULTPROXY_DEBUG="1")
    assert (ran.returncode, "Traceback" in ran.stderr) == (70, True)


def test_a_report_in_a_folder_that_is_not_there_is_told_before_anything_is_played(call: Call, folder: Path) -> None:
    called = call("test", folder / "passed.toml", "--junit", folder / "gone" / "out.xml")
    assert (called.code, called.out) == (2, "")
    assert f"there is no folder {folder}/gone" in called.err


def test_a_port_that_is_taken_is_an_error_that_names_it(call: Call, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (folder / "taken.toml").write_text((folder / "passed.toml").read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        called = call("test", folder / "taken.toml")
    assert called.code == 1
    assert called.out.splitlines()[1].startswith("ERROR ")
    assert f"127.0.0.1:{port}" in called.out
    assert "the port is taken by another program" in called.out


def test_a_server_that_dies_meanwhile_is_told_with_its_last_words(call: Call, folder: Path) -> None:
    program = folder / "dies.py"
    program.write_text(
        "import socket, sys, time\n"
        "listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "print('listening', flush=True)\n"
        "client, _ = listener.accept()\n"
        "client.recv(100); client, _ = listener.accept(); client.recv(100)\n"
        "print('out of swords', flush=True); sys.exit(9)\n"
    )
    dying = SERVED.replace('"-m", "faultproxy.arena.server", "--port"', f'"{program}"')
    (folder / "dies.toml").write_text('title = "dies"\ntimeout = "20s"\n' + dying + LATE + NEVER)
    called = call("test", folder / "dies.toml")
    assert called.code == 1
    assert "the server has ended by itself with status 9" in called.out
    assert "out of swords" in called.out


def test_two_runs_at_once_do_not_meet(folder: Path) -> None:
    words = [sys.executable, "-m", "faultproxy", "test", str(folder / "passed.toml"), "--repeat", "2", "--jobs", "2"]
    runs = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(3)]
    said = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], said


def test_a_thousand_players_are_all_accounted_for(call: Call, folder: Path) -> None:
    text = (folder / "passed.toml").read_text().replace("count = 1\n", "count = 1000\n").replace('every = "20ms"', 'every = "1s"')
    text = text.replace(SURE, "") + "".join(
        f'[[expect]]\nwhat = "{what}"\n{wanted}\nwithin = "40s"\nsince = "start"\n'
        for what, wanted in {"connections.opened": "is = 1000", "crowd.one.ok": 'at_least = "100%"', "crowd.one.open": "is = 1000"}.items()
    )
    (folder / "many.toml").write_text(text.replace('timeout = "20s"', 'timeout = "60s"'))
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    called = call("test", folder / "many.toml", "--json", folder / "out")
    assert called.code == 0, called.out
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime
    assert used < 20, "seconds of CPU: how long that takes is also a matter of who else is about"
    (told,) = json.loads((folder / "out").read_text())["results"]
    assert [finding["judged"] for finding in told["findings"]] == ["passed"] * 3
    assert told["faults"][0]["starts"] == 1000


@pytest.fixture(autouse=True)
def _nothing_is_left(folder: Path) -> Iterator[None]:
    # Whatever a run has started has its folder on its command line, or as its working directory.
    yield
    deadline = time.monotonic() + 5
    while (left := list(_living(folder))) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []


def _living(folder: Path) -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if str(folder) in command or (process / "cwd").resolve() == folder:
                yield f"{process.name} {command}"
        except OSError:  # gone, or another user's
            continue
