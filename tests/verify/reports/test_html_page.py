"""The page as a file: complete in itself, harmless, readable without scripts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import datetime
from html.parser import HTMLParser

from faultproxy import drawing
from faultproxy.verify import reports
from faultproxy.verify.outcome import OUTCOMES, Result
from faultproxy.verify.reports.drawing import drawings
from faultproxy.verify.reports.html_page import SCRIPTS
from tests.verify.reports.samples import EVIL, crowd, failed, result


class Reader(HTMLParser):
    """What elements there are, and what is in them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append((self.tags[-1][0] if self.tags else "", data))

    def within(self, tag: str) -> list[str]:
        """The texts that directly follow such a tag."""
        return [text for name, text in self.texts if name == tag]


def page(*results: Result, command: str = "") -> str:
    return reports.html(results, seconds=3.0, seed=7, command=command, began=datetime(2030, 1, 2, 3, 4, 5))


def test_the_list_is_there_without_scripts_worst_first() -> None:
    text = page(*(result(outcome, f"{outcome}.toml", reason=f"why {outcome}") for outcome in reversed(OUTCOMES)))
    links = re.findall(
        r'<a href="#(\d)"><b>([a-z ]+)</b> .*<span class="name">(\w+\.toml)</span> <span class="reason">why \w+</span>', text
    )
    assert links == [(str(5 - place), outcome.replace("_", " "), f"{outcome}.toml") for place, outcome in enumerate(OUTCOMES)]


def test_nothing_is_loaded_from_anywhere() -> None:
    tags = Reader(page(failed())).tags
    assert [(tag, name) for tag, attributes in tags for name in ("src", "srcset", "action", "style", "onload") if name in attributes] == []
    assert {attributes["href"] for tag, attributes in tags if tag == "link"} == {"data:,"}


def test_only_our_own_script_and_style_may_act() -> None:
    reader = Reader(page(failed()))
    (policy,) = [str(attributes["content"]) for tag, attributes in reader.tags if tag == "meta" and "http-equiv" in attributes]
    for directive, tag in (("style-src", "style"), ("script-src", "script")):
        block = [text for text in reader.within(tag) if text.strip()][-1]
        digest = base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")


def test_all_scripts_are_in_it() -> None:
    assert page(result()).count('"use strict";') == len(drawing.SCRIPTS + SCRIPTS)


def test_the_data_comes_back() -> None:
    # No "<" in it: whatever it is about, a browser's parser meets the end of the block at its end.
    data = Reader(page(failed(), crowd(3))).within("script")[0]
    assert json.loads(data) == json.loads(json.dumps(drawings([failed(), crowd(3)])))
    assert "<" not in data


def test_text_that_would_be_more_stays_text() -> None:
    evil = result("failed", f"{EVIL}.toml", title=EVIL, reason=EVIL, again=EVIL, notes=[EVIL], outputs={EVIL: EVIL}, covers=[EVIL])
    tame = Reader(page(result("failed", reason="x"), command="x"))
    reader = Reader(page(evil, command=EVIL))
    assert [tag for tag, _ in reader.tags] == [tag for tag, _ in tame.tags]
    assert json.loads(reader.within("script")[0])[0]["title"] == EVIL


def test_any_page_can_be_written_to_a_file() -> None:
    odd = "\udc80\x00\x1b[0m"
    page(result("failed", odd, title=odd, reason=odd, again=odd, notes=[odd], outputs={odd: odd}), command=odd).encode("utf-8")


def test_a_page_about_a_thousand_busy_connections_is_bounded() -> None:
    assert len(page(crowd(1000, marks=250))) < 10_000_000
