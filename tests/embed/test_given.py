"""What a program says about its proxy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from faultproxy.embed.given import read
from faultproxy.errors import FaultproxyError
from faultproxy.scenario import load

FILE = """
title = "two faults"
[proxy]
listen = "127.0.0.1:0"
upstream = "127.0.0.1:7777"
rcvbuf = "8KiB"
[server]
command = ["true"]
ready = {connect = true}
[[fault]]
kind = "latency"
delay = "1s"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "two.toml"
    path.write_text(FILE)
    return path


def names(**given: Any) -> list[str]:
    return [fault.name for fault in read(**given).faults]


def test_faults_are_said_in_words_or_by_a_scenario_or_both(file: Path) -> None:
    up = "127.0.0.1:1"
    assert names(upstream=up) == []
    assert names(upstream=up, faults="reset direction=s2c") == ["reset"]
    assert names(upstream=up, faults=["reset direction=s2c", "refuse name=down"]) == ["reset", "down"]
    assert names(faults=file) == names(faults=str(file)) == names(faults=load(file)[0]) == ["latency"]
    assert names(faults=[file, "reset direction=s2c"]) == ["latency", "reset"]


def test_what_is_said_goes_before_what_the_file_says(file: Path) -> None:
    given = read(faults=file)
    assert (given.upstream, given.table.listen, given.sockets.client_rcvbuf) == ("127.0.0.1:7777", "127.0.0.1:0", 8192)
    assert given.left_out == ("[server] is not started",)
    given = read("127.0.0.1:1", file, listen="127.0.0.1:9", seed=5)
    assert (given.upstream, given.table.listen, given.seed) == ("127.0.0.1:1", "127.0.0.1:9", 5)


def test_a_seed_is_drawn() -> None:
    assert len({read("127.0.0.1:1").seed for _ in range(4)}) > 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, 'nothing says what the proxy connects to: give upstream="HOST:PORT", or `upstream` in [proxy]'),
        ({"upstream": "nowhere"}, "nowhere"),
        ({"upstream": "127.0.0.1:1", "faults": "lag delay=1s"}, "there is no fault `lag`: it is called `latency`"),
        ({"upstream": "127.0.0.1:1", "faults": ["refuse", "latency delay"]}, "faults: number 2: 'delay' is not key=value"),
        ({"upstream": "127.0.0.1:1", "faults": ["missing.toml"]}, "missing.toml"),
        ({"upstream": "127.0.0.1:1", "faults": ["a.toml", "b.toml"]}, "one scenario at most"),
    ],
)
def test_mistakes_are_told(given: dict[str, Any], says: str) -> None:
    with pytest.raises(FaultproxyError) as caught:
        read(**given)
    assert says in str(caught.value)


def test_of_several_proxies_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "both.toml"
    path.write_text(
        "".join(f'[[proxy]]\nname = "{name}"\nlisten = "127.0.0.1:0"\nupstream = "127.0.0.1:1"\n' for name in ("front", "back"))
        + '[[fault]]\nkind = "refuse"\nproxy = "back"\n'
    )
    with pytest.raises(FaultproxyError, match=r'several proxies \(front, back\): say which, proxy="front"'):
        read(faults=path)
    assert (names(faults=path, proxy="front"), names(faults=path, proxy="back")) == ([], ["refuse"])
    with pytest.raises(FaultproxyError, match="no proxy called 'side'"):
        read(faults=path, proxy="side")


def test_a_name_is_given_once(file: Path) -> None:
    with pytest.raises(FaultproxyError, match="has a fault called 'latency' already"):
        read(faults=[file, "latency delay=2s"])
