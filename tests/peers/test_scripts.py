"""The scripts of our pages, which have no build step: the types that their comments promise are checked by TypeScript's compiler."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from faultproxy import drawing
from faultproxy.control import page
from faultproxy.verify.reports import html_page
from tests.peers.programs import node_packages, program

pytestmark = pytest.mark.peers

HERE = Path(__file__).parent / "typescript"
PAGES = {"live page": (page.SCRIPTS, page.text), "report": (html_page.SCRIPTS, html_page._file)}
"""What each has beside the scripts of `faultproxy.drawing`; all of one page share one global scope."""


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the compiler, of the version that is pinned."""
    return node_packages(HERE, tmp_path_factory.mktemp("typescript"))


def mistakes(compiler: Path, scripts: Mapping[str, str]) -> list[str]:
    """What is wrong with these scripts, which are of one page: a line each."""
    folder = compiler / "scripts"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, text in scripts.items():
        (folder / name).write_text(text, encoding="utf-8")
    command = [program("node", "nodejs"), "node_modules/typescript/bin/tsc", "-p", "."]
    done = subprocess.run(command, cwd=compiler, capture_output=True, text=True, check=False, timeout=120)
    assert bool(done.returncode) == bool(done.stdout), done
    return done.stdout.splitlines()


@pytest.mark.parametrize("which", PAGES)
def test_the_types_of_a_page_are_as_its_comments_say(compiler: Path, which: str) -> None:
    scripts, text = PAGES[which]
    shared = {name: drawing.text(name) for name in drawing.SCRIPTS}
    assert mistakes(compiler, shared | {name: text(name) for name in scripts}) == []


def test_what_is_wrong_is_found(compiler: Path) -> None:
    (found,) = mistakes(compiler, {"wrong.js": '/** @type {number} */\nconst count = "three";\n'})
    assert found.startswith("scripts/wrong.js(2,7): error TS2322")
