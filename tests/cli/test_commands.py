"""The commands that run nothing: what they print, and with which exit code they end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from faultproxy import __version__
from faultproxy.faults import KINDS
from faultproxy.scenario import load
from faultproxy.scenario.profiles import names
from tests.cli.conftest import Call

NAMES = [kind.model_fields["kind"].default for kind in KINDS]
GOOD = '[proxy]\nlisten = "127.0.0.1:0"\n[[fault]]\nkind = "latency"\ndelay = "50ms"\n'


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "good.toml"
    file.write_text(f'title = "slow"\ncovers = ["B8"]\n{GOOD}')
    return file


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "bad.toml"
    file.write_text(GOOD.replace('"50ms"', "50").replace("latency", "latency") + "jiter = 3\n")
    return file


@pytest.mark.parametrize("command", ["", "run", "check", "new", "faults", "profiles", "replay", "schema", "demo"])
def test_every_command_has_help(call: Call, command: str) -> None:
    called = call(*command.split(), "--help")
    assert (called.code, called.err) == (0, "")
    assert called.out.startswith(f"Usage: faultproxy {command}".rstrip())


def test_help_is_there_at_once() -> None:
    loaded = "import sys, faultproxy.cli; print([name for name in ('trio', 'rich', 'pydantic', 'toml') if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, timeout=30)
    assert ended.stdout == "[]\n"  # they take most of the time, and help needs none of them


def test_the_shell_completes_commands_and_kinds(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_FAULTPROXY_COMPLETE", "complete_bash")
    for words, wanted in (
        ("re", ["replay"]),
        ("faults la", ["latency"]),
        ("profiles s", ["satellite"]),
        ("new --kind half", ["half_close"]),
    ):
        monkeypatch.setenv("COMP_WORDS", f"faultproxy {words}")
        monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
        assert call().out.split() == wanted


def test_the_version_is_told(call: Call) -> None:
    assert call("--version").out == f"faultproxy {__version__}\n"


@pytest.mark.parametrize("arguments", [["--nonsense"], ["nonsense"], ["run", "--seed", "x"], ["check"], ["replay"]])
def test_a_wrong_command_line_ends_with_2(call: Call, arguments: list[str]) -> None:
    assert call(*arguments).code == 2


# ---------------------------------------------------------------- check


def test_check_says_what_is_right(call: Call, good: Path) -> None:
    called = call("check", good)
    assert (called.code, called.out, called.err) == (0, f"OK {good}  slow (1 fault, covers B8)\n", "")


def test_check_says_all_mistakes_of_all_files(call: Call, good: Path, bad: Path) -> None:
    called = call("check", good, bad, bad.parent / "none.toml")
    assert called.code == 2
    assert called.out == f"OK {good}  slow (1 fault, covers B8)\n"
    lines = called.err.splitlines()
    assert any("delay" in line and "50" in line and f"{bad}:5" in line for line in lines)
    assert any("jiter" in line and "did you mean `jitter`" in line for line in lines)
    assert any("none.toml" in line for line in lines)
    assert lines[-1] == "2 of 3 files have mistakes"


def test_check_goes_through_folders(call: Call, good: Path, tmp_path: Path) -> None:
    assert call("check", tmp_path).out.startswith(f"OK {good}")
    (tmp_path / "empty").mkdir()
    called = call("check", tmp_path / "empty")
    assert (called.code, called.err) == (2, f"faultproxy: {tmp_path}/empty: no *.toml file is in this folder or below it\n")


def test_check_says_what_cannot_run_here_without_failing(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "drop.toml"
    file.write_text('[proxy]\nlisten = "127.0.0.1:0"\nprotocol = "udp"\n[[fault]]\nkind = "drop"\n')
    called = call("check", file)
    assert called.code == 0
    assert called.out.splitlines()[1].startswith('   not in this version: proxy "proxy": ')


def test_check_remarks_on_what_proves_nothing_without_failing(call: Call, good: Path) -> None:
    good.write_text(good.read_text() + '[[expect]]\nwhat = "connections.failed"\nis = 0\nwithin = "5s"\n')
    called = call("check", good)
    assert called.code == 0
    line = len(good.read_text().splitlines())
    assert called.out.splitlines()[1].startswith(f"   remark: {good}:{line}: expect[1].within: it counts from `since`")


def test_check_names_each_case(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "cases.toml"
    file.write_text('[[case]]\nname = "a"\nd = "1s"\n[[case]]\nname = "b"\nd = "2s"\n' + GOOD.replace("50ms", "${d}"))
    assert [line.split("  ")[0] for line in call("check", file).out.splitlines()] == [f"OK {file}[a]", f"OK {file}[b]"]


def test_check_speaks_json(call: Call, good: Path, bad: Path) -> None:
    called = call("check", "--json", good, bad)
    right, wrong = json.loads(called.out)
    assert (called.code, right["ok"], wrong["ok"], len(wrong["mistakes"])) == (2, True, False, 2)
    faults = [{"name": "latency", "kind": "latency"}]
    assert right["scenarios"] == [
        {"id": "good.toml", "title": "slow", "covers": ["B8"], "faults": faults, "unsupported": [], "remarks": []}
    ]


# ------------------------------------------------- faults, profiles, schema


def test_faults_lists_every_kind_in_a_line_or_a_few(call: Call) -> None:
    called = call("faults")
    shown = {line.split()[0] for line in called.out.splitlines() if line.strip()}
    assert called.code == 0
    assert {"stream", "connection", "packet", *NAMES} <= shown
    assert "\x1b" not in called.out


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_each_kind_is_told_with_its_keys_and_an_example(call: Call, kind: type) -> None:
    name = kind.model_fields["kind"].default  # type: ignore[attr-defined]
    called = call("faults", name)
    assert called.code == 0
    for key, field in kind.model_fields.items():  # type: ignore[attr-defined]
        assert key == "kind" or f"\n  {field.alias or key} " in called.out
    for line in kind.example.splitlines():  # type: ignore[attr-defined]
        assert f"\n  {line}\n" in called.out


def test_a_kind_that_there_is_not_is_told_with_the_nearest(call: Call) -> None:
    called = call("faults", "latncy")
    assert (called.code, called.err) == (2, "faultproxy: there is no fault `latncy`: did you mean `latency`?\n")


def test_profiles_are_listed_and_printed(call: Call) -> None:
    assert [line.split()[0] for line in call("profiles").out.splitlines()] == list(names())
    assert "[[fault]]" in call("profiles", "3g").out
    called = call("profiles", "5g")
    assert (called.code, called.out) == (2, "")
    assert called.err.startswith("faultproxy: there is no profile `5g`")


def test_the_schema_is_json_and_knows_every_kind(call: Call) -> None:
    schema = json.loads(call("schema").out)
    assert "$schema" in schema
    assert set(NAMES) <= set(schema["properties"]["fault"]["items"]["discriminator"]["mapping"])


# ------------------------------------------------------------------ new


@pytest.mark.parametrize("kind", NAMES)
def test_a_new_scenario_is_right_from_the_start(call: Call, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "s.toml"
    called = call("new", file, "--kind", kind)
    assert (called.code, called.out) == (0, f"{file} is written. Next: faultproxy run {file} --upstream HOST:PORT\n")
    (scenario,) = load(file)
    assert [fault.kind for fault in scenario.faults] == [kind]


def test_what_a_new_scenario_has_in_comments_is_right_too(call: Call, tmp_path: Path) -> None:
    lines = call("new", "-").out.splitlines()
    for start in ("at", "after_bytes", "on_match", "on_fin"):
        keys = ("after", "lasts", "every", "connections", start)
        file = tmp_path / f"{start}.toml"
        file.write_text(
            "\n".join(line.removeprefix("# ") if line.startswith(tuple(f"# {key} =" for key in keys)) else line for line in lines)
        )
        assert len(load(file)) == 1
    file.write_text(
        "\n".join(line.removeprefix("# ") if line.startswith(("# [server", "# command", "# ready")) else line for line in lines)
    )
    assert load(file)[0].server is not None


def test_a_new_scenario_can_share_what_others_have(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("scenarios").mkdir()
    Path("scenarios/game.toml").write_text('[proxy]\nlisten = "127.0.0.1:0"\nupstream = "127.0.0.1:1"\n')
    file = Path("scenarios/slow/one.toml")
    called = call("new", file, "--include", "scenarios/game.toml")
    assert (called.code, called.out) == (0, f"{file} is written. Next: faultproxy test {file}\n")
    (scenario,) = load(file)
    assert scenario.proxies[0].upstream == "127.0.0.1:1"
    assert [crowd.name for crowd in scenario.crowds] == ["players"]
    assert len(scenario.expects) == 1
    assert (scenario.lacking_for_test(), scenario.remarks) == ((), ())
    called = call("new", "other.toml", "--include", "gone.toml")
    assert (called.code, called.err) == (2, "faultproxy: --include gone.toml: there is no such file\n")


def test_nothing_is_written_over_unless_by_force(call: Call, good: Path) -> None:
    before = good.read_text()
    called = call("new", good)
    assert (called.code, good.read_text()) == (2, before)
    assert called.err == f"faultproxy: {good} is there already: choose another name, or --force to write over it\n"
    assert call("new", good, "--force").code == 0
    assert good.read_text() != before


def test_a_new_scenario_of_an_unknown_kind_is_not_written(call: Call, tmp_path: Path) -> None:
    called = call("new", tmp_path / "x.toml", "--kind", "lag")
    assert (called.code, called.err) == (2, "faultproxy: --kind: there is no fault `lag`: it is called `latency`\n")
    assert not (tmp_path / "x.toml").exists()


# --------------------------------------------------------------- replay


def test_replay_refuses_what_is_no_journal(call: Call, good: Path, tmp_path: Path) -> None:
    called = call("replay", good)
    assert called.code == 2
    assert called.err.startswith(f"faultproxy: {good}: line 1: this is no journal of faultproxy: not JSON")
    assert call("replay", tmp_path / "none").err == f"faultproxy: {tmp_path}/none: cannot be read (No such file or directory)\n"


# ------------------------------------------------- run, before it starts


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--listen", "nowhere", "--upstream", "127.0.0.1:1"], 2, "--listen"),
        (["--fault", "lag delay=1s", "--upstream", "127.0.0.1:1"], 2, "there is no fault `lag`: it is called `latency`"),
        (["--case", "a"], 2, "--case belongs to a file: name one"),
        (["--var", "a=b"], 2, "--var belongs to a file: name one"),
        (["--var", "a"], 2, "--var 'a': write it as NAME=VALUE"),
        (["--upstream", "127.0.0.1:1", "--for", "10"], 2, "--for: a time needs a unit: write it like \"50ms\", not '10'"),
        (["--intercept", "127.0.0.1:1", "--listen", "127.0.0.1:0"], 2, "--intercept is a run without a proxy"),
        (["none.toml"], 2, "none.toml"),
    ],
)
def test_run_refuses_what_is_wrong_before_it_starts(call: Call, arguments: list[str], code: int, message: str) -> None:
    called = call("run", *arguments)
    assert (called.code, called.out) == (code, "")
    assert message in called.err


def test_run_asks_for_the_case(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "cases.toml"
    file.write_text('[[case]]\nname = "a"\nd = "1s"\n[[case]]\nname = "b c"\nd = "2s"\n' + GOOD.replace("50ms", "${d}"))
    called = call("run", file)
    assert (called.code, called.err) == (2, f"faultproxy: {file} has 2 cases; choose one:\n  --case a\n  --case 'b c'\n")


def test_run_takes_listen_and_upstream_for_one_proxy_only(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "two.toml"
    file.write_text("".join(f'[[proxy]]\nname = "{name}"\nlisten = "127.0.0.1:0"\nupstream = "127.0.0.1:1"\n' for name in "ab"))
    called = call("run", file, "--upstream", "127.0.0.1:2")
    assert (called.code, called.err) == (
        2,
        f"faultproxy: {file} has several proxies (a, b): --listen and --upstream are for one; write them into the file\n",
    )


def test_a_fault_of_the_command_line_must_not_take_the_name_of_another(call: Call, good: Path) -> None:
    called = call("run", good, "--fault", "latency delay=1s", "--upstream", "127.0.0.1:1")
    assert (called.code, called.err) == (
        2,
        f"faultproxy: --fault: {good} has a fault called 'latency' already; give yours another name=…\n",
    )
