"""What is right and yet hardly meant: a remark, and no mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from faultproxy.scenario import load_text

HEAD = """[proxy]
listen = "127.0.0.1:0"
[[crowd]]
name = "one"
count = 1
behaviour = "idle"
[[expect]]
since = "start"
"""
AT_ONCE = "it counts from `since` and so begins with 0: this is true at once and proves nothing; is `throughout` meant, or `at`?"


def remarks(expect: str) -> tuple[str, ...]:
    (scenario,) = load_text(HEAD + expect, "late.toml", Path())
    return scenario.remarks


@pytest.mark.parametrize(
    "condition",
    [
        'what = "crowd.one.failures"\nis = 0',
        'what = "client.rst_received"\nis = false',
        'what = "server.retransmits"\nat_most = 3',
        'what = "server.bytes_sent"\nbetween = ["0B", "1kB"]',
        'what = "crowd.one.errors.ECONNRESET"\nnot = 3',
        'what = "host.TCPTimeouts"\nis = [0, 1]',
        'any = [{what = "server.fin_sent", is = false}, {what = "server.tcp_state", is = "CLOSED"}]',
    ],
)
def test_what_is_true_at_once_proves_nothing(condition: str) -> None:
    where = HEAD.count("\n") + condition.count("\n") + 2
    assert remarks(f'{condition}\nwithin = "2s"\n') == (f"late.toml:{where}: expect[1].within: {AT_ONCE}",)
    assert remarks(f'{condition}\nthroughout = "2s"\n') == ()
    assert remarks(f'{condition}\nat = "2s"\n') == ()


@pytest.mark.parametrize(
    "condition",
    [
        'what = "crowd.one.ok"\nat_least = 1',
        'what = "crowd.one.open"\nis = 0',  # the value now: it may have to become so
        'what = "server.unacked"\nis = 0',
        'what = "server.zero_window"\nis = false',
        'what = "client.fin_received"\nnot = false',
        'all = [{what = "server.fin_sent", is = false}, {what = "server.tcp_state", is = "CLOSED"}]',
    ],
)
def test_what_must_become_true_is_not_remarked_on(condition: str) -> None:
    assert remarks(f'{condition}\nwithin = "2s"\n') == ()


def test_an_expression_that_may_hold_everything_up_is_remarked_on() -> None:
    fault = '[[fault]]\nkind = "latency"\ndelay = "1ms"\non_match = {c2s = {regex = \'%s\'}}\n'
    before = HEAD.partition("[[expect]]")[0]
    said = load_text(before + fault % "(?!x)y", "late.toml", Path())[0].remarks
    assert len(said) == 1
    assert said[0].startswith('late.toml:10: fault "latency".on_match.c2s: because of a look-around')
    assert load_text(before + fault % "(a+)+$", "late.toml", Path())[0].remarks == ()


def test_what_says_something_in_another_case_is_not_remarked_on() -> None:
    cases = '[[case]]\nname = "none"\nlost = 0\n[[case]]\nname = "some"\nlost = 2\n'
    expect = 'what = "server.retransmits"\nis = "${lost}"\nwithin = "2s"\n'
    assert [scenario.remarks for scenario in load_text(HEAD + expect + cases, "late.toml", Path())] == [(), ()]
    both = load_text(HEAD + expect + cases.replace("2", "0"), "late.toml", Path())
    assert [len(scenario.remarks) for scenario in both] == [1, 1]
