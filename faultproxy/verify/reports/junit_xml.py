"""JUnit XML, in the part that GitHub's actions, GitLab and Jenkins agree on.

There is no standard; the nearest is the schema of Jenkins' xUnit plugin. It knows three ends besides success. `failed` and
`fault_not_fired` become a failure with that type, `error` an error, `skipped` and `inconclusive` are skipped, with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from xml.etree import ElementTree as ET

from faultproxy.verify.outcome import Outcome, Result
from faultproxy.verify.reports.account import plain
from faultproxy.verify.reports.whole import Whole, clean

ELEMENTS: dict[Outcome, str] = {
    "error": "error",
    "failed": "failure",
    "fault_not_fired": "failure",
    "inconclusive": "skipped",
    "skipped": "skipped",
}
"""The element that tells of an outcome; that it passed is told by none."""


def write(whole: Whole) -> str:
    """The document: a test suite for each folder, a test case for each play."""
    root = ET.Element("testsuites", {"name": "faultproxy"} | _sums(whole.results) | {"time": _seconds(whole.seconds)})
    folders: dict[str, list[tuple[Result, str]]] = {}
    for result, name in _named(whole.results):
        folders.setdefault(_file(result).parent.as_posix(), []).append((result, name))
    for folder, plays in folders.items():
        results = [result for result, _ in plays]
        time = {"time": _seconds(sum(result.seconds for result in results))}
        suite = ET.SubElement(root, "testsuite", {"name": clean(folder)} | _sums(results) | time)
        if whole.began is not None:
            suite.set("timestamp", whole.began.strftime("%Y-%m-%dT%H:%M:%S"))
        _properties(suite, {"seed": str(whole.seed), "command": whole.command})
        for result, name in plays:
            _case(suite, result, name)
    ET.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(suite: ET.Element, result: Result, name: str) -> None:
    file = _file(result)
    # Jenkins takes what is before the last dot for a package: the folders.
    classname = ".".join(part for part in file.with_suffix("").parts if part not in ("/", "..", "."))
    case = ET.SubElement(suite, "testcase", classname=clean(classname), name=clean(name), time=_seconds(result.seconds))
    case.set("file", clean(file.as_posix()))
    _properties(case, {"title": result.title, "seed": str(result.seed), "covers": " ".join(result.covers), "outcome": result.outcome})
    if result.outcome in ELEMENTS:
        reason = clean(result.reason).partition("\n")[0]
        message = f"inconclusive: {reason}" if result.outcome == "inconclusive" else reason
        end = ET.SubElement(case, ELEMENTS[result.outcome], type=result.outcome, message=message)
        end.text = plain(result)
    if result.outputs:
        output = ET.SubElement(case, "system-out")
        output.text = "\n".join(f"{name} wrote:\n{text}" for name, text in ((clean(n), clean(t)) for n, t in result.outputs.items()))


def _properties(parent: ET.Element, values: dict[str, str]) -> None:
    known = {name: clean(value) for name, value in values.items() if value}
    if known:
        properties = ET.SubElement(parent, "properties")
        for name, value in known.items():
            ET.SubElement(properties, "property", name=name, value=value)


def _sums(results: Sequence[Result]) -> dict[str, str]:
    counts = Counter(ELEMENTS.get(result.outcome, "") for result in results)
    numbers = {"tests": len(results), "failures": counts["failure"], "errors": counts["error"], "skipped": counts["skipped"]}
    return {name: str(number) for name, number in numbers.items()}


def _named(results: Sequence[Result]) -> Iterator[tuple[Result, str]]:
    # Two of a name would be taken for one: plays of the same scenario are numbered. (Seeds differ each time, and names should not.)
    often = Counter(result.scenario for result in results)
    plays: Counter[str] = Counter()
    for result in results:
        plays[result.scenario] += 1
        number = f" #{plays[result.scenario]}" if often[result.scenario] > 1 else ""
        yield result, _file(result).name + _inside(result) + number


def _file(result: Result) -> PurePath:
    return PurePath(result.scenario.removesuffix(_inside(result)))


def _inside(result: Result) -> str:
    # The case: "[client]" of "acks_dropped.toml[client]".
    return result.scenario[result.scenario.index(".toml[") + 5 :] if ".toml[" in result.scenario else ""


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
