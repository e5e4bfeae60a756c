"""The layout, checked: who may import whom, what every file must have, and that the tests mirror the package."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from faultproxy.faults import KINDS

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "faultproxy"
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

PURE = ("core", "faults", "scenario")
FORBIDDEN = {"trio", "socket", "time", "random", "asyncio", "select", "subprocess", "threading"}
LAYERS: dict[str, set[str]] = {
    "errors": set(),
    "core": {"errors"},
    "faults": {"errors", "core"},
    "scenario": {"errors", "core", "faults"},
    "kernel": {"errors", "core"},
    "net": {"errors", "core", "kernel"},
    "arena": {"errors", "core"},
    "drawing": set(),
    "control": {"errors", "core", "faults", "scenario", "net", "drawing"},
    "verify": {"errors", "core", "faults", "scenario", "kernel", "net", "control", "drawing"},
    "chaostoolkit": {"errors", "control"},
    "embed": {"errors", "core", "faults", "scenario", "net"},
    "pytest_plugin": {"errors", "core", "scenario", "embed"},
}
"""What each part may import besides itself. `cli` and `__main__` stand outside and may import all."""

MACHINE = re.compile(r"/work/|/tmp/(?!\w*\.sock)|/home/\w|/Users/\w")
LONGEST = 400


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{named(path)}: imports are written in full"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "faultproxy" else {node.module or ""}
    return found


def part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", [path for path in MODULES if part(path) in PURE], ids=named)
def test_decisions_touch_no_clock_no_chance_and_no_socket(path: Path) -> None:
    allowed = {"random"} if path == PACKAGE / "core" / "rng.py" else set()
    assert {name.partition(".")[0] for name in imports(path)} & FORBIDDEN <= allowed


@pytest.mark.parametrize("path", [path for path in MODULES if part(path) in LAYERS], ids=named)
def test_imports_point_inwards(path: Path) -> None:
    own = [name.split(".")[1] for name in imports(path) if name.startswith("faultproxy.")]
    assert set(own) - {part(path), "__version__"} <= LAYERS[part(path)]


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(tree(path))


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=named)
def test_files_are_small_and_name_no_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST
    if path != Path(__file__):
        assert MACHINE.findall(text) == []


@pytest.mark.parametrize("plane", ["stream", "connection", "packet"])
def test_every_file_of_a_plane_is_a_kind_of_that_plane(plane: str) -> None:
    kinds = {kind.__module__: kind for kind in KINDS}
    for path in sorted((PACKAGE / "faults" / plane).glob("*.py")):
        module = f"faultproxy.faults.{plane}.{path.stem}"
        if path.stem == "__init__" or not any(isinstance(n, ast.ClassDef) and _has_kind(n) for n in tree(path).body):
            continue  # what the kinds of a plane have in common is no kind
        assert module in kinds, f"{named(path)} is not in KINDS"
        assert kinds[module].plane == plane
        assert kinds[module].model_fields["kind"].default == path.stem


def _has_kind(node: ast.ClassDef) -> bool:
    return any(isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.target.id == "kind" for line in node.body)


def test_kinds_are_told_apart() -> None:
    names = [kind.model_fields["kind"].default for kind in KINDS]
    assert len(set(names)) == len(names)


MIRRORED = [
    path
    for path in MODULES
    if part(path) in ("core", "faults")
    and path.stem != "__init__"
    and any(isinstance(node, ast.FunctionDef) for node in ast.walk(tree(path)))
]


@pytest.mark.parametrize("path", MIRRORED, ids=named)
def test_the_tests_mirror_the_package(path: Path) -> None:
    # A module that is the other half of one, as journal_read is of journal, may share its tests, and so may a folder of like ones.
    mirror = ROOT / "tests" / path.relative_to(PACKAGE)
    names = {path.stem, path.stem.partition("_")[0], path.parent.name}
    assert any(mirror.with_name(f"test_{name}.py").exists() for name in names)
