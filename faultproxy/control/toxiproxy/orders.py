"""What clients may order: proxies made, changed, populated and reset, toxics added, changed and removed.

An order is carried out wholly or not at all; only `populate` and `reset`, which are many orders in one, go as far as they can. Nobody waits
for a peer: what takes time is the kernel's binding of a port, and the resolving of a name to listen on.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from faultproxy.control.errors import Bounded, ControlError, Taken
from faultproxy.control.fleet import Fleet, Post, Spec
from faultproxy.control.security import Limits
from faultproxy.control.toxiproxy import decode, listening, objects
from faultproxy.control.toxiproxy.objects import Record
from faultproxy.control.toxiproxy.toxics import DRAINS, KINDS, STREAMS, Toxic, Unsound, attributes
from faultproxy.errors import FaultproxyError, ListenError, ScenarioError

_LONGEST = Limits().name

_PROXY: dict[str, decode.Reader] = {"name": decode.text, "listen": decode.text, "upstream": decode.text, "enabled": decode.flag}
_TOXIC: dict[str, decode.Reader] = {
    "name": decode.text,
    "type": decode.text,
    "stream": decode.text,
    "toxicity": decode.single,
    "attributes": decode.table,
}


class Refused(ControlError):
    """An order that is not carried out: the status and the text of the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Entry:
    """A proxy as a client asks for it; `listen` as written."""

    name: str
    listen: str
    upstream: str
    enabled: bool = True

    def check(self, where: str = "") -> None:
        """Raises Refused for a field that is empty and must not be, or too long; `where` is added to what is said."""
        for field in ("name", "upstream"):
            if not getattr(self, field):
                raise Refused(400, f"missing required field: {field}{where}")
        _bounded(self.name, where)
        _no_file(self.listen, self.upstream)


@dataclass(frozen=True, slots=True)
class Populated:
    """How far it went: the proxies that are as they were asked for, and why the next one is not."""

    posts: tuple[Post, ...]
    error: Refused | None = None


# ----------------------------------------------------------------- proxies


async def create(fleet: Fleet, body: bytes) -> Post:
    """A new proxy. Raises Refused."""
    entry = _entry(_read(body), "Proxy")
    entry.check()
    if entry.name in fleet.posts:
        raise Refused(409, "proxy already exists")
    return await _create(fleet, entry)


async def update(fleet: Fleet, post: Post, body: bytes) -> None:
    """Other fields for a proxy; what is not given stays. Raises Refused, and then nothing has changed."""
    given = _fields(_read(body), "Proxy", _PROXY)
    _no_file(given.get("upstream"))
    known = objects.record(post)
    listen, enabled = given.get("listen"), given.get("enabled", post.enabled)
    try:
        if listen is not None or not known.bound:
            listening.ours(listen if listen is not None else known.asked)
        moves = listen is not None and not listening.same(listen, known.asked, post.listen)
    except listening.BadAddress as exc:
        raise Refused(500, str(exc)) from exc
    upstream = given.get("upstream", post.upstream)
    await _settle(fleet, post, listen if moves else None, upstream if upstream != post.upstream else None, enabled)


def _no_file(*addresses: str | None) -> None:
    # Elsewhere in this program an address may be a unix socket, which is a file, and trusts whoever may open it: us, and not our caller.
    for address in addresses:
        if address is not None and address.startswith("unix:") and address != "unix:":
            raise Refused(400, f"address {address}: unix sockets are for faultproxy's own configuration file")


def read_entries(body: bytes) -> list[Entry]:
    """The proxies of an array, as `POST /populate` takes and a configuration file has it. Raises Refused, for all if one is wrong."""
    try:
        values = decode.elements(decode.first_value(body), "proxies")
        entries = [_entry(value, f"proxy {number}") for number, value in enumerate(values, 1)]
    except decode.BadBody as exc:
        raise _bad_body(exc) from exc
    for number, entry in enumerate(entries, 1):
        entry.check(f" at proxy {number}")
    return entries


