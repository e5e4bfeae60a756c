"""Calls the program as a shell would, but in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from faultproxy.cli import main


@dataclass(frozen=True)
class Called:
    """How a call ended, and what it said."""

    code: int
    out: str
    err: str


Call = Callable[..., Called]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """``call("check", file)``"""
    monkeypatch.setenv("COLUMNS", "100")

    def one(*arguments: object) -> Called:
        monkeypatch.setattr(sys, "argv", ["faultproxy", *map(str, arguments)])
        code: object = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        assert code is None or isinstance(code, int)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Called(code or 0, out, err)

    return one
