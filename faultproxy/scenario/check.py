"""What no table can tell alone: names, references and combinations over the whole file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from faultproxy.core.events import Side
from faultproxy.core.linear import backtracks
from faultproxy.core.units import show_duration
from faultproxy.faults import base
from faultproxy.faults.base import Choice, Fault
from faultproxy.faults.fields import expressions
from faultproxy.scenario.expect import Condition, Expect
from faultproxy.scenario.locate import Path
from faultproxy.scenario.mistakes import Found
from faultproxy.scenario.model import Head
from faultproxy.scenario.sections import Proxy

PROFILE = "profile:"
"""What the names of a profile's faults begin with, and no others."""


@dataclass(frozen=True)
class Draft:
    """What could be read of a file. Tables with mistakes of their own are None, but still count where others refer to them by name."""

    raw: dict[str, Any]
    head: Head | None
    proxies: tuple[tuple[Path, Proxy | None], ...]
    faults: tuple[Fault | None, ...]
    expects: tuple[Expect | None, ...]
    from_profile: Callable[[Path], bool]

    def names(self, section: str) -> list[str]:
        """The names of a list of tables, in order, as far as they have one."""
        tables = self.raw.get(section, [])
        named = [_name(table) for table in (tables if isinstance(tables, list) else [tables])]
        return [name for name in named if name is not None]

    def only_fault(self) -> str | None:
        """What `since` stands for where it is not written: the only fault, profiles aside, or the start; None if there are several."""
        own = [_name(table) for index, table in enumerate(self.raw.get("fault", [])) if not self.from_profile(("fault", index))]
        return None if len(own) > 1 else own[0] if own and own[0] else "start"


def _name(table: Any) -> str | None:
    name = (table.get("name") or table.get("kind")) if isinstance(table, dict) else None
    return name if isinstance(name, str) else None


def check(draft: Draft) -> Iterator[Found]:
    """Every mistake that concerns more than one table."""
    yield from _names_once(draft)
    yield from _reserved(draft)
    for index, fault in enumerate(draft.faults):
        if fault is not None:
            path: Path = ("fault", index)
            yield from _references(draft, path, fault)
            yield from _place(draft, path, fault)
            yield from _in_time(draft, path, fault)
    yield from _cycles(draft)
    for index, expect in enumerate(draft.expects):
        if expect is not None:
            yield from _expectation(draft, ("expect", index), expect)
    if draft.head is not None and draft.head.duration is not None and draft.head.duration > draft.head.timeout:
        yield ("duration",), f"is longer than the whole run may take ({_timeout(draft.head)})"


def remarks(draft: Draft) -> Iterator[Found]:
    """What is right and yet hardly meant: no mistake, but worth a word."""
    for index, fault in enumerate(draft.faults):
        for keys, expression in expressions(fault):
            if why := backtracks(expression):
                yield (
                    ("fault", index, *keys),
                    f"because of {why}, a search can take very long on a line that does not match, and everything waits for it meanwhile",
                )
    for index, expect in enumerate(draft.expects):
        if expect is None or expect.when != "within" or isinstance(expect.within, tuple):
            continue
        at_once = [condition.observable.counted and _takes_zero(condition) for condition in expect.conditions]
        if any(at_once) if expect.any_ else all(at_once):
            yield (
                ("expect", index, "within"),
                "it counts from `since` and so begins with 0: this is true at once and proves nothing; is `throughout` meant, or `at`?",
            )


def _takes_zero(condition: Condition) -> bool:
    wanted = condition.wanted
    match condition.comparison:
        case "is":
            return 0 in wanted  # false is 0, too
        case "not":
            return 0 not in wanted
        case "at_least":
            return wanted[0] == 0
        case "at_most":
            return True
        case "between":
            return wanted[0] == 0
        case "contains":
            return False


def _timeout(head: Head) -> str:
    by_default = "" if "timeout" in head.model_fields_set else ", the default"
    return f'timeout = "{show_duration(head.timeout)}"{by_default}'


def missing(name: str, what: str, known: Iterable[str]) -> str:
    """What to say of a reference to something that there is not."""
    known = list(known)
    near = get_close_matches(name, known, 1, 0.6)
    hint = f"did you mean `{near[0]}`?" if near else f"there is {', '.join(f'`{one}`' for one in known)}" if known else "there is none"
    return f"no {what} is called `{name}`: {hint}"


# ------------------------------------------------------------------ names


def _names_once(draft: Draft) -> Iterator[Found]:
    for section in ("proxy", "probe", "crowd", "fault"):
        tables = draft.raw.get(section, [])
        seen: set[str] = set()
        for index, table in enumerate(tables if isinstance(tables, list) else []):
            name = _name(table) if section == "fault" else table.get("name", "proxy") if isinstance(table, dict) else None
            if not isinstance(name, str):
                continue
            if name in seen:
                given = "name" in table
                hint = (
                    "names are used once"
                    if given
                    else f"give each {'kind' if section == 'fault' else section} of which there are two a `name`"
                )
                yield (section, index, *(("name",) if given else ())), f"there is another {section} called `{name}`: {hint}"
            seen.add(name)


