"""`docs/findings.md`: real servers under the faults of their scenarios still do what the page says they do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.peers import findings
from tests.peers.programs import PLACES, program

pytestmark = pytest.mark.peers

PAGE = Path(__file__).parents[2] / "docs" / "findings.md"
NEEDED = {"redis": ("redis-server", "redis-server"), "nginx": ("nginx", "nginx"), "tinymux": ("/usr/games/tinymux-install", "tinymux")}
"""What each folder's server is called (or a program that comes with it), and Debian's package that has it."""
JOBS = "4"
"""At once: they mostly wait for a limit to come."""
PATIENCE = 300.0


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """All that can be played here, as a user would play it: by folder, file and case (``nginx/unread.toml[reset]``)."""
    report = tmp_path_factory.mktemp("findings") / "report.json"
    folders = [str(findings.SCENARIOS / server) for server in findings.SERVERS if shutil.which(NEEDED[server][0], path=PLACES)]
    command = [sys.executable, "-m", "faultproxy", "test", *folders, "--jobs", JOBS, "--json", str(report)]
    played = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert report.exists(), played.stdout + played.stderr
    table = json.loads(report.read_text(encoding="utf-8"))["results"]
    return {str(Path(result["scenario"]).relative_to(findings.SCENARIOS)): result for result in table}


@pytest.mark.parametrize("server", findings.SERVERS)
def test_every_server_does_what_was_found(server: str, results: dict[str, dict[str, Any]]) -> None:
    program(*NEEDED[server])
    own = {name: result for name, result in results.items() if name.startswith(f"{server}/")}
    assert len(own) == findings.count(server)
    lacking = [result["reason"] for result in own.values() if result["lacking"]]
    played = {name: result for name, result in own.items() if not result["lacking"]}
    others = {name: result["reason"] for name, result in played.items() if result["outcome"] != "passed"}
    assert not others, f"{server} did otherwise than docs/findings.md says"
    for name, result in played.items():
        unjudged = [finding["what"] for finding in result["findings"] if finding["judged"] != "passed"]
        assert not unjudged, f"{name} proves nothing of this"
    if lacking:
        pytest.skip(f"{len(lacking)} scenarios of {server} cannot be played here: {lacking[0]}")


def test_there_are_enough_of_each() -> None:
    for server in findings.SERVERS:
        assert len(findings.files(server)) >= 6, server


def test_the_page_is_up_to_date() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == findings.page(text), "write it anew: python -m tests.peers.findings docs/findings.md"
