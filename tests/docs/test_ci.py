"""The recipes of docs/ci.md and the action of action.yml: what can be run is run, as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
ARENA = "faultproxy-arena --port ${server_port}"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder like the reader's: the scenarios of the page, and the program on PATH."""
    shared, case = blocks("toml")
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios/game.toml").write_text(shared)
    (tmp_path / "scenarios/goodbye.toml").write_text(case)
    (tmp_path / "bin").mkdir()
    for name, module in (("faultproxy", "faultproxy"), ("faultproxy-arena", "faultproxy.arena.server")):
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        program.chmod(0o755)
    return tmp_path


def shell(script: str, project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs it as GitHub does."""
    path = os.pathsep.join([str(project / "bin"), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=project,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


# ------------------------------------------------------------- the recipes


def test_the_github_recipes_are_workflows_and_give_the_action_what_it_takes() -> None:
    github, by_hand, _ = (yaml.safe_load(block) for block in blocks("yaml"))
    for workflow in (github, by_hand):
        assert {"name", "jobs"} <= set(workflow)
        assert all("runs-on" in job and job["steps"] for job in workflow["jobs"].values())
    (used,) = [step for step in github["jobs"]["faults"]["steps"] if step.get("uses") == "OWNER/faultproxy@REF"]
    assert set(used["with"]) <= set(ACTION["inputs"])
    (upload,) = [step for step in github["jobs"]["faults"]["steps"] if step.get("uses", "").startswith("actions/upload-artifact")]
    assert upload["if"] == "${{ !cancelled() }}", "also when it has failed"
    assert upload["with"]["path"].split() == [used["with"]["junit"], used["with"]["report"]]


def test_the_gitlab_recipe_keeps_what_it_writes() -> None:
    job = yaml.safe_load(blocks("yaml")[2])["faults"]
    (command,) = [line for line in job["script"] if line.startswith("faultproxy test")]
    assert f"--junit {job['artifacts']['reports']['junit']} --report {job['artifacts']['paths'][0]}" in command
    assert (job["artifacts"]["when"], job["allow_failure"]) == ("always", {"exit_codes": [4]})


@pytest.mark.live
def test_the_shell_recipe_runs(project: Path) -> None:
    (recipe,) = [block for block in blocks("sh") if "faultproxy check" in block]
    shared = project / "scenarios/game.toml"
    shared.write_text(shared.read_text().replace('["../build/game-server", ', '["faultproxy-arena", '))
    ran = shell(recipe, project)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    assert "1 scenario in" in ran.stdout
    assert (project / "faultproxy.xml").read_text().startswith("<?xml")
    assert (project / "faultproxy.html").read_text().startswith("<!DOCTYPE html>")


# --------------------------------------------------------------- the action


def steps() -> Iterator[dict[str, Any]]:
    yield from ACTION["runs"]["steps"]


def play(project: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """The action's last step with these inputs, all others at their defaults."""
    *_, step = steps()
    given: Mapping[str, str] = {name: str(about["default"]) for name, about in ACTION["inputs"].items()} | inputs
    environment = {name: given[re.sub(r"\$\{\{ inputs\.(\w+) \}\}", r"\1", value)] for name, value in step["env"].items()}
    return shell(step["run"], project, **environment)


def test_the_action_is_whole() -> None:
    assert ACTION["runs"]["using"] == "composite"
    assert all(about["description"].endswith(".") and "default" in about for about in ACTION["inputs"].values())
    values = [value for step in steps() for value in step.get("env", {}).values()]
    assert sorted(values) == sorted(f"${{{{ inputs.{name} }}}}" for name in ACTION["inputs"]), "each input is used, and once"
    for step in steps():
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "what a workflow gives comes through the environment, where it is no code"


@pytest.mark.live
@pytest.mark.parametrize(("without", "code"), [("", 0), (" --without close_back", 1)])
def test_the_action_plays_and_writes_also_what_failed(project: Path, without: str, code: int) -> None:
    ran = play(project, junit="f.xml", report="f.html", arguments=f"--server\n{ARENA}{without}\n\n--seed\n7\n")
    assert (ran.returncode, ran.stderr) == (code, ""), ran.stdout
    assert ran.stdout.startswith("seed 7\n")
    assert ("CLOSE_WAIT" in ran.stdout) == bool(code)
    assert ((project / "f.xml").exists(), (project / "f.html").exists()) == (True, True)


def test_the_action_asks_the_doctor_where_something_is_not_allowed(project: Path) -> None:
    (project / "bin/faultproxy").write_text('#!/bin/sh\n[ "$1" = doctor ] && echo "here is what is missing" && exit 4\necho "$*"\nexit 4\n')
    ran = play(project, paths="a b.toml\n\nc.toml\n", upstream="127.0.0.1:1", jobs="2")
    said, error, doctor = ran.stdout.splitlines()
    assert said == "test a b.toml c.toml --jobs 2 --upstream 127.0.0.1:1"
    assert error.startswith("::error::")
    assert (ran.returncode, doctor) == (4, "here is what is missing")
