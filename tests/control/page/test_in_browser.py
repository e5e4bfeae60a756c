"""The live page in a browser, in front of a daemon that is in use."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.control.page.conftest import READY, Open
from tests.control.page.stage import Stage, stage
from tests.peers.browser import Browser

pytestmark = pytest.mark.peers

SLOW = {"kind": "latency", "delay": "50ms", "manual": True}
LABELS = "[...document.querySelectorAll('.ladder text.label')].map((each) => each.textContent)"


def test_it_shows_what_there_is(on: Stage, opened: Open) -> None:
    on.connect(on.made("game", faults=[SLOW]))
    on.made("store")
    page = opened()
    assert page.texts(".choose") == ["game", "store"]
    assert page.texts(".fault .name") == ["latency"]
    assert page.texts(".card:first-child .counts") == ["1 open · 1 opened"]
    assert page.texts("tbody tr td:nth-child(5)") == ["4 B"]
    assert page.texts("#connection-title") == ["Connection 1"]
    page.comes(f"{LABELS}.includes('SYN ACK')")
    assert page.texts("tr:first-child > td.value") == ["ESTAB", "ESTAB"]


def test_a_click_starts_a_fault_and_the_ladder_shows_it(on: Stage, opened: Open) -> None:
    client = on.connect(on.made(faults=[SLOW]))
    page = opened()
    page.comes(f"{LABELS}.includes('SYN ACK')")
    page.click(".switch")
    page.comes("document.querySelector('.switch').ariaChecked === 'true' && document.querySelector('.band.f0') !== null")
    assert on.faults()["latency"]["active"] == 1
    on.send(client, b"x" * 700)
    page.comes(f"{LABELS}.includes('data 700 B · latency')")
    page.comes("document.querySelector('#journal').textContent.includes('latency: delayed')")
    page.click(".switch")
    page.comes("document.querySelector('.switch').ariaChecked === 'false'")
    assert on.faults()["latency"]["active"] == 0


def test_bytes_that_no_fault_meets_are_drawn_off_the_counters(on: Stage, opened: Open) -> None:
    client = on.connect(on.made())
    page = opened()
    page.comes("document.querySelector('.kernel .value').textContent === 'ESTAB'")
    page.comes(f"{LABELS}.includes('SYN ACK')")
    page.comes("PAGE.picture.now - PAGE.track.opened > 1")  # what follows the opening at once finds no room, and is drawn together
    on.send(client, b"x" * 321)
    page.comes(f"{LABELS}.filter((each) => each === '321 B seq 5').length === 4")


@pytest.mark.parametrize("faults", [[], [{"kind": "latency", "delay": "5ms"}]])
def test_the_end_of_a_connection(on: Stage, opened: Open, faults: list[dict[str, Any]]) -> None:
    on.connect(on.made(faults=faults))
    page = opened()
    page.comes(f"{LABELS}.includes('SYN ACK')")
    page.click("#kill")
    page.comes(f"{LABELS}.filter((each) => each === 'RST').length === 2")
    page.comes("document.querySelector('#connections-count').textContent.startsWith('0 open')")


def test_a_fault_is_added_and_mistakes_stand_where_they_belong(on: Stage, opened: Open) -> None:
    on.made()
    page = opened()
    page.click(".card .add")
    page.value("document.querySelector('#rest').value = 'lasst = \"1s\"'")
    page.click("#fault .primary")
    page.comes("document.querySelector('#wrong-delay').textContent.includes('is missing')")
    assert page.texts("#fault .mistakes li") == ["lasst: unknown key; did you mean `lasts`?"]
    assert page.value("document.activeElement.id") == "key-delay"
    page.value("document.querySelector('#rest').value = 'may_not_fire = true'")
    page.click("#key-delay")
    for letter in "80ms":
        page.key(letter)
    page.key("Enter")
    page.comes("document.querySelector('.fault .name')?.textContent === 'latency'")
    assert on.faults()["latency"]["table"] == {"kind": "latency", "name": "latency", "delay": "80ms", "may_not_fire": True}


def test_a_proxy_is_made_disabled_and_removed(on: Stage, opened: Open) -> None:
    page = opened()
    assert page.texts("#connections-rows p") == ["no proxy yet: make one"]
    page.click("#new-proxy summary")
    for name, text in (("name", "new"), ("upstream", on.daemon.upstream)):
        page.value(f"document.querySelector('#new-proxy [name={name}]').value = {json.dumps(text)}")
    page.click("#new-proxy button")
    page.comes("document.querySelector('.choose')?.textContent === 'new'")
    page.click(".card .tools button:nth-child(3)")
    page.comes("document.querySelector('.badge').textContent === 'disabled'")
    page.click(".card .danger")
    assert page.texts(".card .danger") == ["Remove it?"]
    page.click(".card .danger")
    page.comes("document.querySelector('.card') === null")


def test_names_of_callers_are_text(on: Stage, opened: Open) -> None:
    evil = "<img src=x onerror=alert(1)>"
    on.connect(on.made(evil, faults=[SLOW | {"name": evil}]))
    page = opened()
    assert page.texts(".choose") == [evil]
    assert page.texts(".fault .name") == [evil]
    page.click(".switch")
    page.comes("document.querySelector('.band') !== null")
    assert page.value("document.querySelectorAll('img').length") == 0


def test_the_token_is_asked_for_once(one_browser: Browser) -> None:
    with stage(token="right", headers={"authorization": "Bearer right"}) as on:
        on.made("guarded")
        page = one_browser
        page.open(on.url)
        for token in ("wrong", "right"):
            page.comes("document.querySelector('#lock').open")
            page.value(f"document.querySelector('#token').value = '{token}'")
            page.key("Enter")
            page.comes("!document.querySelector('#lock').open || document.querySelector('#lock-why').textContent.includes('not it')")
        page.comes(READY)
        assert page.texts(".choose") == ["guarded"]
        page.value("sessionStorage.clear()")
        page.open("about:blank")


def test_pages_that_were_left_hold_nothing(on: Stage, opened: Open) -> None:
    # A browser has six connections to a server, and puts pages aside with what they have open: the seventh would wait for ever.
    on.made()
    for _ in range(8):
        page = opened()
        assert page.texts(".choose") == ["a"]


@pytest.mark.parametrize("width", [1280, 800])
def test_it_is_never_wider_than_the_window(on: Stage, opened: Open, width: int) -> None:
    on.connect(on.made("n" * 128, faults=[SLOW | {"name": "m" * 128}]))
    page = opened(width=width, dark=True)
    page.comes(f"{LABELS}.includes('SYN ACK')")
    assert page.value("document.documentElement.scrollWidth") == width
