"""The live page without a pointer, and as somebody hears it who does not see it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.control.page.conftest import Open
from tests.control.page.stage import Stage
from tests.peers.browser import Browser

pytestmark = pytest.mark.peers

SLOW = {"kind": "latency", "delay": "50ms", "manual": True}
ACTED_ON = {"button", "switch", "textbox", "searchbox", "checkbox", "combobox", "grid", "dialog", "DisclosureTriangle", "log"}
"""Roles of what can be acted upon, or is a landmark of its own."""


def heard(page: Browser) -> list[dict[str, Any]]:
    """What stands in the accessibility tree: role, name and properties of each node."""
    nodes = page.do("Accessibility.getFullAXTree")["nodes"]
    return [
        {
            "role": node["role"]["value"],
            "name": node.get("name", {}).get("value", ""),
            **{each["name"]: each["value"].get("value") for each in node.get("properties", [])},
        }
        for node in nodes
        if not node["ignored"]
    ]


def steps(page: Browser, most: int = 60) -> list[str]:
    """Where the Tab key leads, from the top of the page, once round."""
    found: list[str] = []
    page.value("document.activeElement.blur()")
    for _ in range(most):
        page.key("Tab")
        it = "document.activeElement"
        where = page.value(
            f"{it} === document.body ? '' : {it}.id || {it}.getAttribute('aria-label') || {it}.textContent.slice(0, 20) || {it}.role"
        )
        if not where:
            break
        assert page.value(f"getComputedStyle({it}).outlineStyle") == "solid", f"{where}: one does not see where one is"
        found.append(where)
    return found


def test_all_that_acts_has_a_name(on: Stage, opened: Open) -> None:
    on.connect(on.made("game", faults=[SLOW]))
    page = opened()
    page.comes("!document.querySelector('#connection').hidden")
    everything = heard(page)
    found = [each for each in everything if each["role"] in ACTED_ON]
    assert [each for each in found if not each["name"]] == []
    assert [(each["name"], each["checked"]) for each in found if each["role"] == "switch"] == [("latency", "false")]
    (row,) = [each for each in everything if each["role"] == "row" and each.get("focusable")]
    assert row["selected"]
    assert row["name"].startswith("1 127.0.0.1:")
    page.click(".card .add")
    found = [each for each in heard(page) if each["role"] in ACTED_ON]
    assert [each for each in found if not each["name"]] == []
    assert {each["name"] for each in found if each["role"] == "dialog"} == {"Add a fault to game"}
    page.key("Escape")
    assert page.value("document.querySelector('#fault').open") is False


def test_the_tab_key_leads_everywhere_and_once_into_the_table(on: Stage, opened: Open) -> None:
    listen = on.made("game", faults=[SLOW])
    for _ in range(5):
        on.connect(listen)
    page = opened()
    page.comes("!document.querySelector('#connection').hidden && document.querySelectorAll('tbody tr[data-ordinal]').length === 5")
    found = steps(page)
    for stop in ("theme", "game", "switch", "Add a fault", "connections-filter", "pause", "scale", "kill", "journal-filter", "journal"):
        assert stop in found, found
    rows = [each for each in found if "open" in each and "127.0.0.1" in each]
    assert len(rows) == 1, found


def test_arrows_move_in_the_table_and_enter_chooses(on: Stage, opened: Open) -> None:
    listen = on.made()
    for _ in range(3):
        on.connect(listen)
    page = opened()
    page.comes("document.querySelector('#connection-title').textContent === 'Connection 3'")
    page.value("document.querySelector('tr[tabindex=\"0\"]').focus()")
    for key, row in (("ArrowDown", "2"), ("ArrowDown", "1"), ("ArrowDown", "1"), ("Home", "3"), ("End", "1")):
        page.key(key)
        assert page.value("document.activeElement.dataset.ordinal") == row
    page.key("Enter")
    page.comes("document.querySelector('#connection-title').textContent === 'Connection 1'")
    assert page.value("document.activeElement.dataset.ordinal") == "1"
    page.key("Delete")
    page.comes("document.querySelectorAll('tbody tr[data-ordinal]').length === 2")
    assert page.value("document.activeElement.dataset.ordinal") is not None, "the focus stays in the table"


def test_a_switch_obeys_the_keyboard(on: Stage, opened: Open) -> None:
    on.connect(on.made(faults=[SLOW]))
    page = opened()
    page.value("document.querySelector('.switch').focus()")
    page.key(" ")
    page.comes("document.querySelector('.switch').ariaChecked === 'true'")
    assert on.faults()["latency"]["active"] == 1
    assert page.value("document.activeElement.className") == "switch"


def test_the_ladder_stands_still_and_goes_on(on: Stage, opened: Open) -> None:
    on.connect(on.made())
    page = opened()
    page.comes("document.querySelector('.ladder text.label') !== null")
    page.value("document.querySelector('.ladder').focus()")
    page.key(" ")
    assert page.value("document.querySelector('#pause').ariaPressed") == "true"
    page.key("End")
    page.comes("document.querySelector('#pause').ariaPressed === 'false'")
