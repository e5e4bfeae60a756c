"""What clients are shown: proxies and toxics, in the order and the spelling that they know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from faultproxy.control.post import Post
from faultproxy.control.toxiproxy.toxics import Toxic

_ESCAPED = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


@dataclass(slots=True)
class Record:
    """What a post does not know of itself: how a client wrote its address, and which of its faults are toxics."""

    asked: str
    """Where to listen, as written."""
    bound: bool = True
    """The post has listened there, and so its own word for it holds."""
    toxics: dict[str, Toxic] = field(default_factory=dict)


_RECORDS: WeakKeyDictionary[Post, Record] = WeakKeyDictionary()


def record(post: Post) -> Record:
    """What is known of a post, however it was made. Toxics whose fault somebody else has removed are forgotten here, and those whose fault
    somebody else has changed have its figures.
    """
    found = _RECORDS.setdefault(post, Record(post.listen))
    found.bound = found.bound or post.enabled
    for toxic in list(found.toxics.values()):
        fault = toxic.fault()
        if fault is None:
            continue
        now = post.faults.get(fault.name)
        if now is None or now.kind != fault.kind:
            del found.toxics[toxic.name]
        else:
            found.toxics[toxic.name] = toxic.as_in(now)
    return found


def keep(post: Post, known: Record) -> None:
    """Notes what is known of a new post."""
    _RECORDS[post] = known


def listen(post: Post) -> str:
    """Where it listens: as bound, or as written if it never has."""
    known = record(post)
    return post.listen if known.bound else known.asked


def toxics(post: Post) -> list[Toxic]:
    """Its toxics, those of upstream first, each in the order in which they were made."""
    return sorted(record(post).toxics.values(), key=lambda toxic: toxic.direction)  # c2s, s2c


def toxic_table(toxic: Toxic) -> dict[str, Any]:
    """A toxic for `encode`."""
    toxicity = int(toxic.toxicity) if toxic.toxicity in (0, 1) else toxic.toxicity
    return {
        "attributes": dict(toxic.attributes),
        "name": toxic.name,
        "type": toxic.type,
        "stream": toxic.stream,
        "toxicity": toxicity,
    }


def proxy_table(post: Post) -> dict[str, Any]:
    """A proxy for `encode`."""
    return {
        "name": post.name,
        "listen": listen(post),
        "upstream": post.upstream,
        "enabled": post.enabled,
        "toxics": [toxic_table(toxic) for toxic in toxics(post)],
    }


def proxies_table(posts: Mapping[str, Post]) -> dict[str, Any]:
    """All proxies by name, sorted, for `encode`."""
    return {name: proxy_table(posts[name]) for name in sorted(posts)}


def encode(value: Any) -> bytes:
    """JSON without blanks, fit to stand in a page of HTML. The signs that are escaped occur in strings only."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPED).encode()