async def populate(fleet: Fleet, entries: Sequence[Entry]) -> Populated:
    """Makes sure of these proxies, in this order, as far as it goes.

    One that is there with the same addresses is left alone, but for being enabled; one with others is replaced, without its faults.
    """
    done: list[Post] = []
    for entry in entries:
        try:
            done.append(await _ensure(fleet, entry))
        except Refused as exc:
            return Populated(tuple(done), exc)
    return Populated(tuple(done))


async def reset(fleet: Fleet) -> None:
    """Enables every proxy and removes every toxic. Raises Refused with the first that failed, once all the others are done."""
    first: Refused | None = None
    for post in list(fleet.posts.values()):
        for toxic in objects.toxics(post):
            remove_toxic(post, toxic.name)
        if fleet.posts.get(post.name) is post:
            try:
                await _settle(fleet, post, None, None, True)
            except Refused as exc:
                first = first or exc
    if first is not None:
        raise first


async def _ensure(fleet: Fleet, entry: Entry) -> Post:
    post = fleet.posts.get(entry.name)
    if post is None:
        return await _create(fleet, entry)
    known = objects.record(post)
    try:
        stays = listening.same(entry.listen, known.asked, post.listen, any_port=True) and entry.upstream == post.upstream
    except listening.BadAddress:
        stays = False
    if not stays:
        return await _replace(fleet, post, entry)
    await _settle(fleet, post, None, None, entry.enabled)
    return post


async def _create(fleet: Fleet, entry: Entry) -> Post:
    address = entry.listen  # created disabled, nobody minds it until it is to listen
    try:
        if entry.enabled:
            address = await listening.resolved(listening.ours(entry.listen))
        post = await fleet.create(Spec(entry.name, address, entry.upstream, entry.enabled, orderly=True))
    except (FaultproxyError, listening.BadAddress) as exc:
        raise _refused(exc, address) from exc
    objects.keep(post, Record(entry.listen, bound=entry.enabled))
    return post


async def _replace(fleet: Fleet, post: Post, entry: Entry) -> Post:
    known = objects.record(post)
    old = replace(post.spec, listen=post.listen, upstream=post.upstream, enabled=post.enabled, faults=tuple(post.faults.values()))
    await fleet.remove(post.name)
    try:
        return await _create(fleet, entry)
    except Refused:
        with contextlib.suppress(FaultproxyError):  # the error that counts is the first
            objects.keep(await fleet.create(old), known)
        raise


async def _settle(fleet: Fleet, post: Post, listen: str | None, upstream: str | None, enabled: bool) -> None:
    # What is None stays. After an error all is as before, but that connections may have been closed.
    known, before, was = objects.record(post), (post.listen, post.upstream), post.enabled
    address = None
    try:
        if listen is not None or (enabled and not known.bound):
            address = listening.ours(listen if listen is not None else known.asked)
            address = await listening.resolved(address) if enabled else address
        if was and not enabled:
            await post.disable()
        if address is not None or upstream is not None:
            await post.move(address, upstream)
        if enabled and not post.enabled:
            if fleet.posts.get(post.name) is not post:
                raise Refused(404, "proxy not found")  # removed while this was under way
            await post.enable()
    except (FaultproxyError, listening.BadAddress) as exc:
        if not was:
            post.listen, post.upstream = before
        raise _refused(exc, address or before[0]) from exc
    if listen is not None:
        known.asked, known.bound = listen, post.enabled


# ------------------------------------------------------------------ toxics


def toxic(post: Post, name: str) -> Toxic:
    """The toxic of that name. Raises Refused."""
    found = objects.record(post).toxics.get(name)
    if found is None:
        raise Refused(404, "toxic not found")
    return found


