"""What the server gives of the page, and what it forbids it."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from faultproxy.control import page
from tests.control.harness import daemon

OUTSIDE = re.compile(r"""(?:src|href|url\(|@import|fetch\()\s*=?\s*["'(]?\s*(?:https?:)?//""")


async def test_the_page_names_its_files_and_all_are_there() -> None:
    async with daemon() as d:
        index = await d.api.get("/")
        assert index.status_code == 200
        assert index.headers["content-type"] == "text/html; charset=utf-8"
        assert index.headers["content-security-policy"].startswith(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"
        )
        assert re.findall(r'(?:src|href)="/page/([^"]+)"', index.text) == page.names()
        for name in page.names():
            answer = await d.api.get(f"/page/{name}")
            assert answer.status_code == 200
            assert answer.headers["content-type"].partition(";")[0] == {"js": "text/javascript", "css": "text/css"}[name.rpartition(".")[2]]


@pytest.mark.parametrize("name", ["__init__.py", "index.html", "..%2Fapp.py", "nothing.js", "..%2f..%2ferrors.py"])
async def test_no_other_file_is_given(name: str) -> None:
    async with daemon() as d:
        assert (await d.api.get(f"/page/{name}")).status_code != 200


async def test_a_browser_gets_the_page_without_a_token() -> None:
    async with daemon(token="secret", headers={"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}) as d:
        assert (await d.api.get("/")).status_code == 200
        assert (await d.api.get("/favicon.ico")).status_code == 204
        assert (await d.api.get("/v1/proxies")).status_code == 401


def test_nothing_is_loaded_from_elsewhere_and_nothing_becomes_markup() -> None:
    folder = files("faultproxy.control.page")
    assert {each.name for each in folder.iterdir() if each.name.endswith((".js", ".css"))} <= set(page.names())
    for name in ["index.html", *page.names()]:
        text = page.text(name)
        assert text.count("\n") <= 400
        assert not OUTSIDE.search(text)
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|\son\w+=", text), name
