"""The page with a pointer and a keyboard: what is told, how one moves about, how one of a thousand is found."""

from __future__ import annotations

import pytest

from tests.peers.browser import Browser
from tests.verify.reports.conftest import Open
from tests.verify.reports.samples import crowd, failed

pytestmark = pytest.mark.peers


def sight(page: Browser) -> tuple[float, float]:
    """From when to when the diagram shows, in seconds; waits until it shows anything."""
    since, until = page.comes("document.querySelector('.view')?.dataset.sight").split()
    return float(since), float(until)


def place_of(page: Browser, label: str) -> tuple[float, float]:
    """Where the arrow with that label stands in the window."""
    sight(page)
    page.value("document.querySelector('.scroll').scrollIntoView()")
    x, y, _, height = page.box(f"[...document.querySelectorAll('svg text.label')].find((each) => each.textContent === '{label}')")
    return x, y + height


def test_the_pointer_tells_of_a_moment(opened: Open) -> None:
    page = opened(failed())
    page.point(*place_of(page, "1400 B seq 1"))
    page.comes("!document.querySelector('.readout').hidden")
    assert "2.0000 s  client → proxy data 1400 B, seq 1:1401" in page.texts(".readout li")
    assert page.texts(".readout tr:nth-child(2) *") == ["tcp state", "ESTABLISHED", "–"]
    page.point(2, 2)
    page.comes("document.querySelector('.readout').hidden")


def test_a_click_selects_and_escape_lets_go(opened: Open) -> None:
    page = opened(failed())
    where = place_of(page, "RST")
    page.drag(where, where)
    assert page.comes("document.querySelector('.view').dataset.selected") == "3.300000"
    page.point(where[0], where[1] - 40)
    page.comes("document.querySelector('.readout').textContent.includes('from the selected moment')")
    page.key("Escape")
    page.comes("document.querySelector('.view').dataset.selected === undefined")


def test_zoom_by_button_wheel_and_pointer(opened: Open) -> None:
    page = opened(failed())
    whole = sight(page)
    page.click("[aria-label='zoom in']")
    page.comes(f"document.querySelector('.view').dataset.sight !== '{whole[0]:.6f} {whole[1]:.6f}'")
    closer = sight(page)
    assert closer[1] - closer[0] == pytest.approx((whole[1] - whole[0]) / 1.5)
    page.click("[aria-label='show all']")
    assert sight(page) == whole
    x, y = place_of(page, "RST")
    page.drag((x, y - 100), (x, y + 200))  # let go below the diagram
    since, until = sight(page)
    assert since < 3.3 < until
    assert until - since < 1.0
    page.wheel(x, y, 100, control=True)
    page.comes(f"document.querySelector('.view').dataset.sight !== '{since:.6f} {until:.6f}'")
    assert sight(page)[1] - sight(page)[0] == pytest.approx((until - since) * 1.2, rel=0.01)


def test_all_of_it_by_keys(opened: Open) -> None:
    page = opened(failed())
    whole = sight(page)
    page.value("document.querySelector('.scroll').focus()")
    times = []
    for key in "nnnp":
        page.key(key)
        times.append(page.value("document.querySelector('.view').dataset.selected"))
    assert times == ["0.000000", "0.001000", "1.000000", "0.001000"]
    page.key("+")
    assert sight(page)[1] - sight(page)[0] < whole[1] - whole[0]
    page.key("0")
    assert sight(page) == whole


def test_from_an_expectation_to_its_moment(opened: Open) -> None:
    page = opened(failed())
    sight(page)
    page.click(".findings button.link")
    assert page.comes("document.querySelector('.view')?.dataset.selected") == "5.100000"


def test_one_of_a_thousand(opened: Open) -> None:
    page = opened(crowd(1000))
    sight(page)
    assert page.value("[document.querySelectorAll('[role=option]').length, document.querySelectorAll('.stage svg').length]") == [1000, 1]
    page.value("document.querySelector('[type=search]').focus()")
    page.do("Input.insertText", text="lurkers 77")
    page.comes("document.querySelectorAll('[role=option]').length === 19")
    assert page.texts("[role=status]")[0] == "19 of 1000"
    page.click("[role=option]:nth-child(8)")
    page.comes("location.hash === '#0/lurkers%20770'")
    page.value("document.querySelector('[role=option][tabindex=\"0\"]').focus()")
    page.key("ArrowDown")
    page.comes("location.hash === '#0/lurkers%20771'")
    assert page.texts(".stage > p") == ["lurkers 771 (crowd), opened at 0.000 s, closed at 9.000 s"]
    page.key("End")
    page.comes("location.hash === '#0/lurkers%20977'")


def test_dark_and_light(opened: Open) -> None:
    page = opened(failed(), dark=True)
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = page.value(colour)
    page.click(".theme")
    page.comes(f"{colour} !== '{dark}'")
    light = page.value(colour)
    page.value("localStorage.removeItem('faultproxy-theme')")
    assert opened(failed()).value(colour) == light
