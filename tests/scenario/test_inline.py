"""Faults in words."""

from __future__ import annotations

from typing import Any

import pytest

from faultproxy.core import match, timeline
from faultproxy.errors import ScenarioError
from faultproxy.faults.stream.latency import Latency
from faultproxy.scenario import from_faults
from faultproxy.scenario.inline import fault_table, words


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("  a  b ", ["a", "b"]),
        ('a b="x y" c', ["a", 'b="x y"', "c"]),
        ("a={b = [1, 2]} c", ["a={b = [1, 2]}", "c"]),
        (r'a="\" b" c', [r'a="\" b"', "c"]),
        (r"a='\' b", [r"a='\'", "b"]),
        ('a={x="}"} b', ['a={x="}"}', "b"]),
    ],
)
def test_words(text: str, parts: list[str]) -> None:
    assert words(text) == parts


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("refuse", {"kind": "refuse"}),
        ("kind=refuse", {"kind": "refuse"}),
        ("latency delay=200ms", {"kind": "latency", "delay": "200ms"}),
        ("a b=3 c=0.5 d=true e=yes", {"kind": "a", "b": 3, "c": 0.5, "d": True, "e": "yes"}),
        ("a connections=[1, 3]", {"kind": "a", "connections": [1, 3]}),
        ('a on_match={s2c="LOGIN OK"}', {"kind": "a", "on_match": {"s2c": "LOGIN OK"}}),
        (r"a on_match={regex='^\d+$'}", {"kind": "a", "on_match": {"regex": r"^\d+$"}}),
        ('a name="two words"', {"kind": "a", "name": "two words"}),
        ("a at=1979-05-27", {"kind": "a", "at": "1979-05-27"}),
        ("a url=x=y", {"kind": "a", "url": "x=y"}),
    ],
)
def test_tables(text: str, table: dict[str, Any]) -> None:
    assert fault_table(text) == table


def test_a_scenario_of_inline_faults() -> None:
    scenario = from_faults(
        ['latency delay=200ms jitter=50ms direction=s2c on_match={s2c="LOGIN OK"}', "reset direction=s2c after=2s"], upstream="[::1]:6379"
    )
    first, second = scenario.faults
    assert isinstance(first, Latency)
    assert (first.delay, first.jitter, first.ways()) == (0.2, 0.05, ("s2c",))
    assert first.schedule().trigger == timeline.OnMatch(("s2c",), match.Literal(b"LOGIN OK"))
    assert (second.name, second.after) == ("reset", 2.0)
    assert (scenario.id, scenario.path) == ("command line", None)
    assert (scenario.proxies[0].listen, scenario.proxies[0].upstream) == ("127.0.0.1:0", "[::1]:6379")


def test_no_faults_are_a_plain_relay() -> None:
    assert from_faults([], upstream="127.0.0.1:9").plans() == ()


def test_every_mistake_of_a_command_line() -> None:
    inline = [
        "latency delay=200",
        "latency name=x dely=1ms delay=1ms",
        "lag",
        "reset on_match={s2c=LOGIN OK}",
        "reset after",
        "",
        'reset name="x',
        "reset after=1s after=2s",
        "reset after=",
    ]
    with pytest.raises(ScenarioError) as caught:
        from_faults(inline, listen="localhost", upstream="127.0.0.1:99999")
    assert caught.value.mistakes == (
        "--listen: proxy.listen: 'localhost' is not an address such as \"127.0.0.1:6379\"",
        "--upstream: proxy.upstream: port 99999 does not exist: the last is 65535",
        '--fault 1: fault "latency".delay: a time needs a unit: write it like "50ms", not 200',
        '--fault 2: fault "x".dely: unknown key; did you mean `delay`?',
        '--fault 3: fault "lag".kind: there is no fault `lag`: it is called `latency`',
        '--fault 4: {s2c=LOGIN OK} is not valid TOML (invalid value): strings in it stand in quotes, {s2c = "OK"}',
        "--fault 5: 'after' is not key=value: after the kind come keys such as delay=200ms, without blanks around the =",
        "--fault 6: nothing is written: expected a kind and its keys, such as 'latency delay=200ms'",
        "--fault 7: 'reset name=\"x' ends before '\"' closes what was opened",
        "--fault 8: `after` is given twice",
        "--fault 9: `after=` has no value",
    )
