"""From a filled-in document to a `Scenario`: each table read by its model, then the whole checked."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import BaseModel

from faultproxy.faults.base import Fault
from faultproxy.faults.tables import BY_KIND
from faultproxy.scenario.cases import Case
from faultproxy.scenario.check import Draft, check, remarks
from faultproxy.scenario.expect import Expect
from faultproxy.scenario.kinds import unknown_kind
from faultproxy.scenario.locate import Path
from faultproxy.scenario.mistakes import Mistakes, in_words, read
from faultproxy.scenario.model import TABLES, Head, Scenario
from faultproxy.scenario.sandbox import Sandbox
from faultproxy.scenario.schema import unknown_key
from faultproxy.scenario.sections import Client, Crowd, Probe, Proxy, Server
from faultproxy.scenario.sheet import LISTS, Merged

M = TypeVar("M", bound=BaseModel)
_DEFAULT_PROXY = {"listen": "127.0.0.1:0"}


class _Reader:
    """Reads the tables of one document, and counts the mistakes in them."""

    def __init__(self, merged: Merged, data: dict[str, Any], mistakes: Mistakes, unfilled: frozenset[Path]) -> None:
        self.merged = merged
        self.unfilled = unfilled
        self.data = data
        self.mistakes = mistakes
        self.clean = True

    def wrong(self, path: Path, what: str) -> None:
        self.clean = False
        if any(path[: len(place)] == place for place in self.unfilled):
            return  # told already: what stands there is not what was meant
        self.mistakes.at(self.merged, path, unknown_key(self.merged, path) if what == "unknown key" else what)

    def table(self, model: type[M], path: Path, raw: Any) -> M | None:
        value, found = read(model, raw)
        for inner, what in found:
            self.wrong(path + inner, what)
        return value  # type: ignore[return-value]

    def single(self, key: str, model: type[M]) -> M | None:
        return self.table(model, (key,), self.data[key]) if key in self.data else None

    def several(self, key: str, model: type[M]) -> tuple[M | None, ...]:
        return tuple(self.table(model, (key, index), raw) for index, raw in enumerate(self.data.get(key, ())))

    def head(self) -> Head | None:
        for key in self.data:
            if key not in Head.model_fields and key not in LISTS and key not in TABLES and key != "vars":
                self.wrong((key,), "unknown key")
        return self.table(Head, (), {key: value for key, value in self.data.items() if key in Head.model_fields})

    def proxies(self) -> tuple[tuple[Path, Proxy | None], ...]:
        raw = self.data.get("proxy", _DEFAULT_PROXY)
        places = [(("proxy", index), table) for index, table in enumerate(raw)] if isinstance(raw, list) else [(("proxy",), raw)]
        return tuple((path, self.table(Proxy, path, table)) for path, table in places)

    def faults(self) -> tuple[Fault | None, ...]:
        return tuple(self._fault(("fault", index), raw) for index, raw in enumerate(self.data.get("fault", ())))

    def _fault(self, path: Path, raw: dict[str, Any]) -> Fault | None:
        if "kind" not in raw:
            wrong = next((key for key in ("type", "fault", "toxic", "action") if key in raw), None)
            self.wrong((*path, wrong) if wrong else path, '`kind` is missing: it says what goes wrong, such as kind = "latency"')
            return None
        kind = raw["kind"]
        if not isinstance(kind, str) or kind not in BY_KIND:
            self.wrong((*path, "kind"), unknown_kind(kind))
            return None
        return self.table(BY_KIND[kind], path, raw)


def build(
    merged: Merged, data: dict[str, Any], case: Case, mistakes: Mistakes, *, unfilled: frozenset[Path], path: FilePath | None, ident: str
) -> Scenario | None:
    """The scenario of one case; None if there are mistakes in it, which are then all in `mistakes`."""
    reader = _Reader(merged, data, mistakes, unfilled)
    head, proxies, faults, expects = reader.head(), reader.proxies(), reader.faults(), reader.several("expect", Expect)
    server, client, sandbox = reader.single("server", Server), reader.single("client", Client), reader.single("sandbox", Sandbox)
    probes, crowds = reader.several("probe", Probe), reader.several("crowd", Crowd)
    draft = Draft(data, head, proxies, faults, expects, merged.from_profile)
    for place, what in check(draft):
        reader.wrong(place, what)
    if not reader.clean or unfilled or head is None:
        return None
    since = draft.only_fault()
    return Scenario(
        id=f"{ident}[{case.name}]" if case.name else ident,
        path=path,
        title=head.title or (path.stem if path is not None else ident),
        covers=head.covers,
        proxies=_all(proxy for _, proxy in proxies),
        faults=_all(faults),
        server=server,
        client=client,
        probes=_all(probes),
        crowds=_all(crowds),
        sandbox=sandbox,
        expects=tuple(expect if expect.since else expect.model_copy(update={"since": since}) for expect in _all(expects)),
        timeout=head.timeout,
        duration=head.duration,
        recovery=head.recovery,
        variables=case.variables,
        remarks=tuple(f"{in_words(merged, place)}: {what}" for place, what in remarks(draft)),
        included=tuple(FilePath(sheet.name) for sheet in merged.sheets[1:] if not sheet.profile),
        folders={key: folder for key in ("server", "client") if (folder := _folder(merged, key, path)) is not None},
    )


def _folder(merged: Merged, key: str, path: FilePath | None) -> FilePath | None:
    file = merged.included_file(key)
    return FilePath(file).parent if file is not None else path.parent if path is not None else None


def _all(values: Any) -> tuple[Any, ...]:
    return tuple(value for value in values if value is not None)
