"""Expectations as sentences, and times as people write them."""

from __future__ import annotations

import pytest

from faultproxy.verify.claim import Claim
from faultproxy.verify.wording import clock, shortened, span
from tests.verify.playbook import expect


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            'what = "server.tcp_state"\nis = ["ESTAB", "CLOSED"]\nwithin = "5s"',
            "server.tcp_state is ESTABLISHED or CLOSED within 5 s of cut",
        ),
        ('what = "server.tcp_state"\nnot = "CLOSED"\nwithin = "5s"', "server.tcp_state is not CLOSED within 5 s of cut"),
        (
            'what = "server.tcp_state"\nnot = ["CLOSED", "TIME_WAIT"]\nthroughout = "1.5s"',
            "server.tcp_state is neither CLOSED nor TIME_WAIT throughout 1.5 s from cut",
        ),
        ('what = "server.tcp_state"\nis = "ESTAB"\nat = "5s"', "server.tcp_state is ESTABLISHED 5 s after cut"),
        ('what = "client.rst_received"\nis = false\nthroughout = true', "client.rst_received is false from cut to the end of the phase"),
        ('what = "server.retransmits"\nat_least = 3\nwithin = "3m"', "server.retransmits is at least 3 within 3 min of cut"),
        ('what = "server.bytes_sent"\nat_most = "1MiB"\nwithin = "1s"', "server.bytes_sent is at most 1 MiB (1048576 B) within 1 s of cut"),
        ('what = "probe.a.latency_p99"\nat_most = "50ms"\nwithin = "1s"', "probe.a.latency_p99 is at most 50 ms within 1 s of cut"),
        ('what = "crowd.a.ok"\nbetween = ["5%", "99.5%"]\nwithin = "1s"', "crowd.a.ok is between 5% and 99.5% within 1 s of cut"),
        ('what = "client.process.output"\ncontains = "a\\"b"\nwithin = "1s"', 'client.process.output contains "a\\"b" within 1 s of cut'),
        (
            'what = "server.unacked"\nis = 0\nwithin = ["500ms", "1s"]\nsince = "heal:cut"\nholds_for = "any"',
            "server.unacked is 0 for any connection between 500 ms and 1 s after the healing of cut, and not before",
        ),
        (
            'what = "server.unacked"\nis = 0\nwithin = "1s"\nsince = "heal"\nholds_for = 1',
            "server.unacked is 0 for 1 connection within 1 s of the healing of everything",
        ),
        (
            'what = "server.unacked"\nis = 0\nwithin = "1s"\nsince = "start"\nholds_for = 2',
            "server.unacked is 0 for 2 connections within 1 s of the start",
        ),
    ],
)
def test_sentences(text: str, sentence: str) -> None:
    assert Claim.of(0, expect(text), "cut").wanted == sentence


def test_times() -> None:
    assert [clock(time) for time in (5, 0.2, 5.0213)] == ["5.0 s", "0.2 s", "5.02 s"]
    assert [span(time) for time in (0, 0.0005, 0.05, 5, 90, 300)] == ["0 s", "500 us", "50 ms", "5 s", "90 s", "5 min"]


def test_of_a_text_that_is_too_long_both_ends_stay() -> None:
    assert shortened("as it is", 8) == "as it is"
    assert shortened("wanted " + "x" * 900 + " at 5 s", 30) == "wanted xxxxxxxxxx … xxx at 5 s"
    assert all(len(shortened("a b" * 300, width)) <= width for width in range(10, 200))