def add_toxic(post: Post, body: bytes) -> Toxic:
    """A new toxic, behind all others. Raises Refused."""
    given = _fields(_read(body), "Toxic", _TOXIC)
    stream, type_ = given.get("stream", "downstream"), given.get("type", "")
    if stream.lower() not in STREAMS:
        raise Refused(400, "stream was invalid, can be either upstream or downstream")
    if type_ not in KINDS:
        raise Refused(400, "invalid toxic type")
    name = _bounded(given.get("name") or f"{type_}_{stream}")
    known = objects.record(post)
    if name in known.toxics:
        raise Refused(409, "toxic already exists")
    new = _sound(Toxic(name, type_, stream, given.get("toxicity", 1.0), _attributes(type_, attributes(type_), given)))
    _swap(post, None, new)
    known.toxics[name] = new
    return new


def change_toxic(post: Post, name: str, body: bytes) -> Toxic:
    """Other figures for a toxic; what is not given stays. Raises Refused, and then nothing has changed."""
    old = toxic(post, name)
    given = _fields(_read(body), "Toxic", {key: _TOXIC[key] for key in ("attributes", "toxicity")})
    figures = _attributes(old.type, dict(old.attributes), given)
    new = _sound(replace(old, attributes=figures, toxicity=given.get("toxicity", old.toxicity)))
    _swap(post, old, new)
    objects.record(post).toxics[name] = new
    return new


def remove_toxic(post: Post, name: str) -> None:
    """Takes a toxic out. Raises Refused."""
    old = toxic(post, name)
    _swap(post, old, None)
    objects.record(post).toxics.pop(name, None)


def _swap(post: Post, old: Toxic | None, new: Toxic | None) -> None:
    before, after = old.fault() if old is not None else None, new.fault() if new is not None else None
    try:
        if before is not None and after is not None and before.name == after.name:
            if before != after:
                post.change(after)
            return
        if after is not None:  # first, so that at no moment neither is there
            post.add(after)
        if before is not None:
            post.remove(before.name, drain=before.kind in DRAINS)
    except Taken as exc:
        raise Refused(409, f"toxic already exists: {exc}") from exc
    except FaultproxyError as exc:
        raise _refused(exc) from exc


def _sound(new: Toxic) -> Toxic:
    try:
        new.check()
    except Unsound as exc:
        raise Refused(400, str(exc)) from exc
    return new


def _attributes(type_: str, before: dict[str, int], given: dict[str, Any]) -> dict[str, int]:
    return before | _fields(given.get("attributes"), "Toxic.attributes", dict.fromkeys(KINDS[type_].attributes, decode.whole))


# ----------------------------------------------------------------- reading


def _read(body: bytes) -> Any:
    try:
        return decode.first_value(body)
    except decode.BadBody as exc:
        raise _bad_body(exc) from exc


def _fields(value: Any, what: str, wanted: dict[str, decode.Reader]) -> dict[str, Any]:
    try:
        return decode.fields(value, what, wanted)
    except decode.BadBody as exc:
        raise _bad_body(exc) from exc


def _entry(value: Any, what: str) -> Entry:
    return Entry(**({"name": "", "listen": "", "upstream": ""} | _fields(value, what, _PROXY)))


def _bounded(name: str, where: str = "") -> str:
    if len(name) > _LONGEST:
        raise Refused(400, f"name must have {_LONGEST} characters at most, not {len(name)}{where}")
    return name


def _bad_body(exc: decode.BadBody) -> Refused:
    return Refused(400, f"bad request body: {exc}")


def _refused(exc: Exception, address: str = "") -> Refused:
    match exc:
        case Refused():
            return exc
        case ListenError(__cause__=OSError(errno=int(code))):
            return Refused(500, f"listen tcp {address}: bind: {os.strerror(code).lower()}")
        case listening.BadAddress():
            return Refused(500, f"listen tcp: {exc}")
        case Taken():
            return Refused(409, "proxy already exists")
        case Bounded():
            return Refused(429, str(exc))
        case ScenarioError():
            return Refused(400, str(exc))
    return Refused(500, str(exc))
