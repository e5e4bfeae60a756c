"""One browser for all tests of the page."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faultproxy.verify import reports
from faultproxy.verify.outcome import Result
from tests.peers.browser import Browser, browser

Open = Callable[..., Browser]


@pytest.fixture(scope="session")
def one_browser() -> Iterator[Browser]:
    # Not pytest's own folder: a profile is large, and nobody looks at it again.
    with tempfile.TemporaryDirectory(prefix="faultproxy-", ignore_cleanup_errors=True) as folder, browser(Path(folder)) as running:
        yield running


@pytest.fixture
def opened(one_browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens the report of some results; in the end nothing was loaded besides, and the browser had no complaint."""
    path = tmp_path / "report.html"

    def open_(*results: Result, address: str = "", width: int = 1280, height: int = 900, dark: bool = False) -> Browser:
        path.write_text(reports.html(results, seconds=3.0, seed=7), encoding="utf-8")
        one_browser.open(f"{path.as_uri()}{address}", width=width, height=height, dark=dark)
        return one_browser

    yield open_
    assert one_browser.complaints == []
    assert {url.partition("#")[0] for url in one_browser.asked_for if not url.startswith("data:")} == {path.as_uri()}