def _reserved(draft: Draft) -> Iterator[Found]:
    for index, table in enumerate(draft.raw.get("fault", [])):
        name = _name(table)
        path: Path = ("fault", index, "name")
        if name is None:
            continue
        if not name.strip() or not name.isprintable():
            yield path, "a name has at least one character that can be seen, and none that cannot"
        elif name in ("heal", "start") or name.startswith("heal:"):
            yield path, f"`{name}` means something else in `since`: choose another name"
        elif name.startswith(PROFILE) and not draft.from_profile(path):
            yield path, f"names that begin with `{PROFILE}` belong to the faults of profiles: choose another"


# ----------------------------------------------------------------- faults


def _references(draft: Draft, path: Path, fault: Fault) -> Iterator[Found]:
    if fault.proxy is not None and fault.proxy not in (names := _proxy_names(draft)):
        yield (*path, "proxy"), missing(fault.proxy, "proxy", names)
    for key, other in (("on_fault", fault.on_fault), ("on_heal", fault.on_heal)):
        if other is None:
            continue
        if other not in (names := draft.names("fault")):
            yield (*path, key), missing(other, "fault", names)
        else:
            yield from _chain(draft, (*path, key), fault, other)
    yield from _choice(draft, (*path, "connections"), fault.connections)


def _chain(draft: Draft, path: Path, fault: Fault, other: str) -> Iterator[Found]:
    for first in draft.faults:
        if first is not None and first.name == other and None not in (first.proxy, fault.proxy) and first.proxy != fault.proxy:
            yield path, f"`{other}` acts on proxy `{first.proxy}` and this one on `{fault.proxy}`: a chain stays on one proxy"


def _choice(draft: Draft, path: Path, choice: object) -> Iterator[Found]:
    if not isinstance(choice, Choice):
        return
    for key, name in (("crowd", choice.crowd), ("probe", choice.probe)):
        if name is not None and name not in (names := draft.names(key)):
            yield (*path, key), missing(name, key, names)
    if choice.crowd is not None and choice.probe is not None:
        yield path, "nobody is both a member of a crowd and a probe: name one of them"
    if choice.source is not None and draft.proxies and all(proxy is not None and proxy.unix("client") for _, proxy in draft.proxies):
        yield (*path, "source"), "whoever comes by a unix socket has no address: nobody would be chosen"


def _proxy_names(draft: Draft) -> list[str]:
    return draft.names("proxy") or ["proxy"]


def _place(draft: Draft, path: Path, fault: Fault) -> Iterator[Found]:
    raw = draft.raw["fault"][path[1]]
    for _, proxy in draft.proxies:
        if proxy is None or not fault.belongs_to(proxy.name):
            continue
        sides: tuple[Side, Side] = ("client", "server")
        place = base.Place(proxy.protocol == "udp", proxy.intercept, frozenset(side for side in sides if proxy.unix(side)))
        for key, reason in fault.unfit(place):
            yield ((*path, key) if key in raw else path), reason


def _in_time(draft: Draft, path: Path, fault: Fault) -> Iterator[Found]:
    if draft.head is not None and fault.at is not None and fault.at + fault.after >= draft.head.timeout:
        yield (*path, "at"), f"it would start when the run is over ({_timeout(draft.head)})"


def _cycles(draft: Draft) -> Iterator[Found]:
    """A fault has one start, so faults that start each other in a circle are started by nothing, or, once started by hand, never end."""
    starts = {fault.name: fault.on_fault or fault.on_heal for fault in draft.faults if fault is not None}
    told: set[str] = set()
    for index, fault in enumerate(draft.faults):
        if fault is None or fault.name in told:
            continue
        chain: list[str] = []
        name: str | None = fault.name
        while name is not None and name not in chain:
            chain.append(name)
            name = starts.get(name)
        if name == fault.name:
            told.update(chain)
            circle = " waits for ".join(f"`{one}`" for one in [*chain, fault.name])
            key = "on_fault" if fault.on_fault else "on_heal"
            yield ("fault", index, key), f"{circle}: a circle that nothing starts"


# ----------------------------------------------------------- expectations


def _expectation(draft: Draft, path: Path, expect: Expect) -> Iterator[Found]:
    yield from _since(draft, path, expect)
    yield from _choice(draft, (*path, "connections"), expect.connections)
    for index, condition in enumerate(expect.conditions):
        inner = path if expect.what else (*path, "any" if expect.any_ else "all", index)
        about = condition.observable
        if about.of in ("probe", "crowd") and about.name not in (names := draft.names(about.of)):
            yield (*inner, "what"), missing(about.name, about.of, names)
        if about.value.startswith("process.") and about.of not in draft.raw:
            yield (*inner, "what"), f"the run starts no {about.of}: there is no [{about.of}] whose process could be observed"
    if draft.head is not None and expect.limit is not None and expect.limit > draft.head.timeout:
        yield (*path, expect.when), f"is longer than the whole run may take ({_timeout(draft.head)})"


def _since(draft: Draft, path: Path, expect: Expect) -> Iterator[Found]:
    if expect.since is None:
        if draft.only_fault() is None:
            names = ", ".join(f"`{name}`" for name in draft.names("fault"))
            yield (
                path,
                f'`since` is missing: there are several faults ({names}); name the one from which time counts, or write since = "start"',
            )
        return
    if expect.since in ("heal", "start"):
        return
    name = expect.since.removeprefix("heal:")
    if name not in (names_ := draft.names("fault")):
        yield (*path, "since"), missing(name, "fault", [*names_, "heal", "start"])
