"""Faults in words."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from faultproxy.cli.words import sentence
from faultproxy.faults import KINDS
from faultproxy.faults.base import Fault
from faultproxy.faults.stream.latency import Latency


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "slow: latency both, delay 200ms; from the start; on every connection"),
        ({"name": "latency", "direction": "s2c"}, "latency s2c, delay 200ms; from the start; on every connection"),
        (
            {"jitter": "50ms", "correlation": "5%"},
            "slow: latency both, delay 200ms, jitter 50ms, correlation 5%; from the start; on every connection",
        ),
        (
            {"at": "5s", "after": "2s", "lasts": "10s", "every": "30s", "times": 4},
            "slow: latency both, delay 200ms; at 7s, for 10s, every 30s, at most 4 times; on every connection",
        ),
        ({"after_bytes": {"s2c": "64KiB"}}, "slow: latency both, delay 200ms; behind 64KiB in s2c; on every connection"),
        ({"after_bytes": "1kB", "after": "2s"}, "slow: latency both, delay 200ms; 2s after 1000B; on every connection"),
        ({"on_match": "LOGIN OK\r\n"}, r"slow: latency both, delay 200ms; behind 'LOGIN OK\r\n'; on every connection"),
        ({"on_match": {"s2c": {"regex": "a.*"}}}, "slow: latency both, delay 200ms; behind regex a.* in s2c; on every connection"),
        ({"on_match": {"hex": "ff00"}}, "slow: latency both, delay 200ms; behind hex ff 00; on every connection"),
        ({"on_fin": "client", "after": "1s"}, "slow: latency both, delay 200ms; 1s after the client's FIN; on every connection"),
        ({"on_fin": "server"}, "slow: latency both, delay 200ms; on the server's FIN; on every connection"),
        ({"on_fault": "x"}, "slow: latency both, delay 200ms; when x starts; on every connection"),
        ({"on_heal": "x", "after": "1s"}, "slow: latency both, delay 200ms; 1s after x heals; on every connection"),
        ({"manual": True}, "slow: latency both, delay 200ms; when started by hand; on every connection"),
        ({"after": "2s", "connections": [3]}, "slow: latency both, delay 200ms; 2s after the start; on connection 3"),
        ({"connections": [1, 2, 4]}, "slow: latency both, delay 200ms; from the start; on connections 1, 2 and 4"),
        (
            {"connections": {"skip": 2, "share": "5%"}},
            "slow: latency both, delay 200ms; from the start; on connections with skip 2, share 5%",
        ),
    ],
)
def test_a_fault_is_told_in_one_sentence(keys: dict[str, Any], words: str) -> None:
    assert sentence(Latency.model_validate({"kind": "latency", "name": "slow", "delay": "200ms"} | keys)) == words


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_has_words(kind: type[Fault]) -> None:
    words = sentence(kind.model_validate(tomllib.loads(kind.example)))
    assert words.startswith(kind.model_fields["kind"].default)
    assert words.isprintable()
