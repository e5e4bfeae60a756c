"""The live page at `/`: plain HTML, CSS and scripts, which know nothing but `/v1`.

There is no build step, and nothing is loaded from elsewhere. `track.js` puts together what the journal and the counters tell of a
connection, `picture.js` draws it in motion, `page.js` asks for everything and hands it round.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from faultproxy import drawing
from faultproxy.control.security import PAGE_FILES

SCRIPTS = (
    "api.js",
    "segment.js",
    "track.js",
    "meter.js",
    "picture.js",
    "words.js",
    "prose.js",
    "proxies.js",
    "form.js",
    "connections.js",
    "kernel.js",
    "journal.js",
    "page.js",
)
"""In the order in which they build upon each other, and on those of `faultproxy.drawing`."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy: what comes from outside is text on this page; were it ever more, it still could do nothing."""
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    # Whoever installs another version has it at once; the files are small, and rarely come from far.
    "cache-control": "no-cache",
}
_TYPES = {"css": "text/css", "js": "text/javascript", "html": "text/html"}


def routes() -> Sequence[BaseRoute]:
    """`/`, its files under `/page/`, and an icon that there is not."""
    return [
        Route("/", _index, methods=["GET"]),
        Route(f"{PAGE_FILES}{{name}}", _file, methods=["GET"]),
        Route("/favicon.ico", _icon, methods=["GET"]),
    ]


def names() -> list[str]:
    """All files of the page beside `index.html`, in the order in which it names them."""
    return [drawing.LOOK, "page.css", *drawing.SCRIPTS, *SCRIPTS]


async def _index(request: Request) -> Response:
    return _answer("index.html", text("index.html"))


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    return _answer(name, text(name)) if name in names() else Response("no file of the page\n", 404, media_type="text/plain")


async def _icon(request: Request) -> Response:
    return Response(status_code=204)


@cache
def text(name: str) -> str:
    """One of the page's files."""
    if name in (drawing.LOOK, *drawing.SCRIPTS):
        return drawing.text(name)
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _answer(name: str, content: str) -> Response:
    return Response(content, headers=_HEADERS, media_type=_TYPES[name.rpartition(".")[2]])
