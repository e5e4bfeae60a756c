"""One browser and one daemon for all tests of the live page; each finds the daemon without proxies."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.control.page.stage import Stage, stage
from tests.peers.browser import Browser, browser

READY = "document.body.dataset.ready === 'yes' && document.body.dataset.stream === 'live'"
"""What the page says when it shows what there is and hears the journal."""

REFUSED = "Failed to load resource: the server responded with a status of 4"
"""What a browser says of each answer that says no; the page copes with those, such as of a connection that is gone when it is asked for."""

Open = Callable[..., Browser]


@pytest.fixture(scope="session")
def one_browser() -> Iterator[Browser]:
    with tempfile.TemporaryDirectory(prefix="faultproxy-", ignore_cleanup_errors=True) as folder, browser(Path(folder)) as running:
        yield running


@pytest.fixture(scope="session")
def one_stage() -> Iterator[Stage]:
    with stage() as running:
        yield running


@pytest.fixture
def on(one_stage: Stage) -> Iterator[Stage]:
    yield one_stage
    one_stage.clear()


@pytest.fixture
def opened(one_browser: Browser, on: Stage) -> Iterator[Open]:
    """Opens the page; in the end nothing was asked of anybody else, and the browser had no complaint."""

    def open_(*, width: int = 1280, height: int = 900, dark: bool = False) -> Browser:
        one_browser.open(on.url, width=width, height=height, dark=dark)
        one_browser.comes(READY)
        return one_browser

    yield open_
    asked = [url for url in one_browser.asked_for if not url.startswith(("data:", on.url))]
    complaints = [each for each in one_browser.complaints if not each.startswith(REFUSED)]
    one_browser.open("about:blank")  # it asks for nothing more, now that nobody answers
    assert asked == []
    assert complaints == []
