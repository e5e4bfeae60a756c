"""The live page in a browser, in front of a daemon that is in use."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest

from faultproxy.faults import KINDS, tables
from tests.control.page.conftest import READY, Open
from tests.control.page.stage import Stage, stage
from tests.peers.browser import Browser

pytestmark = pytest.mark.peers

SLOW = {"kind": "latency", "delay": "50ms", "manual": True}
LABELS = "[...document.querySelectorAll('.ladder text.label')].map((each) => each.textContent)"
DIALLED = f"{LABELS}.some((each) => each.startsWith('SYN ACK'))"
"""What the same leg carries right after it may be drawn with it: `SYN ACK (+ 1)`."""


def test_it_shows_what_there_is(on: Stage, opened: Open) -> None:
    on.connect(on.made("game", faults=[SLOW]))
    on.made("store")
    page = opened()
    assert page.texts(".choose") == ["game", "store"]
    assert page.texts(".fault .name") == ["latency"]
    assert page.texts(".card:first-child .counts") == ["1 open · 1 opened"]
    assert page.texts("tbody tr td:nth-child(5)") == ["4 B"]
    assert page.texts("#connection-title") == ["Connection 1"]
    page.comes(DIALLED)
    assert page.texts("tr:first-child > td.value") == ["ESTAB", "ESTAB"]


def test_a_click_starts_a_fault_and_the_ladder_shows_it(on: Stage, opened: Open) -> None:
    client = on.connect(on.made(faults=[SLOW]))
    page = opened()
    page.comes(DIALLED)
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
    page.comes(DIALLED)
    page.comes("PAGE.picture.now - PAGE.track.opened > 1")  # what follows the opening at once finds no room, and is drawn together
    on.send(client, b"x" * 321)
    page.comes(f"{LABELS}.filter((each) => each === '321 B seq 5').length === 4")


@pytest.mark.parametrize("faults", [[], [{"kind": "latency", "delay": "5ms"}]])
def test_the_end_of_a_connection(on: Stage, opened: Open, faults: list[dict[str, Any]]) -> None:
    on.connect(on.made(faults=faults))
    page = opened()
    page.comes(DIALLED)
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
    assert page.texts("#fault .mistakes li") == ["lasst: unknown key; did you mean lasts?"]
    assert page.texts("#fault .mistakes code") == ["lasts"]
    assert page.value("document.activeElement.id") == "key-delay"
    page.value("document.querySelector('#rest').value = 'may_not_fire = true'")
    page.click("#key-delay")
    for letter in "80ms":
        page.key(letter)
    page.key("Enter")
    page.comes("document.querySelector('.fault .name')?.textContent === 'latency'")
    assert on.faults()["latency"]["table"] == {"kind": "latency", "name": "latency", "delay": "80ms", "may_not_fire": True}


def test_a_fault_is_changed_and_mistakes_stand_where_they_belong(on: Stage, opened: Open) -> None:
    table = {"kind": "latency", "name": "late", "delay": "80ms", "fin": False, "on_match": {"s2c": "GO"}, "connections": [1, 3]}
    on.made(faults=[table])
    page = opened()
    page.value("document.querySelector('.fault .change').focus()")
    page.key("Enter")
    assert page.texts("#fault-title") == ["Change late of a"]
    assert page.value("document.activeElement.id") == "key-delay"
    shown = [
        page.value(f"document.querySelector('#{id_}').value") for id_ in ("key-delay", "key-jitter", "key-fin", "key-connections", "rest")
    ]
    assert shown == ["80ms", "", "false", "[1, 3]", 'on_match = {s2c = "GO"}']
    for delay, comes in (
        ("x", "document.querySelector('#wrong-delay').textContent !== ''"),
        ("90ms", "!document.querySelector('#fault').open"),
    ):
        page.value("document.activeElement.select()")
        for letter in delay:
            page.key(letter)
        page.key("Enter")
        page.comes(comes)
        assert on.faults()["late"]["table"]["delay"] == ("80ms" if delay == "x" else delay)
    assert on.faults()["late"]["table"] == table | {"delay": "90ms"}
    page.comes("document.querySelector('.figures').textContent.includes('delay 90ms')")


def test_every_kind_goes_through_the_form_unchanged(on: Stage, opened: Open) -> None:
    on.made()
    page = opened()
    for kind in KINDS:
        before = tables.fault(tomllib.loads(kind.example)).table()
        page.value(f"PAGE.form.open(PAGE.proxies[0], {{kind: {json.dumps(before['kind'])}, name: 'x', table: {json.dumps(before)}}})")
        (after,) = tomllib.loads(page.value("PAGE.form._toml()"))["fault"]
        page.value("document.querySelector('#fault').close()")
        assert tables.fault(after).table() == before


def test_what_a_hand_has_healed_is_so_for_a_page_that_is_opened_later(on: Stage, opened: Open) -> None:
    on.connect(on.made(faults=[SLOW | {"manual": False}]))
    page = opened()
    page.comes("document.querySelector('.fault .state').textContent === 'active in 1 place'")
    page.click(".switch")
    page.comes("document.querySelector('.fault .state').textContent === 'resting: healed by hand'")
    page = opened()
    assert page.texts(".fault .state") == ["resting: healed by hand"]
    assert page.value("document.querySelector('.switch').ariaChecked") == "false"


def test_the_journal_begins_with_what_has_happened(on: Stage, opened: Open) -> None:
    address = on.made(faults=[SLOW | {"manual": False}])
    on.connect(address)
    page = opened()
    page.comes("document.querySelector('#journal').textContent.includes('latency starts, connection opened')")
    on.connect(address)
    page.comes("document.querySelector('#journal').textContent.includes('#2')")
    lines = page.texts("#journal li")
    assert [sum(f"#{ordinal}  connect from" in line for line in lines) for ordinal in (1, 2)] == [1, 1], "nothing is told twice"


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
    page.comes(DIALLED)
    assert page.value("document.documentElement.scrollWidth") == width
