"""The commands that are given instead of the file's, and can take them in."""

from __future__ import annotations

from pathlib import Path

import pytest

from faultproxy.errors import ScenarioError
from faultproxy.scenario import load
from faultproxy.verify.cast import Cast, Settings

FILE = """
[proxy]
listen = "127.0.0.1:0"
[server]
command = ["true", "--port", "${server_port}", "two words"]
"""
BARE = """
[proxy]
listen = "127.0.0.1:0"
upstream = "127.0.0.1:1"
"""


def command(file: Path, text: str, given: str | None) -> str:
    file.write_text(text)
    (scenario,) = load(file)
    server = Cast(Settings(scenario, 1, "again", server=given), lambda line: None).make_server()
    assert server is not None
    return str(server).replace(str(server.port), "PORT")


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (None, "true --port PORT 'two words'"),
        ("${server} --naive", "true --port PORT 'two words' --naive"),
        ("env A=1 ${server}", "env A=1 true --port PORT 'two words'"),
        ("false ${server_port} 'two words'", "false PORT 'two words'"),
    ],
)
def test_the_server_that_is_started(tmp_path: Path, given: str | None, made: str) -> None:
    assert command(tmp_path / "x.toml", FILE, given) == made


@pytest.mark.parametrize(
    ("given", "folder"), [(None, "shared"), ("${server} --naive", "shared"), ("env A=1 ${server}", "shared"), ("./run", None)]
)
def test_a_command_runs_in_the_folder_where_it_is_written(tmp_path: Path, given: str | None, folder: str | None) -> None:
    for name in ("shared", "cases"):
        (tmp_path / name).mkdir()
    (tmp_path / "shared" / "game.toml").write_text(FILE)
    file = tmp_path / "cases" / "x.toml"
    file.write_text('include = ["../shared/game.toml"]\n')
    (scenario,) = load(file)
    assert scenario.included == (tmp_path / "cases" / "../shared/game.toml",)
    server = Cast(Settings(scenario, 1, "again", server=given), lambda line: None).make_server()
    assert server is not None
    assert server.folder == (None if folder is None else tmp_path / "cases" / ".." / folder)
    file.write_text(FILE)
    (scenario,) = load(file)
    assert scenario.folders["server"] == tmp_path / "cases"


@pytest.mark.parametrize(
    ("text", "given", "complaint"),
    [
        (FILE, "true 'open", r"cannot be split into words, as a shell would do it \(No closing quotation\)"),
        (FILE, "true ${serverport}", r"unknown name \$\{serverport\}; known here: server, proxy_host, proxy_port, server_port, seed"),
        (FILE, "sh -c '${server} -v'", "stands for several words, and so must be a word by itself"),
        (FILE, "", "comes to nothing"),
        (BARE, "${server} --naive", r"comes to nothing: the file has no \[server\]"),
    ],
)
def test_one_that_cannot_be(tmp_path: Path, text: str, given: str, complaint: str) -> None:
    with pytest.raises(ScenarioError, match=complaint):
        command(tmp_path / "x.toml", text, given)
