"""One self-contained page: the index of what was played, and for each scenario its reasons, faults, connections and evidence.

The list of scenarios is plain HTML and can be read without scripts (some build servers forbid them). The rest is drawn by the scripts
of the folder `page`, on demand, from one JSON block. Nothing that comes from outside can act: text is escaped on its way into the page,
the scripts make text nodes of it only, and the Content-Security-Policy allows no script and no style but our two blocks, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from html import escape
from importlib.resources import files

from faultproxy import __version__, drawing
from faultproxy.verify.outcome import OUTCOMES, Result
from faultproxy.verify.reports.drawing import drawings
from faultproxy.verify.reports.json_document import finite
from faultproxy.verify.reports.whole import Whole, clean, said, totals_line

SCRIPTS = ("curves.js", "story.js", "picture.js", "view.js", "crowd.js", "page.js")
"""In the order in which they build upon each other, and on those of `faultproxy.drawing`."""

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '{style_hash}'; script-src '{script_hash}'; \
img-src data:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>faultproxy</h1>
<p class="totals">{totals}</p>
<p class="about">{about}</p>
</header>
<div class="columns">
<nav aria-label="Scenarios"><ol id="index">
{index}
</ol></nav>
<main id="main" tabindex="-1"><noscript><p>The diagrams need JavaScript; the list of scenarios does not.</p></noscript></main>
</div>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def write(whole: Whole) -> str:
    """The page."""
    style = drawing.text(drawing.LOOK) + _file("page.css")
    script = "\n".join([*map(drawing.text, drawing.SCRIPTS), *map(_file, SCRIPTS)])
    return _PAGE.format(
        title=escape(f"{said(whole.outcome)}: faultproxy test"),
        totals=escape(totals_line(whole)),
        about=_about(whole),
        index="\n".join(_entry(place, result) for place, result in _worst_first(whole)),
        data=_embedded(whole),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
    )


def _worst_first(whole: Whole) -> list[tuple[int, Result]]:
    return sorted(enumerate(whole.results), key=lambda each: OUTCOMES.index(each[1].outcome))


def _entry(place: int, result: Result) -> str:
    reason = clean(result.reason).partition("\n")[0]
    parts = [
        f"<b>{said(result.outcome)}</b>",
        f'<span class="time">{result.seconds:.1f} s</span>',
        f'<span class="name">{escape(clean(result.scenario)).replace("/", "/<wbr>")}</span>',
        *([f'<span class="reason">{escape(reason)}</span>'] if reason else []),
    ]
    return f'<li class="{result.outcome}"><a href="#{place}">{" ".join(parts)}</a></li>'


def _about(whole: Whole) -> str:
    parts = [f"seed <code>{whole.seed}</code>"]
    if whole.command:
        parts.append(f"<code>{escape(clean(whole.command))}</code>")
    if whole.began is not None:
        parts.append(f"<time>{escape(whole.began.isoformat(sep=' ', timespec='seconds'))}</time>")
    return " · ".join([*parts, f"version {escape(__version__)}"])


def _embedded(whole: Whole) -> str:
    text = json.dumps(finite(drawings(whole.results)), separators=(",", ":"), allow_nan=False)
    # Within a script element only "<" could end or open something; the other two are for readers who know that less well.
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(block: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()}"


@cache
def _file(name: str) -> str:
    return files("faultproxy.verify.reports").joinpath("page", name).read_text(encoding="utf-8")
